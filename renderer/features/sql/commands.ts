import { type Command, workbench } from '../../ui/workbench.js';
import type { SqlTab } from './tab-model.js';
import { activeSqlTab } from './tabs.js';
import { saveOrAsk } from './toolbar.js';

/** A command of the SQL tab that has the focus. */
function command(
  id: string,
  title: string,
  shortcut: string | undefined,
  run: (tab: SqlTab) => unknown,
  may: (tab: SqlTab) => boolean = () => true,
): Command {
  return {
    id: `sql.${id}`,
    title,
    group: 'SQL',
    ...(shortcut === undefined ? {} : { shortcut }),
    when: () => {
      const tab = activeSqlTab();
      return tab !== undefined && may(tab);
    },
    run: () => {
      const tab = activeSqlTab();
      if (tab !== undefined) void run(tab);
    },
  };
}

const inTransaction = (tab: SqlTab): boolean => {
  const { session } = tab.state.getState();
  return session !== undefined && session.state !== 'closed' && session.transaction !== 'idle';
};
const hasResult = (tab: SqlTab): boolean => tab.grid(tab.state.getState().shown) !== undefined;

export const commands: readonly Command[] = [
  command('run', 'Run statement or selection', 'Mod+Enter', (tab) => tab.run('statement')),
  command('runAll', 'Run everything', 'Mod+Shift+Enter', (tab) => tab.run('all')),
  command('cancel', 'Cancel what runs', 'Mod+.', (tab) => tab.cancel()),
  command('explain', 'Explain: show the plan', 'Mod+Shift+E', (tab) => tab.explain(false)),
  command('explainAnalyze', 'Explain analyze: run it and measure', undefined, (tab) => tab.explain(true)),
  command('format', 'Format the text', 'Mod+Shift+F', (tab) => tab.format()),
  command('save', 'Save as query', 'Mod+S', saveOrAsk),
  command('saveAs', 'Save as another query', 'Mod+Alt+S', (tab) => tab.state.setState({ dialog: 'save' })),
  command(
    'commit',
    'Commit the transaction',
    'Mod+Alt+C',
    (tab) => tab.endTransaction('commit'),
    inTransaction,
  ),
  command(
    'rollback',
    'Roll the transaction back',
    'Mod+Alt+R',
    (tab) => tab.endTransaction('rollback'),
    inTransaction,
  ),
  command('autocommit', 'Autocommit on or off', undefined, (tab) =>
    tab.setAutocommit(!tab.state.getState().autocommit),
  ),
  command('reconnect', 'Connect or reconnect', undefined, (tab) => tab.open()),
  command('schema', 'Tables', 'Mod+Alt+T', (tab) => tab.toggleSide('schema')),
  command('history', 'History', 'Mod+Alt+H', (tab) => tab.toggleSide('history')),
  command('queries', 'Saved queries', 'Mod+Alt+O', (tab) => tab.toggleSide('queries')),
  command('record', 'Row as a form', 'Mod+Alt+F', (tab) => tab.togglePanel('record'), hasResult),
  command(
    'export',
    'Export the result',
    'Mod+Alt+E',
    (tab) => tab.state.setState({ dialog: 'export' }),
    hasResult,
  ),
  command('layout', 'Results below or to the right', undefined, (tab) => {
    const { resultsAt } = tab.state.getState();
    tab.state.setState({ resultsAt: resultsAt === 'below' ? 'right' : 'below' });
    tab.keep();
  }),
  command('text', 'Go to the text', 'F6', (tab) => tab.editor?.focus()),
  command('new', 'New SQL tab on the same connection', 'Mod+Alt+N', (tab) =>
    workbench().openTab('sql', { connection: tab.state.getState().connection }),
  ),
];
