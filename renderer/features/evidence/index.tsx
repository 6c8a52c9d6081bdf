import { IconCertificate, IconFileZip } from '@tabler/icons-react';
import { ErrorState } from '../../ui/error-state.js';
import type { Feature, TabProps } from '../../ui/workbench.js';
import { workbench } from '../../ui/workbench.js';
import { BundlePage } from './bundle-view.js';
import { Bundles } from './bundles.js';
import { ExportPage } from './export-view.js';

const openBundle = (name: string): void => workbench().openTab('bundle', { name });

function BundlesTab() {
  return <Bundles open={openBundle} />;
}

function BundleTab({ parameters: { name } }: TabProps) {
  if (typeof name !== 'string')
    return <ErrorState error={{ code: 'not-found', message: 'this tab names no bundle' }} />;
  return <BundlePage key={name} name={name} />;
}

/** Bundles that prove what was done to somebody without this gateway: saving them, and opening those of others. */
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
    { kind: 'bundles', icon: IconFileZip, title: () => 'Evidence bundles', view: BundlesTab, single: true },
    {
      kind: 'bundle',
      icon: IconFileZip,
      title: ({ name }) => (typeof name === 'string' ? name : 'Bundle'),
      view: BundleTab,
      single: true,
    },
  ],
  commands: [
    {
      id: 'evidence.bundles',
      title: 'Open an evidence bundle',
      group: 'Audit',
      run: () => workbench().openTab('bundles', {}),
    },
  ],
};
