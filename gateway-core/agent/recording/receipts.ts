import { z } from 'zod';
import {
  type Checkpoint,
  decodeBase64,
  openCheckpoint,
  parseVerifierKey,
  type VerifierKey,
} from '../../audit/note.js';
import { leafHash, verifyConsistency, verifyInclusion } from '../../audit/tree.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { ReceiptRequest, ReceiptResponse } from '../../contract/local-record.js';
import { withLock } from '../client/lock.js';
import type { Conflict, Receipt, ReceiptFiles } from './receipt-file.js';

export interface ReceiptsOptions {
  readonly files: ReceiptFiles;
  /** The log's key as it was at first contact. @throws ThroughlineError when the gateway cannot be asked for it */
  readonly pinnedKey: () => Promise<string>;
  readonly ask: (body: ReceiptRequest) => Promise<ReceiptResponse>;
  /** The log's newest note, for a conflict that came without one. */
  readonly newest: () => Promise<string>;
  readonly nowMs: () => number;
  /** Told once for each pair of notes. */
  readonly conflicts: (conflict: Conflict) => Promise<void>;
}

const sessionsPerRequest = 50;
/** A session that the log does not know after so long will not come: its gateway never wrote its start. */
const pendingMsMax = 7 * 24 * 3600_000;
const noteCharactersMax = 4096;

const LeafHead = z.object({ kind: z.string(), session: z.string() });

/**
 * Asks the log for proof of this desktop's sessions, and that it still holds what it held, and keeps both once they were
 * checked. INVARIANT: the kept note is replaced only by one of the same key whose tree holds the kept one's.
 */
export class Receipts {
  readonly #options: ReceiptsOptions;
  #rounds: Promise<unknown> = Promise.resolve();

  constructor(options: ReceiptsOptions) {
    this.#options = options;
  }

  /** Gives the sessions whose end is not in the log yet. @throws ThroughlineError what the gateway says */
  round(): Promise<readonly SessionId[]> {
    const { files } = this.#options;
    const next = this.#rounds.then(() => withLock(files.lock, () => this.#round()));
    this.#rounds = next.catch(() => undefined);
    return next;
  }

  async #round(): Promise<readonly SessionId[]> {
    const { files, pinnedKey } = this.#options;
    const verifier = parseVerifierKey(await pinnedKey());
    if (verifier === undefined)
      throw new ThroughlineError('verification-failed', 'the key of the gateway’s log cannot be read');
    const pending = await this.#pending();
    // Also without a session: whether the log still holds what it held.
    for (let from = 0; from === 0 || from < pending.length; from += sessionsPerRequest) {
      if (!(await this.#ask(verifier, pending.slice(from, from + sessionsPerRequest)))) break;
    }
    return files.pending();
  }

  async #pending(): Promise<SessionId[]> {
    const { files, nowMs } = this.#options;
    const pending = files.pending();
    const stale = pending.filter((session) => nowMs() - timeOf(session) > pendingMsMax);
    for (const session of stale) await files.expectNoMore(session);
    return pending.filter((session) => !stale.includes(session));
  }

  /** False: there is a conflict, and nothing of the answer was taken. */
  async #ask(verifier: VerifierKey, sessions: readonly SessionId[]): Promise<boolean> {
    const { files, ask } = this.#options;
    const note = files.checkpoint();
    const kept = note === undefined ? undefined : openCheckpoint(note, verifier);
    if (note !== undefined && kept === undefined)
      return this.#conflict(note, '', 'the checkpoint kept here was signed by another key than the log has');
    let answer: ReceiptResponse;
    try {
      answer = await ask({ kept: kept?.size ?? 0, sessions: [...sessions] });
    } catch (error) {
      if (!(error instanceof ThroughlineError) || error.code !== 'conflict' || note === undefined)
        throw error;
      const given = await this.#options.newest().catch(() => '');
      return this.#conflict(note, given, 'the log is shorter than it was');
    }
    const given = openCheckpoint(answer.checkpoint, verifier);
    const why =
      given === undefined
        ? 'the log is signed by another key than at first contact'
        : faultOf(answer, kept, given, sessions);
    if (given === undefined || why !== undefined)
      return this.#conflict(note ?? '', answer.checkpoint, why ?? '');
    await this.#keep(answer, kept, given);
    return true;
  }

  async #keep(answer: ReceiptResponse, kept: Checkpoint | undefined, given: Checkpoint): Promise<void> {
    const { files, nowMs } = this.#options;
    if (kept === undefined || given.size > kept.size) await files.keepCheckpoint(answer.checkpoint);
    const at = new Date(nowMs()).toISOString();
    for (const session of new Set(answer.entries.map((entry) => entry.session))) {
      const entries = answer.entries
        .filter((entry) => entry.session === session)
        .map(({ index, leaf, proof }) => ({ index, leaf, proof }));
      await files.keep({ v: 1, session, at, checkpoint: answer.checkpoint, entries });
      if (entries.some(({ leaf }) => headOf(leaf)?.kind === 'session.ended'))
        await files.expectNoMore(session);
    }
  }

  async #conflict(kept: string, given: string, why: string): Promise<false> {
    const { files, nowMs, conflicts } = this.#options;
    const known = files.conflict();
    if (known?.kept === kept && known.given === given && known.why === why) return false;
    const cut = (note: string): string => note.slice(0, noteCharactersMax);
    const conflict: Conflict = {
      v: 1,
      at: new Date(nowMs()).toISOString(),
      why,
      kept: cut(kept),
      given: cut(given),
    };
    await files.keepConflict(conflict);
    await conflicts(conflict);
    return false;
  }
}

/** What in an answer does not prove what it should; undefined when all of it does. */
function faultOf(
  { consistency, entries }: ReceiptResponse,
  kept: Checkpoint | undefined,
  given: Checkpoint,
  sessions: readonly SessionId[],
): string | undefined {
  const path = hashesOf(consistency);
  if (path === undefined) return 'the log’s proof cannot be read';
  if (
    kept !== undefined &&
    !verifyConsistency({
      first: kept.size,
      second: given.size,
      firstRoot: kept.root,
      secondRoot: given.root,
      proof: path,
    })
  )
    return 'the log does not hold what it held';
  for (const { session, index, leaf, proof } of entries) {
    const head = headOf(leaf);
    const asked = sessions.includes(session);
    if (!asked || head?.session !== session || !isSessionEdge(head.kind))
      return 'the log gives an entry that is not of the session it is said to be of';
    if (!isIncluded({ index, leaf, proof }, given)) return 'an entry of a session is not in the log';
  }
  return undefined;
}

const isSessionEdge = (kind: string): boolean => kind === 'session.started' || kind === 'session.ended';

function isIncluded({ index, leaf, proof }: Receipt['entries'][number], { size, root }: Checkpoint): boolean {
  const path = hashesOf(proof);
  if (path === undefined) return false;
  return verifyInclusion({ index, size, leafHash: leafHash(Buffer.from(leaf)), proof: path, root });
}

function hashesOf(texts: readonly string[]): Uint8Array[] | undefined {
  const hashes = texts.map(decodeBase64);
  return hashes.some((each) => each === undefined) ? undefined : (hashes as Uint8Array[]);
}

/** A newer gateway may have more fields than this desktop knows: these two are what is asked for. */
function headOf(leaf: string): z.infer<typeof LeafHead> | undefined {
  try {
    return LeafHead.safeParse(JSON.parse(leaf)).data;
  } catch {
    return undefined;
  }
}

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** https://github.com/ulid/spec: the first ten letters are milliseconds since 1970. */
function timeOf(session: SessionId): number {
  let time = 0;
  for (const letter of session.slice(4, 14)) time = time * 32 + alphabet.indexOf(letter);
  return time;
}

/** What a kept receipt proves now, with nothing but the key; undefined when it does not hold. */
export function checkReceipt(
  receipt: Receipt,
  logKey: string,
): { readonly entries: readonly string[]; readonly size: number } | undefined {
  const verifier = parseVerifierKey(logKey);
  const checkpoint = verifier && openCheckpoint(receipt.checkpoint, verifier);
  if (checkpoint === undefined) return undefined;
  const holds = receipt.entries.every(
    (entry) => headOf(entry.leaf)?.session === receipt.session && isIncluded(entry, checkpoint),
  );
  return holds
    ? { entries: receipt.entries.map(({ leaf }) => headOf(leaf)?.kind ?? ''), size: checkpoint.size }
    : undefined;
}
