import type { SqliteResult, SqliteValue } from './sqlite.js';

/** What the calling thread asks of the state worker. `id` comes back on the answer; `connection` names the asker. */
export type StateRequest = { readonly id: number; readonly connection: number } & (
  | {
      readonly kind: 'run';
      readonly sql: string;
      readonly values: readonly SqliteValue[];
      /** Changes nothing: needs no transaction. */
      readonly reads: boolean;
      readonly returnsRows: boolean;
    }
  /** From here to `commit` or `rollback` the database belongs to this connection alone. */
  | { readonly kind: 'begin' | 'commit' | 'rollback' }
);

export type StateAnswer = { readonly id: number } & (
  | { readonly ok: true; readonly result: SqliteResult }
  | { readonly ok: false; readonly code: string | undefined; readonly message: string }
);

/** The worker's first message: it is open, or why it is not. */
export type StateReady =
  | { readonly ready: true }
  | { readonly ready: false; readonly code: string; readonly message: string; readonly action: string };
