import { IconArrowFork, IconTerminal2 } from '@tabler/icons-react';
import { useKnown } from '../../ui/app-state.js';
import type { Feature } from '../../ui/workbench.js';
import { commands } from './commands.js';
import { Forwards } from './forwards/forwards.js';
import { TerminalTabView } from './tab.js';
import { activeTerminal } from './tabs.js';

/** Work on a host: terminals, its files, forwards of ports. */
export const terminal: Feature = {
  id: 'terminal',
  tabs: [
    {
      kind: 'terminal',
      icon: IconTerminal2,
      title: ({ connection }) => String(connection ?? 'Terminal'),
      view: TerminalTabView,
      single: false,
    },
    { kind: 'forwards', icon: IconArrowFork, title: () => 'Forwards', view: Forwards, single: true },
  ],
  commands,
  palette: (text) => {
    const wanted = text.trim().toLowerCase();
    const tab = activeTerminal();
    if (wanted === '' || tab === undefined) return Promise.resolve([]);
    const found = useKnown
      .getState()
      .preferences.snippets.filter((each) => `${each.name} ${each.text}`.toLowerCase().includes(wanted));
    return Promise.resolve(
      found.slice(0, 15).map((snippet) => ({
        id: `snippet ${snippet.name}`,
        title: snippet.name,
        detail: snippet.text.slice(0, 80),
        group: 'Snippets',
        run: () => {
          tab.paste(snippet.text);
        },
      })),
    );
  },
};
