import { z } from 'zod';
import { RecordingNotice } from './bridge/app.js';
import { Chain } from './chain.js';
import { ConnectionSummary, Protocol } from './connection.js';
import { Corroboration } from './corroboration.js';
import { dataStreams } from './data-streams.js';
import { AgentChange, DelegationScope } from './delegation.js';
import { EndCause, SessionBehind, StatementDecision } from './events.js';
import { ConnectionName, SessionId, Timestamp } from './ids.js';
import { SpoolBacklog } from './local-record.js';
import { MaskRule } from './masks.js';
import { PastWatcher, Watcher } from './watch.js';

/**
 * The gateway's HTTP API, version 1, as both sides check it. JSON in and out; errors are RFC 9457 problems
 * (errors.ts). All paths but the public ones need `Authorization: DPoP <ticket>` and a `DPoP` proof (RFC 9449)
 * with the gateway's latest `DPoP-Nonce`.
 */
export const paths = {
  /** public */
  gateway: '/v1/gateway',
  whoami: '/v1/whoami',
  connections: '/v1/connections',
  /** Upgrade: throughline/1. One raw protocol stream, one session. */
  stream: (name: string) => `/v1/connections/${encodeURIComponent(name)}/stream`,
  handles: '/v1/handles',
  /** ssh-key.ts */
  sshKeys: '/v1/ssh-keys',
  sshKey: (id: string) => `/v1/ssh-keys/${encodeURIComponent(id)}`,
  delegations: '/v1/delegations',
  delegation: (id: string) => `/v1/delegations/${encodeURIComponent(id)}`,
  /** NDJSON of AttachmentItem for as long as the holder lives; its end orphans the delegation. */
  attachment: (id: string) => `/v1/delegations/${encodeURIComponent(id)}/attachment`,
  /** The holder is still there. */
  contact: (id: string) => `/v1/delegations/${encodeURIComponent(id)}/contact`,
  agents: '/v1/agents',
  timeline: (id: string) => `/v1/agents/${encodeURIComponent(id)}/timeline`,
  sessions: '/v1/sessions',
  session: (id: string) => `/v1/sessions/${encodeURIComponent(id)}`,
  recording: (id: string) => `/v1/sessions/${encodeURIComponent(id)}/recording`,
  /** NDJSON of WatchItem (watch.ts) for as long as the session runs and may be watched. */
  watch: (id: string) => `/v1/sessions/${encodeURIComponent(id)}/watch`,
  revoke: '/v1/revocations',
  search: '/v1/search',
  /** NDJSON of LiveItem for as long as it is read. */
  live: '/v1/live',
  /** The offline bundle of evidence.ts. */
  evidence: '/v1/evidence',
  /** local-record.ts */
  spool: (device: string, segment: number | string) => `/v1/spool/${encodeURIComponent(device)}/${segment}`,
  receipts: '/v1/receipts',
  checkpoint: '/v1/log/checkpoint',
  logVerify: '/v1/log/verify',
  adminConnections: '/v1/admin/connections',
  adminConnection: (name: string) => `/v1/admin/connections/${encodeURIComponent(name)}`,
  adminPolicies: '/v1/admin/policies',
  adminPeople: '/v1/admin/people',
  adminDevices: '/v1/admin/devices',
  /** OAuth 2.1 authorization server of the gateway; its metadata is public (RFC 8414). */
  authorizationServer: '/.well-known/oauth-authorization-server',
  authorize: '/oauth/authorize',
  callback: '/oauth/callback',
  deviceAuthorization: '/oauth/device_authorization',
  device: '/oauth/device',
  token: '/oauth/token',
  revokeToken: '/oauth/revoke',
  /** OpenID Connect Back-Channel Logout 1.0; asked by identity providers. */
  backChannelLogout: (provider: string) => `/v1/oidc/back-channel-logout/${encodeURIComponent(provider)}`,
} as const;

export const upgradeProtocol = 'throughline/1';

/** The one public client of the authorization server: CLI, desktop. */
export const clientId = 'throughline';
export const demoGrant = 'urn:throughline:grant:demo';
/** RFC 8693. */
export const workloadGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

export const GatewayInfo = z.object({
  name: z.string(),
  version: z.string(),
  demo: z.boolean(),
  issuer: z.string(),
  /** C2SP verifier key of the audit log. */
  logKey: z.string(),
  listeners: z.record(z.string(), z.string()),
  /** Lines as known_hosts has them behind the name: what a client that comes by SSH meets. */
  ssh: z.object({ hostKeys: z.array(z.string()) }).optional(),
  /** What is recorded of people who work here, and for how long. */
  notice: RecordingNotice.optional(),
});
export type GatewayInfo = z.infer<typeof GatewayInfo>;

/** `POST /oauth/token` form fields are OAuth's own; this is the answer (RFC 6749 5.1, RFC 9449 5). */
export const TokenResponse = z.object({
  access_token: z.string(),
  token_type: z.literal('DPoP'),
  expires_in: z.number(),
  refresh_token: z.string().optional(),
  principal: z.string(),
});
export type TokenResponse = z.infer<typeof TokenResponse>;

export const DeviceAuthorizationResponse = z.object({
  device_code: z.string(),
  user_code: z.string(),
  verification_uri: z.string(),
  verification_uri_complete: z.string(),
  expires_in: z.number(),
  interval: z.number(),
});
export type DeviceAuthorizationResponse = z.infer<typeof DeviceAuthorizationResponse>;

/** The CLI adds `gateway` and `storage`. */
export const WhoAmI = z.object({
  principal: z.string(),
  groups: z.array(z.string()),
  expiresAt: Timestamp,
  deviceKey: z.string(),
  /** From the person to who asks. */
  chain: Chain.optional(),
  /** Actions that are not bound to one connection and that policy allows now: what the desktop shows pages for. */
  may: z.array(z.string()).optional(),
});
export type WhoAmI = z.infer<typeof WhoAmI>;

/** What a tool needs beyond host and port: `user` and `database` to put into its settings. */
export const ConnectionDetail = ConnectionSummary.extend({
  user: z.string().optional(),
  database: z.string().optional(),
  /** The masks that hold for this person here: the connection's own and those of the policies that permit it. */
  masks: z.array(MaskRule).optional(),
  /** How much of it is recorded. */
  recording: z
    .object({
      rows: z.string(),
      durability: z.enum(['strict', 'grouped']),
      /** required: no session without a spool of the desktop that works. */
      desktop: z.enum(['required', 'optional']).optional(),
    })
    .optional(),
  /** What of sessions on it the person may do: own and others'. */
  may: z.object({ viewOthers: z.boolean(), replayOthers: z.boolean(), revokeOthers: z.boolean() }).optional(),
});
export type ConnectionDetail = z.infer<typeof ConnectionDetail>;

export const HandleRequest = z
  .object({
    connection: ConnectionName,
    ttlMs: z.number().int().min(1000).optional(),
    sessionsMax: z.number().int().min(1).max(10_000).optional(),
  })
  .strict();
export const HandleResponse = z.object({
  /** The user at the native listener: a DelegationId; behind the connection's name and a plus, for SSH. */
  user: z.string(),
  /** At most 64 bytes. Shown once. */
  password: z.string().max(64),
  connection: ConnectionName,
  /** Of the connection: whose listener it opens. A gateway of before SSH does not say. */
  protocol: Protocol.default('postgres'),
  expiresAt: Timestamp,
  sessionsMax: z.number().int(),
  listeners: z.record(z.string(), z.string()),
});
export type HandleResponse = z.infer<typeof HandleResponse>;

export const SessionView = z.object({
  id: SessionId,
  connection: z.string(),
  protocol: Protocol,
  principal: z.string(),
  chain: Chain,
  state: z.enum(['live', 'ended']),
  startedAt: Timestamp,
  endedAt: Timestamp.optional(),
  endCause: EndCause.optional(),
  statements: z.number().int(),
  via: z.enum(['tunnel', 'native']),
  application: z.string().optional(),
  /** Whether the desktop's own record says the same. */
  corroboration: Corroboration.optional(),
  /** Who watches it now, other than the person whose it is. */
  watchers: z.array(Watcher).optional(),
});
export type SessionView = z.infer<typeof SessionView>;

export const StatementView = z.object({
  seq: z.number().int(),
  text: z.string(),
  parameters: z.array(z.string().nullable()).optional(),
  decision: StatementDecision,
  policy: z.array(z.string()),
  policyVersion: z.string(),
  message: z.string().optional(),
  command: z.string(),
  startedAt: Timestamp,
  durationMs: z.number(),
  rows: z.number().int().optional(),
  bytes: z.number().int().optional(),
  maskedValues: z.number().int().optional(),
  error: z.string().optional(),
});
export type StatementView = z.infer<typeof StatementView>;

export const SessionDetail = SessionView.extend({
  statements: z.array(StatementView),
  /** What retention has deleted of the recording, and with it of `statements`: all of it, or its beginning. */
  deleted: z.enum(['whole', 'beginning']).optional(),
  /** Everybody else who has watched it as it ran. */
  watched: z.array(PastWatcher).optional(),
  /** The evidence behind the chain: the program at the socket and its ancestors. */
  behind: SessionBehind.optional(),
  /** What the last comparison with the desktop's own record gave. */
  compared: z
    .object({
      at: Timestamp,
      verdict: Corroboration,
      difference: z.string().optional(),
      skewMs: z.number().optional(),
    })
    .optional(),
  /** Whether the person's machine could tell which program is behind it; absent: it was not asked. */
  lineage: z.enum(['attributed', 'unattributed']).optional(),
});
export type SessionDetail = z.infer<typeof SessionDetail>;

/** A delegation as it was, live or not. */
export const DelegationRecord = z.object({
  id: z.string(),
  parent: z.string().optional(),
  label: z.string(),
  /** The gateway that minted it. */
  issuer: z.string(),
  minted: z.enum(['online', 'offline']),
  scope: DelegationScope,
  depth: z.number().int(),
  trace: z.string(),
  purpose: z.string().optional(),
  createdAt: Timestamp,
  expiresAt: Timestamp,
  endedAt: Timestamp.optional(),
  endCause: z.string().optional(),
});

/** Everything below one node of the agent tree as one timeline, oldest first. */
export const NodeTimeline = z.object({
  id: z.string(),
  delegations: z.array(DelegationRecord),
  sessions: z.array(SessionView),
  statements: z.array(StatementView.extend({ session: SessionId })),
  /** There is more than one answer holds: ask for the sessions one by one. */
  cut: z.boolean(),
});
export type NodeTimeline = z.infer<typeof NodeTimeline>;

/** One line of `GET /v1/live`: what changes, as it changes, of what the person may see. */
export const LiveItem = z.discriminatedUnion('kind', [
  /** The first line, and one every fifteen seconds: `at` is the gateway's clock. */
  z.object({ kind: z.literal('beat'), at: Timestamp }),
  z.object({ kind: z.literal('session'), session: SessionView }),
  z.object({ kind: z.literal('statement'), session: SessionId, statement: StatementView }),
  /** A node of the tree of who acts now. */
  z.object({ kind: z.literal('agent'), ...AgentChange.shape }),
  /** A delegation's credential came from somebody that it was not given to; told to its person, and to who looks after people. */
  z.object({
    kind: z.literal('misuse'),
    at: Timestamp,
    misuse: z.enum(['shared', 'inherited', 'other-device', 'overlapping']),
    delegation: z.string(),
    chain: Chain,
    verdict: z.enum(['denied', 'attributed']),
  }),
  /** Connections or policies changed: what the person may do has to be read again. */
  z.object({ kind: z.literal('rights') }),
  /** The reader was too slow and missed something: everything has to be read again. */
  z.object({ kind: z.literal('resync') }),
]);
export type LiveItem = z.infer<typeof LiveItem>;

/** Agents that one request ends. */
export const revokedTogetherMax = 5000;
const revokedId = z.string().min(1).max(256);
const revokeReason = z.string().trim().min(1).max(1000);
export const RevokeRequest = z.discriminatedUnion('kind', [
  z
    .object({
      kind: z.enum(['session', 'agent', 'device', 'principal']),
      id: revokedId,
      reason: revokeReason,
    })
    .strict(),
  /** All of them, or none: whoever may not end one of them ends none. Those that have ended already are left out. */
  z
    .object({
      kind: z.literal('agents'),
      ids: z.array(revokedId).min(1).max(revokedTogetherMax),
      reason: revokeReason,
    })
    .strict(),
]);
export type RevokeRequest = z.infer<typeof RevokeRequest>;
export const RevokeResponse = z.object({
  ended: z.array(SessionId),
  /** Delegations that ended with it. */
  delegations: z.array(z.string()).optional(),
  /** Sign-ins that ended with it. */
  signIns: z.number().int().optional(),
});
export type RevokeResponse = z.infer<typeof RevokeResponse>;

export const SearchHit = z.object({
  session: SessionId,
  seq: z.number().int(),
  at: Timestamp,
  connection: z.string(),
  principal: z.string(),
  /** The statement, or the line of masked content that matched. */
  text: z.string(),
  where: z.enum(['statement', 'content']),
});
export type SearchHit = z.infer<typeof SearchHit>;

/**
 * One line of a replay (`GET /v1/sessions/ID/recording`, NDJSON): what the client saw, in order.
 * `atMs` counts from the session's start.
 */
export const ReplayItem = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('session'),
    session: SessionId,
    connection: z.string(),
    principal: z.string(),
    chain: Chain,
    startedAt: Timestamp,
  }),
  z.object({
    kind: z.literal('statement'),
    atMs: z.number(),
    seq: z.number(),
    text: z.string(),
    decision: StatementDecision,
    message: z.string().optional(),
  }),
  z.object({ kind: z.literal('columns'), atMs: z.number(), seq: z.number(), columns: z.array(z.string()) }),
  z.object({
    kind: z.literal('row'),
    atMs: z.number(),
    seq: z.number(),
    values: z.array(z.string().nullable()),
  }),
  z.object({
    kind: z.literal('data'),
    atMs: z.number(),
    seq: z.number(),
    stream: z.enum(dataStreams),
    text: z.string(),
    base64: z.string().optional(),
  }),
  z.object({
    kind: z.literal('message'),
    atMs: z.number(),
    seq: z.number(),
    severity: z.string(),
    text: z.string(),
  }),
  /** What a terminal was sent: text with escape sequences. Show it to an emulator only. */
  z.object({ kind: z.literal('terminal'), atMs: z.number(), seq: z.number(), data: z.string() }),
  z.object({
    kind: z.literal('size'),
    atMs: z.number(),
    seq: z.number(),
    columns: z.number().int(),
    rows: z.number().int(),
  }),
  z.object({
    kind: z.literal('output'),
    atMs: z.number(),
    seq: z.number(),
    stream: z.enum(['stdout', 'stderr']),
    text: z.string(),
  }),
  z.object({
    kind: z.literal('outcome'),
    atMs: z.number(),
    seq: z.number(),
    state: z.string(),
    tag: z.string().optional(),
    error: z.string().optional(),
    rows: z.number().optional(),
    rowsKept: z.number().optional(),
  }),
  z.object({ kind: z.literal('end'), atMs: z.number(), endCause: EndCause.optional() }),
  /** The recording has a hole or its bytes do not fit their seal. Never silent. */
  z.object({ kind: z.literal('problem'), code: z.string(), text: z.string() }),
]);
export type ReplayItem = z.infer<typeof ReplayItem>;

export const VerifyReport = z.object({
  ok: z.boolean(),
  entries: z.number().int().optional(),
  sessions: z.number().int().optional(),
  /** What holds, in words. */
  proved: z.array(z.string()),
  problems: z.array(z.object({ code: z.string(), where: z.string(), message: z.string() })),
  keyFingerprint: z.string(),
});
export type VerifyReport = z.infer<typeof VerifyReport>;

export const AdminConnection = z.object({
  name: ConnectionName,
  protocol: Protocol,
  address: z.string(),
  database: z.string().optional(),
  /** Never the value: only whether one is held and which kind of reference it is. */
  credential: z.object({
    held: z.boolean(),
    user: z.string().optional(),
    kind: z.enum(['sealed', 'env', 'file', 'none']),
  }),
  labels: z.record(z.string(), z.string()),
  masks: z.array(z.unknown()),
  recording: z.unknown(),
});
/** A desktop that records its side, as its uploads show it. */
export const AdminDevice = z.object({
  /** RFC 7638 thumbprint. */
  device: z.string(),
  principal: z.string(),
  lastSeenAt: Timestamp,
  /** What still waited there then. */
  backlog: SpoolBacklog.optional(),
  /** Its last upload that was refused. */
  refused: z.object({ at: Timestamp, segment: z.number(), code: z.string(), reason: z.string() }).optional(),
});
export type AdminDevice = z.infer<typeof AdminDevice>;

export const PutResult = z.object({
  added: z.array(z.string()),
  changed: z.array(z.string()),
  unchanged: z.array(z.string()),
});
export const PolicyDocument = z.object({
  version: z.string(),
  text: z.string(),
  putAt: Timestamp,
  by: z.string(),
});
export const PolicyPutResult = z.object({
  version: z.string(),
  previous: z.string().optional(),
  policies: z.array(z.string()),
});
export const AdminPerson = z.object({
  principal: z.string(),
  groups: z.array(z.string()),
  signIns: z.number().int(),
  /**
   * When a removal at the identity provider takes effect: at the next check of each sign-in, or, where one cannot be
   * checked, only at its end or by back-channel logout. Absent without a live sign-in.
   */
  removal: z.enum(['next-check', 'sign-in-end']).optional(),
  lastSeenAt: Timestamp,
  sessionsLive: z.number().int(),
});
