import { IconArrowsLeftRight } from '@tabler/icons-react';
import type { Feature } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { Tunnels } from './tunnels.js';

/** Ports on this machine that lead through the gateway: for every tool that is not in the app. */
export const tunnels: Feature = {
  id: 'tunnels',
  tabs: [{ kind: 'tunnels', icon: IconArrowsLeftRight, title: () => 'Tunnels', view: Tunnels, single: true }],
  commands: [
    {
      id: 'tunnels.show',
      title: 'Show tunnels',
      group: 'Tunnels',
      shortcut: 'Mod+Shift+T',
      run: () => workbench().openTab('tunnels', {}),
    },
  ],
};
