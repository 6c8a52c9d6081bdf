import type { ReplayItem, SearchHit, SessionView } from '../../contract/api.js';
import type { Problem } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { ReceiptResponse } from '../../contract/local-record.js';
import type { RecordingProblem } from '../../recording/reader.js';
import type { RetentionResult } from '../../recording/retention.js';
import type { RecordedStatements } from './core.js';
import type { SessionFilter } from './index-database.js';
import type { ComparableSession, KeptBlocks, RecordedResult } from './two-sides.js';
import type { UnfinishedSession } from './unfinished.js';

/** What the main thread asks of the sealer's. */
export interface SealerMethods {
  caughtUp(position: number | undefined): void;
  sessions(filter: SessionFilter): SessionView[];
  refs(keys: readonly string[]): number[];
  session(id: SessionId): SessionView | undefined;
  statements(id: SessionId): RecordedStatements;
  comparable(id: SessionId): ComparableSession;
  keptBlocks(id: SessionId, blocksMax: number): KeptBlocks;
  recordedResults(id: SessionId, wanted: ReadonlyMap<number, number>): Map<number, RecordedResult>;
  pending(endedBefore: string, after: string, limit: number): SessionId[];
  receipts(kept: number, sessions: readonly SessionId[]): ReceiptResponse;
  search(query: string, limit: number): SearchHit[];
  checkpoint(): string;
  unfinishedSessions(): UnfinishedSession[];
  rebuildIndex(): void;
  removeBefore(beforeMs: number): RetentionResult;
  /** Gives a cursor for `nextReplay`. */
  openReplay(id: SessionId, to?: number): number;
  nextReplay(cursor: number): { readonly items: readonly ReplayItem[]; readonly done: boolean };
  closeReplay(cursor: number): void;
  close(): void;
}

export type SealerMethod = keyof SealerMethods;
export type SealerRequest = {
  [M in SealerMethod]: {
    readonly id: number;
    readonly method: M;
    readonly args: Parameters<SealerMethods[M]>;
  };
}[SealerMethod];

export type SealerMessage =
  | { readonly kind: 'ready'; readonly sealedPosition: number; readonly journalPosition: number }
  | { readonly kind: 'not-ready'; readonly problem: Problem }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly problem: Problem }
  | { readonly kind: 'sealed'; readonly position: number }
  | { readonly kind: 'failure'; readonly problem: Problem | undefined }
  | { readonly kind: 'recording-problem'; readonly problem: RecordingProblem };

/** Where one gateway's journal, log and recordings stand, and what opens them. Handed to the workers. */
export interface SealerPlaces {
  readonly journalDirectory: string;
  /** 32 bytes. */
  readonly journalKey: Uint8Array;
  readonly recordingsDirectory: string;
  /** 32 bytes: the master key that wraps each session's own. */
  readonly recordingKey: Uint8Array;
  readonly logDirectory: string;
  readonly logKeyFile: string;
  readonly logOrigin: string;
  readonly indexFile: string;
}
