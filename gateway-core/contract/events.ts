import { z } from 'zod';
import { Chain } from './chain.js';
import { Corroboration } from './corroboration.js';
import { DelegationEnd, DelegationScope } from './delegation.js';
import { ConnectionName, DelegationId, PrincipalId, SessionId, Timestamp } from './ids.js';
import { WireSum } from './local-record.js';

/**
 * What the audit log holds. An event is public except for `payload`: the log's leaf carries only the payload's
 * salted hash, the payload itself stands in the session's recording, so that retention can delete it and every
 * proof still holds. Nothing here ever holds an unmasked value or a secret.
 */
const base = { v: z.literal(1), at: Timestamp, node: z.string().min(1).max(64) };

export const StatementDecision = z.enum([
  'allowed',
  'denied',
  'held',
  'approved',
  'refused',
  'timed-out',
  'interrupted',
]);
export type StatementDecision = z.infer<typeof StatementDecision>;

export const EndCause = z.enum([
  'client',
  'target',
  'revoked',
  'expired',
  'orphaned',
  'idle',
  'fault',
  'gateway-restart',
]);
export type EndCause = z.infer<typeof EndCause>;

/** Why somebody no longer watches a session. `lost`: what is shown could not be kept, or the gateway stops. */
export const WatchEnd = z.enum(['left', 'session-ended', 'rights', 'signed-out', 'time', 'lost']);
export type WatchEnd = z.infer<typeof WatchEnd>;

const grounds = { policy: z.array(z.string()), policyVersion: z.string() };

/** The processes behind a session's socket on the person's machine, leaf first; arguments redacted and masked. */
export const SessionBehind = z.object({
  bootId: z.string(),
  processes: z.array(
    z.object({
      pid: z.number().int(),
      startTicks: z.string(),
      name: z.string(),
      exe: z.string().optional(),
      arguments: z.array(z.string()).optional(),
    }),
  ),
});
export type SessionBehind = z.infer<typeof SessionBehind>;

export const AuditEvent = z.discriminatedUnion('kind', [
  z.object({ ...base, kind: z.literal('gateway.started'), version: z.string(), demo: z.boolean() }),
  z.object({ ...base, kind: z.literal('gateway.stopped') }),
  z.object({
    ...base,
    kind: z.literal('identity.signed-in'),
    principal: PrincipalId,
    groups: z.array(z.string()),
    method: z.enum(['browser', 'device-code', 'demo', 'workload']),
    signIn: z.string(),
    deviceKey: z.string().optional(),
  }),
  z.object({
    ...base,
    kind: z.literal('identity.signed-out'),
    principal: PrincipalId,
    signIn: z.string(),
    cause: z.string(),
    reason: z.string().optional(),
  }),
  /** An identity provider took back its word for a sign-in; `identity.signed-out` follows, and the ends of its sessions. */
  z.object({
    ...base,
    kind: z.literal('identity.withdrawn'),
    provider: z.string(),
    principal: PrincipalId,
    signIn: z.string(),
    /**
     * unknown: the person is no longer known there. changed: it speaks of somebody else, or says what would not sign
     * in. logout: back-channel logout. unanswered: an answer that carried the next token was lost (a crash, the
     * network), so that nobody can tell. elsewhere: another provider has the name now.
     */
    cause: z.enum(['unknown', 'changed', 'logout', 'unanswered', 'elsewhere']),
    reason: z.string(),
  }),
  /** A check at the provider found other groups. */
  z.object({
    ...base,
    kind: z.literal('identity.groups-changed'),
    provider: z.string(),
    principal: PrincipalId,
    signIn: z.string(),
    before: z.array(z.string()),
    groups: z.array(z.string()),
  }),
  /** Checks at a provider began to fail, or succeed again: once an outage. `code` says how. */
  z.object({
    ...base,
    kind: z.literal('identity.provider'),
    provider: z.string(),
    state: z.enum(['failing', 'answering']),
    code: z.string().optional(),
  }),
  z.object({
    ...base,
    kind: z.literal('identity.refused'),
    code: z.string(),
    reason: z.string(),
    from: z.string().optional(),
  }),
  z.object({
    ...base,
    kind: z.literal('handle.issued'),
    delegation: z.string(),
    principal: PrincipalId,
    connection: ConnectionName,
    expiresAt: Timestamp,
    sessionsMax: z.number().int(),
  }),
  /** A device has an SSH key for one connection, for as long as its sign-in holds at most. */
  z.object({
    ...base,
    kind: z.literal('ssh-key.registered'),
    principal: PrincipalId,
    signIn: z.string(),
    deviceKey: z.string(),
    connection: ConnectionName,
    /** `SHA256:...` */
    fingerprint: z.string(),
    expiresAt: Timestamp,
  }),
  /** Its device took it back. */
  z.object({
    ...base,
    kind: z.literal('ssh-key.removed'),
    principal: PrincipalId,
    signIn: z.string(),
    fingerprint: z.string(),
  }),
  /** Somebody signed in with it at the SSH listener; whether a session follows is policy's. */
  z.object({
    ...base,
    kind: z.literal('ssh-key.used'),
    principal: PrincipalId,
    signIn: z.string(),
    connection: ConnectionName,
    fingerprint: z.string(),
    from: z.string(),
  }),
  /** A hop came to be. What it may do is what it asks for within what everything above it may. */
  z.object({
    ...base,
    kind: z.literal('delegation.minted'),
    delegation: DelegationId,
    chain: Chain,
    signIn: z.string(),
    trace: z.string(),
    /** offline: signed by the parent's own key, and seen here for the first time. */
    minted: z.enum(['online', 'offline']),
    scope: DelegationScope,
    depth: z.number().int(),
    depthMax: z.number().int(),
    budget: z.object({ sessions: z.number().int(), children: z.number().int() }),
    expiresAt: Timestamp,
    purpose: z.string().optional(),
    /** RFC 7638 thumbprint of the child's key. */
    key: z.string().optional(),
    evidence: z
      .object({ device: z.string(), bootId: z.string(), pid: z.number().int(), startTicks: z.string() })
      .optional(),
  }),
  z.object({
    ...base,
    kind: z.literal('delegation.ended'),
    delegation: DelegationId,
    cause: DelegationEnd,
    by: Chain.optional(),
    reason: z.string().optional(),
  }),
  /** A node without a delegation of its own (an observed agent, a process), a device or a person was revoked. */
  z.object({
    ...base,
    kind: z.literal('actor.revoked'),
    what: z.enum(['agent', 'device', 'principal']),
    id: z.string(),
    by: Chain,
    reason: z.string(),
  }),
  /** A delegation's credential came from somebody that it was not given to. */
  z.object({
    ...base,
    kind: z.literal('credential.misused'),
    misuse: z.enum(['shared', 'inherited', 'other-device', 'overlapping']),
    delegation: DelegationId,
    chain: Chain,
    verdict: z.enum(['denied', 'attributed']),
    /** To whom it is attributed instead. */
    to: z.string().optional(),
  }),
  z.object({
    ...base,
    kind: z.literal('session.started'),
    session: SessionId,
    connection: ConnectionName,
    protocol: z.string(),
    chain: Chain,
    signIn: z.string(),
    via: z.enum(['tunnel', 'native']),
    durability: z.enum(['strict', 'grouped']),
    application: z.string().max(256).optional(),
    /** The delegations of the chain, outermost first, and the trace that they share. */
    delegations: z.array(z.string()).optional(),
    lineage: z.enum(['attributed', 'unattributed']).optional(),
    ...grounds,
    /** A desktop has said that it records its side too. */
    spool: z.object({ device: z.string(), segment: z.number().int() }).optional(),
    /** The processes behind the socket, leaf first; arguments redacted and masked. */
    payload: SessionBehind.optional(),
  }),
  z.object({
    ...base,
    kind: z.literal('session.refused'),
    /** Where an id was given out before the refusal. */
    session: SessionId.optional(),
    connection: z.string(),
    chain: Chain.optional(),
    code: z.string(),
    reason: z.string(),
    policy: z.array(z.string()).optional(),
    policyVersion: z.string().optional(),
  }),
  /** A desktop was let in under this id and records under it, but what came was no session. */
  z.object({
    ...base,
    kind: z.literal('session.unopened'),
    session: SessionId,
    connection: z.string(),
    chain: Chain,
    device: z.string(),
    /** cancel: a request to cancel a statement of another session. left: nothing that a session begins with. */
    why: z.enum(['cancel', 'left']),
  }),
  z.object({
    ...base,
    kind: z.literal('session.ended'),
    session: SessionId,
    endCause: EndCause,
    statements: z.number().int(),
    bytesFromClient: z.number().int(),
    bytesToClient: z.number().int(),
    /** The raw stream as this side saw it, hashed in blocks: what a desktop's record is compared with. */
    wire: z.object({ up: WireSum, down: WireSum }).optional(),
    reason: z.string().optional(),
  }),
  /** The desktop's record of a session was held against the gateway's. Later evidence gives another one. */
  z.object({
    ...base,
    kind: z.literal('session.compared'),
    session: SessionId,
    verdict: Corroboration,
    device: z.string().optional(),
    /** The desktop's records that were compared: where they stand, and the chain over them. */
    records: z
      .object({
        segment: z.number().int(),
        first: z.number().int(),
        last: z.number().int(),
        sha256: z.string(),
      })
      .optional(),
    /** What is not the same, in words. */
    difference: z.string().max(500).optional(),
    /** The desktop's wall clock less the gateway's, when its record came. */
    skewMs: z.number().int().optional(),
  }),
  /** A desktop's upload was refused: somebody else's segment, two spools of one name, no record at all. */
  z.object({
    ...base,
    kind: z.literal('spool.refused'),
    device: z.string(),
    segment: z.number().int(),
    code: z.enum(['other-device', 'forked', 'malformed', 'unknown-session', 'too-large', 'lost']),
    reason: z.string().max(500),
  }),
  /** A desktop says that this log does not hold what it was given of it. */
  z.object({
    ...base,
    kind: z.literal('log.disputed'),
    device: z.string(),
    principal: PrincipalId,
    kept: z.string(),
    given: z.string(),
    why: z.string(),
    /** Which of the two bear this log's own signature. Both: this gateway, or who has its key, told two stories. */
    signed: z.enum(['both', 'kept', 'given', 'none']),
  }),
  /** An offline bundle was made: binds its manifest, and with that every file in it, to the log. */
  z.object({
    ...base,
    kind: z.literal('evidence.exported'),
    by: Chain,
    subject: z.object({ kind: z.enum(['session', 'agent']), id: z.string() }),
    sessions: z.number().int(),
    /** SHA-256 of manifest.json, hex. */
    manifest: z.string(),
    reason: z.string().optional(),
  }),
  z.object({
    ...base,
    kind: z.literal('session.revoked'),
    session: SessionId,
    by: Chain,
    reason: z.string(),
  }),
  /** Somebody begins to see what this session's client sees, from here on. Durable before the first byte is shown. */
  z.object({
    ...base,
    kind: z.literal('session.watched'),
    session: SessionId,
    watch: z.string().max(64),
    by: Chain,
    /** False only for the session's own person, who needs to be told of nobody. */
    told: z.boolean(),
  }),
  /** And no longer does. A session's end ends who watches it, without this. */
  z.object({
    ...base,
    kind: z.literal('session.unwatched'),
    session: SessionId,
    watch: z.string().max(64),
    by: Chain,
    why: WatchEnd,
  }),
  /** The intent: durable (strict) or recorded (grouped) before anything is sent upstream. */
  z.object({
    ...base,
    kind: z.literal('statement.decided'),
    session: SessionId,
    seq: z.number().int().positive(),
    decision: StatementDecision,
    ...grounds,
    action: z.string(),
    command: z.string(),
    payload: z.object({
      /** Masked. */
      text: z.string(),
      /** Masked text of each parameter, null for SQL NULL. */
      parameters: z.array(z.string().nullable()).optional(),
      message: z.string().optional(),
      /** SHA-256 over session salt and the exact text, hex: proves later which text it was, without holding it. */
      exactHash: z.string(),
    }),
  }),
  /** The outcome. `contentHash` is added by the recorder: SHA-256 of the masked bytes that this statement returned. */
  z.object({
    ...base,
    kind: z.literal('statement.ended'),
    session: SessionId,
    seq: z.number().int().positive(),
    state: z.enum(['ok', 'error', 'interrupted']),
    durationUs: z.number().int().nonnegative(),
    rows: z.number().int().nonnegative().optional(),
    bytes: z.number().int().nonnegative(),
    maskedValues: z.number().int().nonnegative(),
    contentHash: z.string().optional(),
    /** What of the masked result was not kept, past the connection's cap: its bytes and their SHA-256. */
    rest: z.object({ bytes: z.number().int(), sha256: z.string() }).optional(),
    error: z.object({ code: z.string() }).optional(),
    payload: z.object({ tag: z.string().optional(), error: z.string().optional() }).optional(),
  }),
  /** A segment of a session's recording was closed: binds the file to the log. */
  z.object({
    ...base,
    kind: z.literal('recording.sealed'),
    session: SessionId,
    segment: z.number().int(),
    bytes: z.number().int(),
    sha256: z.string(),
  }),
  /** Retention has deleted recordings, or what of them was older than `before`. Their hashes stay in this log. */
  z.object({
    ...base,
    kind: z.literal('recordings.removed'),
    before: Timestamp,
    segments: z.number().int(),
    bytes: z.number().int(),
    /** Of which nothing is left. */
    sessions: z.number().int(),
  }),
  z.object({
    ...base,
    kind: z.literal('connection.put'),
    connection: ConnectionName,
    by: z.string(),
    digest: z.string(),
    credentialChanged: z.boolean(),
    addressChanged: z.boolean(),
  }),
  z.object({ ...base, kind: z.literal('connection.removed'), connection: ConnectionName, by: z.string() }),
  z.object({
    ...base,
    kind: z.literal('policy.put'),
    by: z.string(),
    policyVersion: z.string(),
    previous: z.string().optional(),
  }),
  /** The host key that a target had at first contact: from now on it is the only one that is known for it. */
  z.object({
    ...base,
    kind: z.literal('target.pinned'),
    connection: ConnectionName,
    key: z.string().max(128),
    fingerprint: z.string().max(128),
  }),
  /** A target proved another host key than those that are known for it. Nothing was sent to it. */
  z.object({
    ...base,
    kind: z.literal('target.unknown-key'),
    connection: ConnectionName,
    key: z.string().max(128),
    fingerprint: z.string().max(128),
    known: z.array(z.string().max(4096)).max(20),
  }),
  /** Search, replay and listing of other people's sessions are themselves audited. */
  z.object({
    ...base,
    kind: z.literal('record.read'),
    by: z.string(),
    /** `live`: read along while others worked, from then on for an hour at most. */
    what: z.enum(['replay', 'search', 'show', 'live']),
    session: SessionId.optional(),
    query: z.string().optional(),
  }),
]);
export type AuditEvent = z.infer<typeof AuditEvent>;

type WithoutBase<T> = T extends unknown ? Omit<T, 'v' | 'at' | 'node'> : never;
/** What a room hands over; the journal adds version, time and node. */
export type AuditEventInput = WithoutBase<AuditEvent>;
