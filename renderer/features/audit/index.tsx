import { IconFileSearch, IconShieldCheck } from '@tabler/icons-react';
import type { Feature } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { LogView } from './log-view.js';
import { SearchView } from './search-view.js';
import { AuditSidebar } from './sidebar.js';

/** Searching what was run and what came back, and checking the audit log. */
export const audit: Feature = {
  id: 'audit',
  sections: [{ id: 'audit', label: 'Audit', icon: IconFileSearch, order: 40, sidebar: AuditSidebar }],
  tabs: [
    {
      kind: 'search',
      icon: IconFileSearch,
      title: ({ text }) => (typeof text === 'string' && text !== '' ? `Search: ${text}` : 'Search'),
      view: SearchView,
      single: false,
    },
    { kind: 'log', icon: IconShieldCheck, title: () => 'Audit log', view: LogView, single: true },
  ],
  commands: [
    {
      id: 'audit.search',
      title: 'Search statements and masked content',
      group: 'Audit',
      shortcut: 'Mod+Shift+F',
      run: () => workbench().openTab('search', {}),
    },
    {
      id: 'audit.log',
      title: 'Verify the audit log',
      group: 'Audit',
      run: () => workbench().openTab('log', {}),
    },
  ],
};
