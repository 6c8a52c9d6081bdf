import { z } from 'zod';
import { Chain } from '../contract/chain.js';
import { DelegationScope, ProcessKey } from '../contract/delegation.js';
import { DelegationId } from '../contract/ids.js';
import type { DelegationsTable } from '../store/schema.js';
import type { Delegation } from './delegation.js';
import { parseGroups } from './sign-ins.js';

const Scopes = z.array(DelegationScope);
const Path = z.array(DelegationId);
const Scram = z.object({
  salt: z.string(),
  iterations: z.number().int(),
  storedKey: z.string(),
  serverKey: z.string(),
});
const KeptEvidence = ProcessKey.extend({ device: z.string() });

/** A delegation as the state database keeps it. */
export function rowOf(delegation: Delegation): DelegationsTable {
  return {
    id: delegation.id,
    sign_in: delegation.signIn,
    principal: delegation.principal,
    chain: JSON.stringify(delegation.above),
    scopes: JSON.stringify(delegation.scopes),
    groups: JSON.stringify(delegation.groups),
    path: JSON.stringify(delegation.path),
    label: delegation.label,
    scope: JSON.stringify(delegation.scope),
    depth: delegation.depth,
    depth_max: delegation.depthMax,
    purpose: delegation.purpose ?? null,
    trace: delegation.trace,
    minted: delegation.minted,
    key: delegation.key ?? null,
    handle_hash: delegation.handleHash ?? null,
    handle_scram: delegation.scram === undefined ? null : JSON.stringify(delegation.scram),
    token_hash: delegation.tokenHash ?? null,
    evidence: delegation.evidence === undefined ? null : JSON.stringify(delegation.evidence),
    sessions_max: delegation.sessionsMax,
    sessions_used: delegation.sessionsUsed,
    children_max: delegation.childrenMax,
    children_used: delegation.childrenUsed,
    created_at_ms: delegation.createdAtMs,
    expires_at_ms: delegation.expiresAtMs,
    ended_at_ms: null,
    end_cause: null,
  };
}

/** The way back. Throws on a damaged row: what cannot be read cannot be used. */
export function delegationOf(row: DelegationsTable): Delegation {
  return {
    id: DelegationId.parse(row.id),
    signIn: row.sign_in,
    principal: row.principal,
    above: Chain.parse(JSON.parse(row.chain)),
    scopes: Scopes.parse(JSON.parse(row.scopes)),
    groups: parseGroups(row.groups),
    path: Path.parse(JSON.parse(row.path)),
    label: row.label,
    scope: DelegationScope.parse(JSON.parse(row.scope)),
    depth: row.depth,
    depthMax: row.depth_max,
    purpose: row.purpose ?? undefined,
    trace: row.trace,
    minted: row.minted === 'offline' ? 'offline' : 'online',
    key: row.key ?? undefined,
    handleHash: row.handle_hash ?? undefined,
    scram: row.handle_scram === null ? undefined : Scram.parse(JSON.parse(row.handle_scram)),
    tokenHash: row.token_hash ?? undefined,
    evidence: row.evidence === null ? undefined : KeptEvidence.parse(JSON.parse(row.evidence)),
    sessionsMax: row.sessions_max,
    sessionsUsed: row.sessions_used,
    childrenMax: row.children_max,
    childrenUsed: row.children_used,
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
  };
}
