import { create } from 'zustand';
import type { EvidenceExport } from '../../../gateway-core/contract/bridge/evidence.js';
import { call, failureOf, on } from '../../bridge/index.js';
import { workbench } from '../../ui/workbench.js';

/** Bundles that this app has fetched or fetches, the newest first. */
export const useEvidence = create<{ readonly exports: readonly EvidenceExport[] }>(() => ({ exports: [] }));
/** Looked at in a tab: their end is seen there and needs no notice. */
export const watched = new Set<string>();

/** What a call answers: older than anything that was told of it meanwhile. */
export function addEvidence(view: EvidenceExport): void {
  if (!useEvidence.getState().exports.some(({ id }) => id === view.id)) putEvidence(view);
}

function putEvidence(view: EvidenceExport): void {
  const before = useEvidence.getState().exports.find(({ id }) => id === view.id);
  useEvidence.setState(({ exports }) => ({
    exports:
      before === undefined ? [view, ...exports] : exports.map((each) => (each.id === view.id ? view : each)),
  }));
  if (before?.state !== 'running' || view.state === 'running' || watched.has(view.id)) return;
  if (view.state === 'done') {
    workbench().notify({
      level: 'success',
      title: `Evidence saved: ${view.name}`,
      action: { title: 'Show the file', run: () => void revealBundle(view) },
    });
  } else if (view.state === 'failed') {
    workbench().notify({
      level: 'error',
      title: `${view.name} was not saved`,
      text: view.error?.message ?? '',
    });
  }
}

/** What was exported before this window was opened. */
export async function readEvidence(): Promise<void> {
  useEvidence.setState({ exports: await call('evidence.exports', {}) });
}

export async function revealBundle({ id }: EvidenceExport): Promise<void> {
  try {
    await call('app.reveal', { export: id });
  } catch (cause) {
    workbench().notify({ level: 'error', title: 'The file cannot be shown', text: failureOf(cause).message });
  }
}

on('evidence.changed', putEvidence);
