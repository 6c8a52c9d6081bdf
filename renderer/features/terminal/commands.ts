import { prefer, useKnown } from '../../ui/app-state.js';
import { type Command, workbench } from '../../ui/workbench.js';
import { pasteFromClipboard } from './clipboard.js';
import type { TerminalTab } from './tab-model.js';
import { activeTerminal, allTerminals } from './tabs.js';

/** A command of the terminal that has the focus. */
function command(
  id: string,
  title: string,
  shortcut: string | undefined,
  run: (tab: TerminalTab) => unknown,
  may: (tab: TerminalTab) => boolean = () => true,
): Command {
  return {
    id: `terminal.${id}`,
    title,
    group: 'Terminal',
    ...(shortcut === undefined ? {} : { shortcut }),
    when: () => {
      const tab = activeTerminal();
      return tab !== undefined && may(tab);
    },
    run: () => {
      const tab = activeTerminal();
      if (tab !== undefined) void run(tab);
    },
  };
}

const another = (where: 'here' | 'right' | 'below') => (tab: TerminalTab) =>
  workbench().openTab('terminal', { connection: tab.state.getState().connection }, where);
const size = (by: number) => () => {
  const { terminalFontSize } = useKnown.getState().preferences;
  void prefer({ terminalFontSize: by === 0 ? 13 : Math.min(Math.max(terminalFontSize + by, 8), 40) });
};

/** Chords with Shift or Alt, and few others: a plain Ctrl and a letter belong to the shell. */
export const commands: readonly Command[] = [
  command('find', 'Find in the terminal', 'Mod+F', (tab) => tab.showFind(true)),
  command('copy', 'Copy what is selected', 'Mod+Shift+C', (tab) => tab.copySelection()),
  command('copyColours', 'Copy what is selected with its colours', undefined, (tab) => tab.copyWithColours()),
  command('paste', 'Paste', undefined, (tab) => pasteFromClipboard(tab)),
  command('selectAll', 'Select everything in the terminal', 'Mod+Alt+A', (tab) => tab.screen?.selectAll()),
  command('clear', 'Clear the scrollback', 'Mod+Alt+K', (tab) => tab.screen?.clear()),
  command('files', 'Files of the target', 'Mod+Shift+E', (tab) => tab.toggleFiles()),
  command('snippets', 'Snippets', 'Mod+Alt+I', (tab) => tab.state.setState({ snippets: true })),
  command('together', 'Type in several terminals together', 'Mod+Alt+B', (tab) =>
    tab.setTogether(!tab.state.getState().together),
  ),
  command('togetherAll', 'Type in all open terminals together', undefined, () => {
    for (const each of allTerminals()) each.setTogether(true);
  }),
  command('togetherNone', 'Stop typing in several terminals', undefined, () => {
    for (const each of allTerminals()) each.setTogether(false);
  }),
  command('new', 'Another terminal on the same connection', 'Mod+Alt+N', another('here')),
  command('splitRight', 'Another terminal to the right', 'Mod+Shift+D', another('right')),
  command('splitBelow', 'Another terminal below', 'Mod+Alt+D', another('below')),
  command(
    'reconnect',
    'Connect again',
    'Mod+Alt+R',
    (tab) => tab.connect(),
    (tab) => !tab.isOpen,
  ),
  command('focus', 'Go to the terminal', 'F6', (tab) => tab.screen?.focus()),
  command('goto', 'Go to anything, from a terminal', 'Mod+Shift+K', () => workbench().openPalette()),
  command('pageUp', 'Scroll up', 'Mod+Alt+PageUp', (tab) => tab.screen?.scroll(-1)),
  command('pageDown', 'Scroll down', 'Mod+Alt+PageDown', (tab) => tab.screen?.scroll(1)),
  command('larger', 'Larger text in terminals', 'Mod+Alt+=', size(1)),
  command('smaller', 'Smaller text in terminals', 'Mod+Alt+-', size(-1)),
  command('normal', 'Normal text in terminals', undefined, size(0)),
  {
    id: 'forwards.show',
    title: 'Show port forwards',
    group: 'Terminal',
    run: () => workbench().openTab('forwards', {}),
  },
];
