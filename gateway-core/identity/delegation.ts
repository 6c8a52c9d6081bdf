import type { Chain, Scope } from '../contract/chain.js';
import type { ProcessKey } from '../contract/delegation.js';
import type { DelegationId } from '../contract/ids.js';
import type { ScramVerifier } from './scram.js';

/** A live delegation. Everything but the two counters stays as it was minted. */
export interface Delegation {
  readonly id: DelegationId;
  readonly signIn: string;
  readonly principal: string;
  /** What stands above it, root first, with the assurance that each hop had then; `scopes[i]` belongs to `above[i]`. */
  readonly above: Chain;
  readonly scopes: readonly Scope[];
  readonly groups: readonly string[];
  /** Outermost first, itself last. */
  readonly path: readonly string[];
  readonly label: string;
  /** Within what everything above may. */
  readonly scope: Scope;
  readonly depth: number;
  readonly depthMax: number;
  readonly purpose: string | undefined;
  /** Shared by everything below one first delegation: minted here, never taken from a client. */
  readonly trace: string;
  readonly minted: 'online' | 'offline';
  /** RFC 7638 thumbprint. */
  readonly key: string | undefined;
  readonly handleHash: string | undefined;
  readonly scram: ScramVerifier | undefined;
  readonly tokenHash: string | undefined;
  readonly evidence: Evidence | undefined;
  readonly sessionsMax: number;
  readonly childrenMax: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  sessionsUsed: number;
  childrenUsed: number;
}

export interface Evidence extends ProcessKey {
  /** Thumbprint of the device's key. */
  readonly device: string;
}
