import { IconCertificate } from '@tabler/icons-react';
import type { Feature } from '../../ui/workbench.js';
import { ExportPage } from './export-view.js';

/** Bundles that prove what was done to somebody without this gateway. */
export const evidence: Feature = {
  id: 'evidence',
  tabs: [
    {
      kind: 'evidence-export',
      icon: IconCertificate,
      title: ({ name }) => (typeof name === 'string' && name !== '' ? `Evidence: ${name}` : 'Evidence'),
      view: ExportPage,
      single: true,
    },
  ],
};
