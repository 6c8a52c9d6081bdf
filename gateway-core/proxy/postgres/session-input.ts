import type { Duplex } from 'node:stream';
import type { MinorVersion } from '../../codec/postgres/startup.js';
import type { Actor } from '../../contract/chain.js';
import type { Grounds } from '../../contract/decision.js';
import type { SessionBehind } from '../../contract/events.js';
import type { ConnectionName, SessionId } from '../../contract/ids.js';
import type { SessionWire } from '../../contract/local-record.js';
import type { Recorder } from '../../contract/recorder.js';
import type { CancelKeys } from './cancel.js';
import type { Judge } from './judge.js';
import type { Target } from './upstream.js';

/** What a session is made of. */
export interface SessionInput {
  readonly id: SessionId;
  readonly client: Duplex;
  readonly minor: MinorVersion;
  /** Bytes that the client gets before AuthenticationOk: a version negotiation, for example. */
  readonly greeting: Uint8Array | undefined;
  readonly actor: Actor;
  /** The processes behind the client's socket, masked: for the record. */
  readonly behind: SessionBehind | undefined;
  readonly connection: ConnectionName;
  readonly via: 'tunnel' | 'native';
  readonly application: string | undefined;
  readonly settings: ReadonlyMap<string, string>;
  readonly target: Target;
  readonly recorder: Recorder;
  readonly judge: Judge;
  readonly grounds: Grounds;
  readonly durability: 'strict' | 'grouped';
  readonly keepBytesMax: number;
  /** The client asked to be told which values are masked. */
  readonly marks: boolean;
  /** The desktop's spool that the session is recorded into, and what is hashed to be compared with it. */
  readonly desktop:
    | { readonly device: string; readonly segment: number; readonly wire: SessionWire }
    | undefined;
  readonly idleTimeoutMs: number;
  readonly cancelKeys: CancelKeys;
  readonly nowMs: () => number;
  /** Called when it is live, and when it is over. */
  readonly onLive: () => void;
  /** A mistake of ours ended the session: for the operator's log. */
  readonly onMistake: (error: unknown) => void;
}
