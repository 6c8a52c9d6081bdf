import type { Column } from '../../codec/postgres/backend.js';
import type { Lineage } from '../../codec/postgres/statement/index.js';
import type { Grounds, Permit } from '../../contract/decision.js';
import type { Catalog, StatementFacts } from '../../contract/sql.js';
import type { MaskSet } from './mask-set.js';
import type { RowMasker, ValueMask } from './result-masker.js';

/** A statement that may run, with everything that its result, its record and its errors need. */
export interface Judged {
  readonly facts: StatementFacts;
  readonly permit: Permit;
  readonly grounds: Grounds;
  /** Masked and bounded. */
  readonly keptText: string;
  /** SHA-256 over a salt of this session and the exact text, hex. */
  readonly exactHash: string;
  readonly returnsRows: boolean;
  readonly keptParameter: (text: string) => string;
  readonly copyInMask: (column: number) => ValueMask | undefined;
  readonly masks: MaskSet;
  readonly lineage: Lineage | undefined;
  /** What its last result looked like: the same text mostly returns the same columns. */
  readonly result: ResultCache;
}

/** Shared by all runs of one judged text. */
export interface ResultCache {
  description: Uint8Array | undefined;
  columns: readonly Column[] | undefined;
  masker: RowMasker | undefined;
  catalog: Catalog | undefined;
}

export interface RefusedStatement {
  readonly grounds: Grounds;
  readonly action: string;
  readonly command: string;
  readonly keptText: string;
  readonly exactHash: string;
  /** For the client: may quote the statement. */
  readonly message: string;
  /** For the record: never holds text of the statement. */
  readonly keptMessage: string;
  /** This one is why the text is refused; the others just came with it. */
  readonly decisive: boolean;
  /** Into the text, from 1. */
  readonly position: number | undefined;
}

export type Judgement =
  | {
      readonly kind: 'allowed';
      readonly statements: readonly Judged[];
      readonly permit: Permit;
      /** Sent in place of the client's own Query, and its text: where a part of it is the gateway's to say. */
      readonly replacement: Uint8Array | undefined;
      readonly replacementText: string | undefined;
      /** What stands for a text without statements. */
      readonly empty: (text: string) => Judged;
    }
  | {
      readonly kind: 'refused';
      readonly statements: readonly RefusedStatement[];
      readonly sqlState: string;
      readonly hint: string | undefined;
    };

export const emptyResult = (): ResultCache => ({
  description: undefined,
  columns: undefined,
  masker: undefined,
  catalog: undefined,
});
