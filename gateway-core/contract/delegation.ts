import { z } from 'zod';
import { Assurance, Chain, HopKind } from './chain.js';
import { actions } from './decision.js';
import { ConnectionName, DelegationId, SessionId, Timestamp } from './ids.js';

/** Bounds of delegations that more than one room has to agree on. */
export const delegationLimits = {
  /** Levels below the person unless the first delegation says less, and what it may say at most. */
  depthDefault: 4,
  depthMax: 8,
  ttlMsDefault: 3600_000,
  ttlMsMin: 1000,
  labelCharactersMax: 64,
  purposeCharactersMax: 256,
  connectionsMax: 200,
  childrenDefault: 1000,
  childrenMax: 10_000,
  sessionsDefault: 10_000,
  sessionsMax: 1_000_000,
  /** Live delegations of one sign-in. */
  perSignInMax: 5000,
  /** A delegation that was attached and whose holder is gone this long is an orphan. */
  orphanGraceMs: 3000,
  /** The holder says this often that it is there; `contactLostMs` without a word, and it is an orphan. */
  contactMs: 10_000,
  contactLostMs: 35_000,
  /** Processes of one ancestry, words of one command line and characters of a word that leave the machine. */
  processesMax: 64,
  argumentsMax: 64,
  argumentCharactersMax: 512,
  /** JSON of one lineage, before base64url: it travels in a header. */
  lineageBytesMax: 6000,
  /** Offline-minted tokens from the first one below a delegation that the gateway knows to the leaf, in one header. */
  tokensBytesMax: 6000,
} as const;

/** A handle's secret: of a delegation, or for one connection at a native listener. */
export const handlePattern = /^tlh_[A-Za-z0-9_-]{32}$/;

/** Carries a Lineage: base64url of its JSON. */
export const lineageHeader = 'throughline-lineage';
/** Carries offline-minted delegations: compact JWS, root first, separated by commas. */
export const tokensHeader = 'throughline-delegations';

const control = /\p{Cc}/u;
const plain = (text: string): boolean => !control.test(text);

/** What an agent is called in every line, and by policies as `Agent::"label"`. */
export const AgentLabel = z
  .string()
  .trim()
  .min(1)
  .max(delegationLimits.labelCharactersMax)
  .refine(plain, 'no control characters');

/** proc(5): boot id, process id and start time together name one process of one machine for good. */
export const ProcessKey = z
  .object({
    bootId: z.string().regex(/^[0-9a-f-]{36}$/),
    pid: z.number().int().positive(),
    startTicks: z.string().regex(/^\d{1,20}$/),
  })
  .strict();
export type ProcessKey = z.infer<typeof ProcessKey>;

/** One process as the desktop saw it. Arguments are redacted there, and masked again here. */
export const ReportedProcess = z.object({
  pid: z.number().int().positive(),
  startTicks: z.string().regex(/^\d{1,20}$/),
  name: z.string().max(256),
  exe: z.string().max(1024).optional(),
  arguments: z
    .array(z.string().max(delegationLimits.argumentCharactersMax))
    .max(delegationLimits.argumentsMax)
    .optional(),
  /** It is an agent program that the desktop knows by this name. */
  agent: z.string().min(1).max(delegationLimits.labelCharactersMax).refine(plain).optional(),
  /** Its environment names this delegation: a claim, which can only narrow. */
  claims: DelegationId.optional(),
});
export type ReportedProcess = z.infer<typeof ReportedProcess>;

/** Who is behind a request or a socket on the person's machine, as its operating system told the desktop. */
export const Lineage = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('attributed'),
    bootId: z.string().regex(/^[0-9a-f-]{36}$/),
    /** Leaf first. */
    processes: z.array(ReportedProcess).min(1).max(delegationLimits.processesMax),
  }),
  z.object({ kind: z.literal('unattributed'), reason: z.string().max(64) }),
]);
export type Lineage = z.infer<typeof Lineage>;

/** `attribute`: let in as whoever it really is, which policy sees in `context.chain.credential`. */
const Verdict = z.enum(['deny', 'attribute']);

/**
 * What happens to a delegation's credential that comes from somebody it was not given to. With the key of another device
 * it is always denied: then there is nobody here to whom it could be attributed.
 */
export const MisuseRules = z
  .object({
    /** From a process of the same device, outside the tree that it was given to. */
    shared: Verdict.default('deny'),
    /** From a child of the one that it was given to, which has a delegation of its own. */
    inherited: Verdict.default('attribute'),
    /** At a native listener, from two addresses at once. */
    overlapping: Verdict.default('deny'),
  })
  .strict();
export type MisuseRules = z.infer<typeof MisuseRules>;

export const DelegableAction = z.enum(actions).refine((action) => !action.startsWith('admin:'), {
  error: 'admin actions cannot be delegated',
});

const base64url = (bytes: number) =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{${Math.ceil((bytes * 4) / 3)}}$`));
/** The child's public key (RFC 7517): it then proves itself by key, at the API and to its own children. */
export const DelegationKey = z.discriminatedUnion('kty', [
  z.object({ kty: z.literal('EC'), crv: z.literal('P-256'), x: base64url(32), y: base64url(32) }).strict(),
  z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: base64url(32) }).strict(),
]);
export type DelegationKey = z.infer<typeof DelegationKey>;

const bounds = {
  label: AgentLabel,
  /** Absent: as many as the parent may. */
  connections: z.array(ConnectionName).min(1).max(delegationLimits.connectionsMax).optional(),
  actions: z.array(DelegableAction).min(1).max(actions.length).optional(),
  purpose: z.string().trim().max(delegationLimits.purposeCharactersMax).refine(plain).optional(),
  budget: z
    .object({
      children: z.number().int().min(0).max(delegationLimits.childrenMax).optional(),
      sessions: z.number().int().min(0).max(delegationLimits.sessionsMax).optional(),
    })
    .strict()
    .optional(),
};

export const DelegationRequest = z
  .object({
    ...bounds,
    /** The process whose descendants act under this delegation. */
    evidence: ProcessKey.optional(),
    ttlMs: z.number().int().min(delegationLimits.ttlMsMin).optional(),
    /** Levels that may follow below the child. Never more than the parent has left. */
    levels: z.number().int().min(0).max(delegationLimits.depthMax).optional(),
    key: DelegationKey.optional(),
    /** False: no secret is made, the child proves itself by key only. */
    handle: z.boolean().optional(),
  })
  .strict();
export type DelegationRequest = z.infer<typeof DelegationRequest>;

/** What one delegation may do at most: its own bounds within those of everything above it. */
export const DelegationScope = z.object({
  connections: z.array(z.string()).readonly().optional(),
  actions: z.array(z.string()).readonly().optional(),
});

export const DelegationResponse = z.object({
  id: DelegationId,
  /** At most 64 bytes. Shown once. */
  handle: z.string().max(64).optional(),
  chain: Chain,
  scope: DelegationScope,
  depth: z.number().int(),
  depthMax: z.number().int(),
  expiresAt: Timestamp,
});
export type DelegationResponse = z.infer<typeof DelegationResponse>;

/** Payload of an offline-minted delegation: a compact JWS (RFC 7515), `typ` below, signed with the parent's key. */
export const offlineTokenType = 'throughline-delegation+jwt';
export const OfflineToken = z
  .object({
    v: z.literal(1),
    jti: DelegationId,
    /** The parent: a delegation, or the sign-in whose device key signed. */
    par: z.string().max(64),
    /** RFC 7638 thumbprint of the key that signed. */
    par_jkt: base64url(32),
    /** Seconds since 1970. */
    iat: z.number().int(),
    exp: z.number().int(),
    /** Levels that may follow below. */
    levels: z.number().int().min(0).max(delegationLimits.depthMax),
    cnf: z.object({ jwk: DelegationKey }).strict(),
    ...bounds,
  })
  .strict();
export type OfflineToken = z.infer<typeof OfflineToken>;

/** One line of `GET /v1/delegations/ID/attachment`. */
export const AttachmentItem = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('beat'), at: Timestamp }),
  /** The delegation is over: nothing below it works any more. */
  z.object({ kind: z.literal('ended'), cause: z.string(), reason: z.string().optional() }),
]);
export type AttachmentItem = z.infer<typeof AttachmentItem>;

/** Why a delegation is over. */
export const DelegationEnd = z.enum([
  'finished',
  'revoked',
  'expired',
  'orphaned',
  'signed-out',
  'parent-ended',
]);
export type DelegationEnd = z.infer<typeof DelegationEnd>;

/** A node of the live tree: everybody who acts now, from the person down to the program at a socket. */
export const AgentNode = z.object({
  id: z.string(),
  parent: z.string().optional(),
  kind: HopKind,
  name: z.string(),
  assurance: Assurance,
  /** active: has a live session, itself or below. idle: attached, nothing runs. */
  state: z.enum(['active', 'idle', 'ended']),
  principal: z.string(),
  pid: z.number().int().optional(),
  /** Redacted command line of the process, for people. */
  command: z.string().optional(),
  purpose: z.string().optional(),
  /** What it may at most; for the root nothing is said: policy decides. */
  scope: DelegationScope.optional(),
  depth: z.number().int().optional(),
  depthMax: z.number().int().optional(),
  budget: z
    .object({
      sessions: z.number().int(),
      sessionsUsed: z.number().int(),
      children: z.number().int(),
      childrenUsed: z.number().int(),
    })
    .optional(),
  /** Connections of its own live sessions. */
  connections: z.array(z.string()),
  /** Its own live sessions. */
  sessions: z.array(SessionId),
  /** The statement that runs or ran last in one of them, masked. */
  statement: z.object({ session: SessionId, text: z.string(), running: z.boolean() }).optional(),
  since: Timestamp,
  expiresAt: Timestamp.optional(),
  endedAt: Timestamp.optional(),
  endCause: z.string().optional(),
});
export type AgentNode = z.infer<typeof AgentNode>;

export const AgentChange = z.object({
  at: Timestamp,
  change: z.enum(['attached', 'updated', 'ended']),
  node: AgentNode,
});
export type AgentChange = z.infer<typeof AgentChange>;
