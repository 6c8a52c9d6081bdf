import { IconSql } from '@tabler/icons-react';
import type { Feature } from '../../ui/workbench.js';
import { commands } from './commands.js';
import { paletteEntries } from './palette.js';
import { SqlTabView } from './tab.js';

/** Work in SQL: text, runs, results, plans, history, saved queries. */
export const sql: Feature = {
  id: 'sql',
  tabs: [
    {
      kind: 'sql',
      icon: IconSql,
      title: ({ connection, query }) => String(query ?? connection ?? 'SQL'),
      view: SqlTabView,
      single: false,
    },
  ],
  commands,
  palette: paletteEntries,
};
