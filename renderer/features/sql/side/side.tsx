import { IconX } from '@tabler/icons-react';
import { useTab, useTabState } from '../context.js';
import { Tool } from '../toolbar.js';
import { HistoryPanel } from './history.js';
import { QueriesPanel } from './queries.js';
import { SchemaPanel } from './schema.js';
import style from './side.module.css';

const titles = { schema: 'Tables', history: 'History', queries: 'Saved queries' } as const;

/** What stands beside the text when it is asked for: tables, history, saved queries. Escape goes back to the text. */
export function SidePanel() {
  const tab = useTab();
  const side = useTabState((state) => state.side);
  if (side === 'none') return null;
  const close = () => {
    tab.state.setState({ side: 'none' });
    tab.editor?.focus();
  };
  return (
    <aside
      className={style['side']}
      aria-label={titles[side]}
      onKeyDown={(event) => {
        if (event.key === 'Escape' && !event.defaultPrevented) close();
      }}
    >
      <header className={style['head']}>
        <b>{titles[side]}</b>
        <Tool label="Close" icon={IconX} run={close} />
      </header>
      {side === 'schema' && <SchemaPanel />}
      {side === 'history' && <HistoryPanel />}
      {side === 'queries' && <QueriesPanel />}
    </aside>
  );
}
