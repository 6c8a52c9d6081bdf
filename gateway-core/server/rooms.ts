import type { GatewayInfo } from '../contract/api.js';
import type { Actor } from '../contract/chain.js';
import type { Lineage } from '../contract/delegation.js';
import type { Identity } from '../identity/index.js';
import type { AgentTree } from './agent-tree.js';
import type { Attachments } from './attachments.js';
import type { ConnectionRegistry } from './connections.js';
import type { ApiBindings } from './http-body.js';
import type { LiveFeed } from './live-feed.js';
import type { LiveSessions } from './live-sessions.js';
import type { PolicyRegistry } from './policies.js';
import type { GatewayRecorder } from './recorder.js';
import type { RevokedNodes } from './revoked-nodes.js';
import type { Sealer } from './sealer/index.js';
import type { DesktopRecords } from './spool/desktop-records.js';
import type { Watches } from './watch/watches.js';

/** What the API is made of. */
export interface GatewayRooms {
  readonly info: () => GatewayInfo;
  readonly identity: Identity;
  readonly connections: ConnectionRegistry;
  readonly policies: PolicyRegistry;
  readonly live: LiveSessions;
  readonly feed: LiveFeed;
  readonly watches: Watches;
  readonly tree: AgentTree;
  readonly attachments: Attachments;
  readonly revoked: RevokedNodes;
  readonly recorder: GatewayRecorder;
  readonly sealer: Sealer;
  /** What retention has removed is not missing. */
  readonly retentionMs: number | undefined;
  /** Where recordings and log stand, for the thread of an export. */
  readonly places: {
    readonly recordingsDirectory: string;
    readonly recordingKey: Uint8Array;
    readonly logDirectory: string;
  };
  /** What desktops record and upload. */
  readonly desktops: DesktopRecords;
  readonly now: () => number;
}

export interface Environment {
  Bindings: ApiBindings;
  Variables: { actor: Actor; lineage: Lineage | undefined };
}
