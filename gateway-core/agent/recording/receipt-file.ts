import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { SessionId, Timestamp } from '../../contract/ids.js';
import { parseJson } from '../client/answers.js';
import { sha256 } from '../client/dpop.js';
import { privateDirectory, readPrivate, removePrivate, writePrivate } from '../client/private-files.js';
import type { ClientState } from '../client/state.js';

/** Proof that a log holds a session, as this desktop was given it and has checked it. */
export const Receipt = z.object({
  v: z.literal(1),
  session: SessionId,
  at: Timestamp,
  /** C2SP signed note. */
  checkpoint: z.string().max(64 * 1024),
  /** The session's start, and its end once it has one. Base64 proofs of RFC 6962 2.1.1. */
  entries: z
    .array(
      z.object({
        index: z.number().int().nonnegative(),
        leaf: z.string().max(65_535),
        proof: z.array(z.string()).max(64),
      }),
    )
    .max(2),
});
export type Receipt = z.infer<typeof Receipt>;

/** Two notes that cannot both be of one history; or what a log said that should prove something and does not. */
export const Conflict = z.object({
  v: z.literal(1),
  at: Timestamp,
  why: z.string().max(200),
  kept: z.string(),
  given: z.string(),
});
export type Conflict = z.infer<typeof Conflict>;

const receiptBytesMax = 512 * 1024;
/** Receipts that are kept of one gateway; the oldest go. */
const receiptsMax = 50_000;

/** What this desktop keeps of one gateway's log: files of the person alone, each replaced as a whole. */
export class ReceiptFiles {
  readonly #directory: string;

  constructor(state: ClientState, gateway: string) {
    privateDirectory(state.home.state);
    privateDirectory(join(state.home.state, 'receipts'));
    this.#directory = join(state.home.state, 'receipts', sha256(gateway).slice(0, 22));
    privateDirectory(this.#directory);
  }

  get lock(): string {
    return join(this.#directory, 'receipts.lock');
  }

  /** The newest note that was checked. */
  checkpoint(): string | undefined {
    return readPrivate(join(this.#directory, 'checkpoint'))?.toString('utf8');
  }

  keepCheckpoint(note: string): Promise<void> {
    return writePrivate(join(this.#directory, 'checkpoint'), note);
  }

  conflict(): Conflict | undefined {
    return this.#read('conflict.json', Conflict);
  }

  keepConflict(conflict: Conflict): Promise<void> {
    return writePrivate(join(this.#directory, 'conflict.json'), JSON.stringify(conflict));
  }

  /** Sessions whose receipt does not hold their end yet, oldest first. */
  pending(): SessionId[] {
    return this.#named(/^(ses_.+)\.pending$/);
  }

  async expect(session: SessionId): Promise<void> {
    await writePrivate(join(this.#directory, `${session}.pending`), '');
  }

  async expectNoMore(session: SessionId): Promise<void> {
    await removePrivate(join(this.#directory, `${session}.pending`));
  }

  sessions(): SessionId[] {
    return this.#named(/^(ses_.+)\.json$/);
  }

  receipt(session: SessionId): Receipt | undefined {
    return this.#read(`${session}.json`, Receipt);
  }

  async keep(receipt: Receipt): Promise<void> {
    await writePrivate(join(this.#directory, `${receipt.session}.json`), JSON.stringify(receipt));
  }

  async forgetOldest(): Promise<void> {
    const sessions = this.sessions();
    for (const session of sessions.slice(0, Math.max(0, sessions.length - receiptsMax)))
      await removePrivate(join(this.#directory, `${session}.json`));
  }

  /** Undefined also for what is not as it was written. */
  #read<T>(name: string, schema: z.ZodType<T>): T | undefined {
    const text = readPrivate(join(this.#directory, name), receiptBytesMax)?.toString('utf8');
    return text === undefined ? undefined : schema.safeParse(parseJson(text)).data;
  }

  /** Ids begin with their time. */
  #named(pattern: RegExp): SessionId[] {
    return readdirSync(this.#directory)
      .flatMap((name) => SessionId.safeParse(pattern.exec(name)?.[1]).data ?? [])
      .sort();
  }
}
