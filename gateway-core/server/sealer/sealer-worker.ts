import { mkdirSync } from 'node:fs';
import type { MessagePort } from 'node:worker_threads';
import { loadLogKey } from '../../audit/keys.js';
import { openLog } from '../../audit/log.js';
import type { ReplayItem } from '../../contract/api.js';
import { type Problem, ThroughlineError, toProblem } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import { systemFiles } from '../../recording/files.js';
import { openJournalSource } from '../../store/journal/source.js';
import { describeBug, SealerCore } from './core.js';
import { sealerLimits } from './limits.js';
import type { SealerMessage, SealerMethod, SealerMethods, SealerPlaces, SealerRequest } from './messages.js';

/** The sealer's thread: a thin shell around `SealerCore`. `data` is a SealerPlaces. */
export async function main(port: MessagePort, data: unknown): Promise<void> {
  const places = data as SealerPlaces;
  const post = (message: SealerMessage): void => port.postMessage(message);
  let core: SealerCore;
  try {
    core = await openCore(places, post);
  } catch (error) {
    post({ kind: 'not-ready', problem: problemOf(error) });
    return;
  }
  const desk = deskOf(core);
  port.on('message', (request: SealerRequest) => {
    answer(desk, request).then(
      (value) => post({ kind: 'answer', id: request.id, value }),
      (error: unknown) => post({ kind: 'error', id: request.id, problem: problemOf(error) }),
    );
  });
  // Whoever closes the port has asked for `close` before, or is gone: what is not sealed then is in the journal.
  port.on('close', () => void core.close().catch(() => undefined));
  post({ kind: 'ready', sealedPosition: core.sealedPosition, journalPosition: core.journalPosition });
}

function openCore(places: SealerPlaces, post: (message: SealerMessage) => void): Promise<SealerCore> {
  // At the very first start the journal's writer comes after us.
  mkdirSync(places.journalDirectory, { recursive: true, mode: 0o700 });
  const key = loadLogKey({ file: places.logKeyFile, origin: places.logOrigin });
  return SealerCore.open({
    place: {
      files: systemFiles,
      directory: places.recordingsDirectory,
      masterKey: Buffer.from(places.recordingKey),
    },
    openSource: () => openJournalSource({ directory: places.journalDirectory, key: places.journalKey }),
    openLog: () => openLog({ dir: places.logDirectory, origin: places.logOrigin, key }),
    indexFile: places.indexFile,
    nowMs: () => Date.now(),
    onSealed: (position) => post({ kind: 'sealed', position }),
    onFailure: (failure) => post({ kind: 'failure', problem: failure && toProblem(failure) }),
    onProblem: (problem) => post({ kind: 'recording-problem', problem }),
  });
}

/** Errors cross threads as problems. */
function problemOf(error: unknown): Problem {
  if (error instanceof ThroughlineError) return toProblem(error);
  return toProblem(new ThroughlineError('internal', `the sealer failed: ${describeBug(error)}`));
}

type Desk = { readonly [M in SealerMethod]: (...args: Parameters<SealerMethods[M]>) => unknown };

/** By the request's own method: a name that came as data never reaches anything but these functions. */
async function answer(desk: Desk, request: SealerRequest): Promise<unknown> {
  const act = desk[request.method] as (...args: readonly unknown[]) => unknown;
  return act(...request.args);
}

function deskOf(core: SealerCore): Desk {
  const replays = new ReplayCursors((id, to) => core.replay(id, to));
  return {
    caughtUp: (position) => core.caughtUp(position),
    sessions: (filter) => core.sessions(filter),
    refs: (keys) => core.refs(keys),
    session: (id) => core.session(id),
    statements: (id) => core.statements(id),
    comparable: (id) => core.comparable(id),
    keptBlocks: (id, blocksMax) => core.keptBlocks(id, blocksMax),
    recordedResults: (id, wanted) => core.recordedResults(id, wanted),
    pending: (endedBefore, after, limit) => core.pending(endedBefore, after, limit),
    receipts: (kept, sessions) => core.receipts(kept, sessions),
    search: (query, limit) => core.search(query, limit),
    checkpoint: () => core.checkpoint(),
    unfinishedSessions: () => core.unfinishedSessions(),
    rebuildIndex: () => core.rebuildIndex(),
    removeBefore: (beforeMs) => core.removeBefore(beforeMs),
    openReplay: (id, to) => replays.open(id, to),
    nextReplay: (cursor) => replays.next(cursor),
    closeReplay: (cursor) => replays.close(cursor),
    close: () => core.close(),
  };
}

/** Replays that are being pulled, a slice at a time. */
class ReplayCursors {
  readonly #replay: (id: SessionId, to?: number) => Generator<ReplayItem>;
  readonly #open = new Map<number, { readonly items: Generator<ReplayItem>; usedAtMs: number }>();
  #next = 1;

  constructor(replay: (id: SessionId, to?: number) => Generator<ReplayItem>) {
    this.#replay = replay;
  }

  open(id: SessionId, to?: number): number {
    const nowMs = performance.now();
    if (this.#open.size >= sealerLimits.cursorsMax) {
      for (const [cursor, { usedAtMs }] of this.#open) {
        if (nowMs - usedAtMs >= sealerLimits.cursorIdleMs) this.close(cursor);
      }
    }
    if (this.#open.size >= sealerLimits.cursorsMax) {
      throw new ThroughlineError('busy', 'too many replays are running', { action: 'try again in a minute' });
    }
    const cursor = this.#next;
    this.#next += 1;
    this.#open.set(cursor, { items: this.#replay(id, to), usedAtMs: nowMs });
    return cursor;
  }

  next(cursor: number): { items: ReplayItem[]; done: boolean } {
    const open = this.#open.get(cursor);
    if (open === undefined) {
      throw new ThroughlineError('not-found', 'the replay was closed because nobody read it', {
        action: 'start it again',
      });
    }
    const untilMs = performance.now() + sealerLimits.sliceMs;
    const items: ReplayItem[] = [];
    let text = 0;
    while (items.length < sealerLimits.sliceItemsMax && text < sealerLimits.sliceTextMax) {
      const step = open.items.next();
      if (step.done === true) {
        this.close(cursor);
        return { items, done: true };
      }
      items.push(step.value);
      text += sizeOf(step.value);
      if (performance.now() >= untilMs) break;
    }
    open.usedAtMs = performance.now();
    return { items, done: false };
  }

  close(cursor: number): void {
    this.#open.get(cursor)?.items.return(undefined);
    this.#open.delete(cursor);
  }
}

function sizeOf(item: ReplayItem): number {
  if (item.kind === 'row') return item.values.reduce((size, value) => size + (value?.length ?? 0), 0);
  return 'text' in item ? item.text.length : 0;
}
