import { create } from 'zustand';
import type { CallOutput } from '../../../../gateway-core/contract/bridge/calls.js';
import { call, failureOf, on } from '../../../bridge/index.js';
import { workbench } from '../../../ui/workbench.js';

export type ExportView = CallOutput<'exports.start'>;

/** Exports of this app, the newest first. */
export const useExports = create<{ readonly exports: readonly ExportView[] }>(() => ({ exports: [] }));
/** Looked at in a dialog: their end is seen there and needs no notice. */
export const watched = new Set<string>();

/** What a call answers: older than anything that was told of it meanwhile. */
export function addExport(view: ExportView): void {
  if (!useExports.getState().exports.some(({ id }) => id === view.id)) putExport(view);
}

function putExport(view: ExportView): void {
  const before = useExports.getState().exports.find(({ id }) => id === view.id);
  useExports.setState(({ exports }) => ({
    exports:
      before === undefined ? [view, ...exports] : exports.map((each) => (each.id === view.id ? view : each)),
  }));
  if (before?.state === 'running' && view.state !== 'running' && !watched.has(view.id)) tell(view);
}

function tell(view: ExportView): void {
  const { state, name, rows, error } = view;
  if (state === 'done') {
    workbench().notify({
      level: 'success',
      title: `Exported ${name}`,
      text: `${rows.toLocaleString()} rows`,
      action: { title: 'Show the file', run: () => void reveal(view) },
    });
  } else if (state === 'failed') {
    workbench().notify({ level: 'error', title: `${name} was not exported`, text: error?.message ?? '' });
  }
}

export async function reveal({ id }: ExportView): Promise<void> {
  try {
    await call('app.reveal', { export: id });
  } catch (cause) {
    workbench().notify({ level: 'error', title: 'The file cannot be shown', text: failureOf(cause).message });
  }
}

on('export.changed', putExport);
