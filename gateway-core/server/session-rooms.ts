import type { MisuseRules } from '../contract/delegation.js';
import type { SessionId } from '../contract/ids.js';
import type { Identity } from '../identity/index.js';
import type { ClientTls } from '../proxy/postgres/client-startup.js';
import type { HostIdentity } from '../proxy/ssh/host-identity.js';
import type { Connection, ConnectionRegistry } from './connections.js';
import type { HostKeyPins } from './host-keys.js';
import type { LiveSessions } from './live-sessions.js';
import type { PolicyRegistry } from './policies.js';
import type { GatewayRecorder } from './recorder.js';
import type { SessionIds } from './session-ids.js';
import type { RecordWatch } from './spool/watch.js';
import type { WireTap } from './wire-tap.js';

/** From tickets and handles to running sessions. */
export interface SessionRooms {
  readonly identity: Identity;
  readonly connections: ConnectionRegistry;
  readonly policies: PolicyRegistry;
  readonly live: LiveSessions;
  readonly recorder: GatewayRecorder;
  readonly ids: SessionIds;
  /** Ends sessions whose desktop does not record them as it must. */
  readonly watch: RecordWatch;
  readonly tls: ClientTls;
  readonly keys: { readonly maskHash: Uint8Array; readonly salt: Uint8Array; readonly mock: Uint8Array };
  /** Called before a target is dialled: starts the demo's. Gives the address, when it is only known then. */
  readonly beforeDial: (connection: Connection) => Promise<string | undefined>;
  readonly ssh: {
    /** The gateway's own host key. */
    readonly identity: HostIdentity;
    readonly pins: HostKeyPins;
    /** Names and addresses of the gateway: nobody forwards to them. */
    readonly gatewayHosts: () => readonly string[];
  };
  /** A process that was revoked, by the id of its node. */
  readonly isRevoked: (node: string) => boolean;
  /** What happens to a delegation's handle that is used from two addresses at once. */
  readonly overlapping: MisuseRules['overlapping'];
  readonly now: () => number;
}

/** Leave to open one session, and the name that it will have. */
export interface Admission {
  readonly connection: Connection;
  readonly id: SessionId;
  /** The desktop at the other end records its side: where, and the salt of both sides' hashes. */
  readonly desktop:
    | { readonly device: string; readonly segment: number; readonly salt: Uint8Array }
    | undefined;
}

/** The same with the stream that is hashed, where its desktop records. */
export type Admitted = Admission & { readonly wire: WireTap | undefined };
