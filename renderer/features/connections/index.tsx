import { IconDatabase, IconPlugConnected, IconTerminal2 } from '@tabler/icons-react';
import type { Feature } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { Connections } from './connections.js';
import { readConnections, tabKindOf } from './store.js';

/** The list of what the person may use. */
export const connections: Feature = {
  id: 'connections',
  sections: [
    { id: 'connections', label: 'Connections', icon: IconPlugConnected, order: 10, sidebar: Connections },
  ],
  palette: async (text) => {
    const wanted = text.toLowerCase();
    return (await readConnections())
      .filter(({ name, access }) => access === 'allowed' && name.toLowerCase().includes(wanted))
      .slice(0, 20)
      .map(({ name, protocol }) => ({
        id: name,
        title: name,
        detail: protocol,
        group: 'Connections',
        icon: tabKindOf(protocol) === 'terminal' ? IconTerminal2 : IconDatabase,
        run: () => workbench().openTab(tabKindOf(protocol), { connection: name }),
      }));
  },
};
