import type { Duplex } from 'node:stream';
import type { MinorVersion } from '../../codec/postgres/startup.js';
import type { SessionFacts } from '../session-record.js';
import type { CancelKeys } from './cancel.js';
import type { Judge } from './judge.js';
import type { Target } from './upstream.js';

/** What a session is made of. */
export interface SessionInput extends SessionFacts {
  readonly client: Duplex;
  readonly minor: MinorVersion;
  /** Bytes that the client gets before AuthenticationOk: a version negotiation, for example. */
  readonly greeting: Uint8Array | undefined;
  readonly application: string | undefined;
  readonly settings: ReadonlyMap<string, string>;
  readonly target: Target;
  readonly judge: Judge;
  readonly keepBytesMax: number;
  /** The client asked to be told which values are masked. */
  readonly marks: boolean;
  readonly cancelKeys: CancelKeys;
  /** Called when it is live, and when it is over. */
  readonly onLive: () => void;
  /** A mistake of ours ended the session: for the operator's log. */
  readonly onMistake: (error: unknown) => void;
}
