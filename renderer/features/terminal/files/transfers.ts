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
const sending = new Map<string, Promise<void>>();

export const isOver = ({ state }: TransferView): boolean =>
  state === 'done' || state === 'failed' || state === 'cancelled';

function put(view: TransferView): void {
  useTransfers.setState(({ transfers }) => {
    const at = transfers.findIndex(({ id }) => id === view.id);
    if (at >= 0) return { transfers: transfers.with(at, view) };
    const kept = transfers.length < shownMax ? transfers : withoutOldest(transfers);
    return { transfers: [view, ...kept] };
  });
}

/** Rows of the list; past it those that went well are let go, the oldest first. */
const shownMax = 200;

function withoutOldest(transfers: readonly TransferView[]): readonly TransferView[] {
  const at = transfers.findLastIndex(({ state }) => state === 'done' || state === 'cancelled');
  return at < 0 ? transfers : transfers.toSpliced(at, 1);
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

/** Begins to send a file; its transfer's id. @throws CallFailed conflict: something of that name is there */
export async function upload(
  key: string,
  path: string,
  file: File,
  how: 'new' | 'replace' | 'resume',
): Promise<string> {
  const view = await call('transfers.upload', { key, path, total: file.size, how });
  sources.set(view.id, file);
  put(view);
  send(view);
  return view.id;
}

/** Resolves once it is over, however it ended, or waits for somebody to go on with it. */
export function settled(id: string): Promise<void> {
  const rests = ({ transfers }: { readonly transfers: readonly TransferView[] }): boolean =>
    transfers.find((each) => each.id === id)?.state !== 'running';
  return new Promise((resolve) => {
    if (rests(useTransfers.getState())) return resolve();
    const leave = useTransfers.subscribe((state) => {
      if (!rests(state)) return;
      leave();
      resolve();
    });
  });
}

/** Pieces under way at once: the way to a target is long. */
const piecesMax = 8;

/** Goes on with an upload, once what was under way before a pause has settled. */
function send({ id }: TransferView): void {
  const before = sending.get(id) ?? Promise.resolve();
  const all = before
    .then(() => sendRest(id))
    .finally(() => {
      if (sending.get(id) === all) sending.delete(id);
    });
  sending.set(id, all);
}

/** Piece by piece, a few ahead of what the target has. A pause ends it. Never rejects. */
async function sendRest(id: string): Promise<void> {
  const file = sources.get(id);
  const view = useTransfers.getState().transfers.find((each) => each.id === id);
  if (file === undefined || view === undefined) return;
  const underWay = new Set<Promise<unknown>>();
  try {
    for (let at = view.bytes; at < view.total && isRunning(id); at += uploadPieceBytesMax) {
      const part = await file.slice(at, at + uploadPieceBytesMax).arrayBuffer();
      if (!isRunning(id)) break;
      const sent = call('transfers.piece', { id, at, data: base64Of(new Uint8Array(part)) }).then(put);
      underWay.add(sent);
      void sent.then(
        () => underWay.delete(sent),
        () => undefined,
      );
      if (underWay.size >= piecesMax) await Promise.race(underWay);
    }
    await Promise.all(underWay);
  } catch {
    // What went wrong stands at the transfer; a file of this machine that went away leaves it as it is.
    await call('transfers.pause', { id }).then(put, () => undefined);
  } finally {
    await Promise.allSettled(underWay);
  }
}

const isRunning = (id: string): boolean =>
  useTransfers.getState().transfers.some((each) => each.id === id && each.state === 'running');

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
    if (now.direction === 'upload') send(now);
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
