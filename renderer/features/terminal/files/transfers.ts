import { create } from 'zustand';
import { type TransferView, uploadPieceBytesMax } from '../../../../gateway-core/contract/bridge/ssh.js';
import { call, failureOf, on } from '../../../bridge/index.js';
import { workbench } from '../../../ui/workbench.js';
import { base64Of } from '../text.js';

/** Transfers of this app, the newest first. */
export const useTransfers = create<{ readonly transfers: readonly TransferView[] }>(() => ({
  transfers: [],
}));

/** The person's files behind uploads: they alone can go on after a break. */
const sources = new Map<string, File>();
const running = new Set<string>();

export const isOver = ({ state }: TransferView): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';

function put(view: TransferView): void {
  useTransfers.setState(({ transfers }) => {
    const at = transfers.findIndex(({ id }) => id === view.id);
    return { transfers: at < 0 ? [view, ...transfers] : transfers.with(at, view) };
  });
}

let begun = false;

/** Reads once and follows from then on. */
export function followTransfers(): void {
  const read = () =>
    void call('transfers.list', {}).then(
      (list) => useTransfers.setState({ transfers: list.toReversed() }),
      () => undefined,
    );
  if (begun) return;
  begun = true;
  read();
  on('transfer.changed', put);
  on('resync', read);
}

export async function download(key: string, path: string): Promise<void> {
  put(await call('transfers.download', { key, path }));
}

/** Begins to send a file. @throws CallFailed conflict: something of that name is there */
export async function upload(
  key: string,
  path: string,
  file: File,
  how: 'new' | 'replace' | 'resume',
): Promise<void> {
  const view = await call('transfers.upload', { key, path, total: file.size, how });
  sources.set(view.id, file);
  put(view);
  void send(view);
}

/** Piece by piece, each once the last is at the target. A pause ends it, going on begins it again. */
async function send(begun_: TransferView): Promise<void> {
  const { id } = begun_;
  const file = sources.get(id);
  if (file === undefined || running.has(id)) return;
  running.add(id);
  try {
    let view = begun_;
    while (view.state === 'running' && view.bytes < view.total) {
      const part = file.slice(view.bytes, view.bytes + uploadPieceBytesMax);
      const data = base64Of(new Uint8Array(await part.arrayBuffer()));
      const now = useTransfers.getState().transfers.find((each) => each.id === id);
      if (now !== undefined && now.state !== 'running') return;
      view = await call('transfers.piece', { id, at: view.bytes, data });
      put(view);
    }
  } catch {
    // What went wrong stands at the transfer; a file of this machine that went away leaves it as it is.
    void call('transfers.pause', { id }).then(put, () => undefined);
  } finally {
    running.delete(id);
  }
}

export async function pause({ id }: TransferView): Promise<void> {
  await acted(async () => put(await call('transfers.pause', { id })));
}

/** Goes on where it stopped, on the session's connection of now. */
export async function resume(view: TransferView): Promise<void> {
  await acted(async () => {
    const file = sources.get(view.id);
    if (view.direction === 'upload' && view.state === 'failed') {
      if (file === undefined) throw new Error('the file has to be chosen again');
      await upload(view.key, view.remote, file, 'resume');
      sources.delete(view.id);
      return;
    }
    const now = await call('transfers.resume', { id: view.id });
    put(now);
    if (now.direction === 'upload') void send(now);
  });
}

export async function cancel({ id }: TransferView): Promise<void> {
  await acted(async () => {
    put(await call('transfers.cancel', { id }));
    sources.delete(id);
  });
}

export async function clear(): Promise<void> {
  await acted(async () => {
    await call('transfers.clear', {});
    useTransfers.setState(({ transfers }) => ({ transfers: transfers.filter((each) => !isOver(each)) }));
  });
}

async function acted(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const { message, action } = failureOf(cause);
    workbench().notify({
      level: 'error',
      title: 'The transfer does not go on',
      text: action === undefined ? message : `${message}: ${action}`,
    });
  }
}
