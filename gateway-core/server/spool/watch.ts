import type { SessionId } from '../../contract/ids.js';
import type { SessionWire } from '../../contract/local-record.js';

/** From the start of a session to its first record. */
export const firstRecordMs = 30_000;
/** From a block of 64 KiB that has passed to the next record. */
export const nextRecordMs = 5 * 60_000;
const checkEveryMs = 5000;

export interface WatchedSession {
  readonly id: SessionId;
  readonly wire: Pick<SessionWire, 'blocks'>;
  end(cause: 'fault', reason: string): Promise<void>;
}

interface Watched {
  readonly session: WatchedSession;
  readonly sinceMs: number;
  recorded: boolean;
  /** Blocks when the last record came, and since when there are more. */
  blocks: number;
  unrecordedSinceMs: number | undefined;
}

/**
 * Sessions that must not run without the desktop's record: ends those of which none comes. The first record names the
 * session before its first byte; from then on a desktop has something to say when a block is whole, so a session that
 * moves little is not ended for its silence.
 */
export class RecordWatch {
  readonly #now: () => number;
  readonly #sessions = new Map<SessionId, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  add(session: WatchedSession): void {
    const { id, wire } = session;
    this.#sessions.set(id, {
      session,
      sinceMs: this.#now(),
      recorded: false,
      blocks: wire.blocks,
      unrecordedSinceMs: undefined,
    });
    this.#timer ??= setInterval(() => this.check(), checkEveryMs).unref();
  }

  remove(id: SessionId): void {
    this.#sessions.delete(id);
    if (this.#sessions.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** New records of these sessions are kept. */
  arrived(sessions: readonly SessionId[]): void {
    for (const id of sessions) {
      const watched = this.#sessions.get(id);
      if (watched === undefined) continue;
      watched.recorded = true;
      watched.blocks = watched.session.wire.blocks;
      watched.unrecordedSinceMs = undefined;
    }
  }

  check(): void {
    const now = this.#now();
    for (const watched of this.#sessions.values()) {
      const { session, sinceMs, recorded } = watched;
      if (session.wire.blocks > watched.blocks) watched.unrecordedSinceMs ??= now;
      const since = watched.unrecordedSinceMs;
      if (!recorded && now - sinceMs >= firstRecordMs) {
        this.#end(session, 'the desktop’s own record of this session, which is required here, did not begin');
      } else if (since !== undefined && now - since >= nextRecordMs) {
        this.#end(session, 'the desktop’s own record of this session, which is required here, has stopped');
      }
    }
  }

  #end(session: WatchedSession, reason: string): void {
    this.remove(session.id);
    void session.end('fault', reason);
  }

  close(): void {
    this.#sessions.clear();
    clearInterval(this.#timer);
  }
}
