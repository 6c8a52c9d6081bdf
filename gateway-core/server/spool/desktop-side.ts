import { createHash, type Hash } from 'node:crypto';
import type { SessionId } from '../../contract/ids.js';
import { LocalRecord, type WireDirection, type WireSum } from '../../contract/local-record.js';
import { receiverLimits } from './limits.js';

/** Blocks of one direction as a desktop says that they were. */
export interface DesktopBlocks {
  /** 32 bytes each, from the first on, up to the first that is missing. */
  readonly hashes: Uint8Array;
  /** Some came behind one that is missing, or there were too many to hold. */
  readonly incomplete: boolean;
}

export interface ShownResult {
  readonly result: number;
  readonly columns: number;
  readonly rows: number;
  readonly sha256: string;
  readonly complete: boolean;
}

/** All that a device has recorded of one session. */
export interface DesktopSide {
  readonly device: string;
  /** Where its records stand: the segment of the last, and the first and last number there. */
  readonly records: {
    readonly segment: number;
    readonly first: number;
    readonly last: number;
    /** SHA-256 over the SHA-256 of each record of the session, in all segments. */
    readonly sha256: string;
  };
  readonly count: number;
  readonly wire: Readonly<Record<WireDirection, DesktopBlocks>>;
  readonly shown: readonly ShownResult[];
  readonly closed:
    | {
        readonly up: WireSum;
        readonly down: WireSum;
        readonly cause: 'client' | 'gateway' | 'fault';
      }
    | undefined;
  /** What it says in two ways. */
  readonly contradictions: readonly string[];
  /** Records that it could not keep, between the first of this session and the last. */
  readonly lost: number;
  /** The device's wall clock less ours, when its last record was made and came. */
  readonly skewMs: number;
}

const hashBytes = 32;

class BlockList {
  #hashes = Buffer.alloc(0);
  #known = 0;
  #incomplete = false;

  /** False: it says something else than before. */
  put(from: number, hashes: readonly string[]): boolean {
    for (const [index, text] of hashes.entries()) {
      const number = from + index;
      if (number > this.#known || number >= receiverLimits.blocksMax) {
        this.#incomplete = true;
        return true;
      }
      const hash = Buffer.from(text, 'hex');
      if (number < this.#known) {
        if (!this.#hashes.subarray(number * hashBytes, (number + 1) * hashBytes).equals(hash)) return false;
        continue;
      }
      this.#room();
      hash.copy(this.#hashes, number * hashBytes);
      this.#known += 1;
    }
    return true;
  }

  #room(): void {
    if ((this.#known + 1) * hashBytes <= this.#hashes.length) return;
    const grown = Buffer.alloc(Math.max(this.#hashes.length * 2, 64 * hashBytes));
    this.#hashes.copy(grown);
    this.#hashes = grown;
  }

  taken(): DesktopBlocks {
    return {
      hashes: Uint8Array.from(this.#hashes.subarray(0, this.#known * hashBytes)),
      incomplete: this.#incomplete,
    };
  }
}

/** Gathers what a device's records say of one session. Give it the records in their order. */
export class SideGatherer {
  readonly #device: string;
  readonly #session: SessionId;
  readonly #wire = { up: new BlockList(), down: new BlockList() };
  readonly #shown = new Map<number, ShownResult>();
  readonly #contradictions = new Set<string>();
  readonly #hash: Hash = createHash('sha256');
  #closed: DesktopSide['closed'];
  #place: { segment: number; first: number; last: number } | undefined;
  #count = 0;
  #lostSince = 0;
  #lost = 0;
  #skewMs = 0;

  constructor(device: string, session: SessionId) {
    this.#device = device;
    this.#session = session;
  }

  /** `bytes`: one record as it was uploaded. What is not of the session is passed over. */
  add(segment: number, seq: number, receivedAtMs: number, bytes: Buffer): void {
    // Most records are of others: a look for the id is cheaper than reading them.
    const isOurs = bytes.includes(this.#session);
    if (!isOurs && !bytes.includes('"gap"')) return;
    const parsed = LocalRecord.safeParse(JSON.parse(bytes.toString('utf8')));
    if (!parsed.success) return;
    const record = parsed.data;
    if (record.kind === 'gap' && this.#count > 0) this.#lostSince += record.lost;
    if (!('session' in record) || record.session !== this.#session) return;
    this.#count += 1;
    this.#lost += this.#lostSince;
    this.#lostSince = 0;
    this.#hash.update(createHash('sha256').update(bytes).digest());
    this.#place =
      this.#place?.segment === segment ? { ...this.#place, last: seq } : { segment, first: seq, last: seq };
    this.#skewMs = Date.parse(record.at) - receivedAtMs;
    this.#take(record);
  }

  #take(record: LocalRecord): void {
    switch (record.kind) {
      case 'wire':
        if (!this.#wire[record.direction].put(record.from, record.hashes))
          this.#contradictions.add(`two hashes for one block (${record.direction})`);
        return;
      case 'shown': {
        const { result, columns, rows, sha256, complete } = record;
        if (this.#shown.size < receiverLimits.shownMax)
          this.#shown.set(result, { result, columns, rows, sha256, complete });
        return;
      }
      case 'closed': {
        const { up, down, cause } = record;
        const said = this.#closed;
        if (said !== undefined && (!sameSum(said.up, up) || !sameSum(said.down, down)))
          this.#contradictions.add('two ends of the session');
        this.#closed ??= { up, down, cause };
        return;
      }
      case 'opened':
      case 'kept':
      case 'gap':
      case 'log-conflict':
        return;
      default:
        record satisfies never;
    }
  }

  /** Undefined: the device has no record of this session. */
  side(): DesktopSide | undefined {
    if (this.#place === undefined) return undefined;
    return {
      device: this.#device,
      records: { ...this.#place, sha256: this.#hash.copy().digest('hex') },
      count: this.#count,
      wire: { up: this.#wire.up.taken(), down: this.#wire.down.taken() },
      shown: [...this.#shown.values()],
      closed: this.#closed,
      contradictions: [...this.#contradictions],
      lost: this.#lost,
      skewMs: this.#skewMs,
    };
  }
}

export function sameSum(one: WireSum, other: WireSum): boolean {
  return one.bytes === other.bytes && one.blocks === other.blocks;
}
