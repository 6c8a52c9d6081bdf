import type { Column } from '../../codec/postgres/backend.js';
import type { FormatCode } from '../../codec/postgres/frontend.js';
import type { Judged } from './judged.js';

/** A statement of the extended protocol, between Parse and Close. */
export interface Prepared {
  readonly name: string;
  readonly text: string;
  /** Made again when its epoch is no longer the judge's. Undefined: an empty text. */
  judged: Judged | undefined;
  epoch: number;
  parameterTypes: readonly number[];
  /** Undefined until the target has described it; empty: it returns no rows. */
  columns: readonly Column[] | undefined;
  readonly sent: Sent;
  /** The name was taken when this was sent: the target must refuse it. */
  readonly taken: boolean;
}

/**
 * When a name was defined. Until the target has confirmed that, a later segment cannot tell what the name means: an
 * error may have skipped the definition, and the name may still mean what it meant before.
 */
export interface Sent {
  /** Segments end with Sync: what follows an error in one is skipped. */
  readonly segment: number;
  confirmed: boolean;
}

/** A bound statement, between Bind and Close (or the end of the transaction). */
export interface Portal {
  readonly prepared: Prepared;
  /** Masked, for the record. */
  readonly parameters: readonly (string | null)[];
  readonly resultFormats: readonly FormatCode[];
  /** As described for this portal, formats included. */
  columns: readonly Column[] | undefined;
  readonly sent: Sent;
}
