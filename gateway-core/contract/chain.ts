import { z } from 'zod';

/** How a hop is known: by key, by a handle of the gateway, by operating-system lineage, or only by its own word. */
export const Assurance = z.enum(['proven', 'issued', 'observed', 'claimed']);
export type Assurance = z.infer<typeof Assurance>;

export const HopKind = z.enum(['person', 'workload', 'agent', 'process']);
export type HopKind = z.infer<typeof HopKind>;

/** One link of the line. `id` is a PrincipalId for the root, a DelegationId or process id below it. */
export const Hop = z.object({
  id: z.string().min(1).max(256),
  kind: HopKind,
  name: z.string().min(1).max(256),
  assurance: Assurance,
});
export type Hop = z.infer<typeof Hop>;

/** Root (principal) to leaf (actor). Never empty. */
export const Chain = z.tuple([Hop], Hop).readonly();
export type Chain = z.infer<typeof Chain>;

/** What one delegation may do at most. `undefined` means: as much as its parent. */
export interface Scope {
  readonly connections?: readonly string[] | undefined;
  readonly actions?: readonly string[] | undefined;
}

/** The chain with one more hop at its end. */
export function chainWith([root, ...others]: Chain, hop: Hop): Chain {
  return [root, ...others, hop];
}

/** Whether somebody other than the person acts: the leaf process that holds a socket is only the person's tool. */
export function hasAgent(chain: Chain): boolean {
  return chain.slice(1).some((hop) => hop.kind !== 'process' || hop.assurance !== 'observed');
}

/**
 * Whether an agent may be behind it: one is seen, or the device has looked and cannot tell. A program chooses by itself
 * whether it can be seen, so what no agent may do is refused to both.
 */
export function mayBeAgent({ chain, lineage }: Pick<Actor, 'chain' | 'lineage'>): boolean {
  return hasAgent(chain) || lineage === 'unattributed';
}

/**
 * Who acts, as the identity room established it. Everything that decides takes an Actor; nothing else makes one.
 * `scopes[i]` belongs to `chain[i]`; the root's is always empty.
 */
export interface Actor {
  readonly chain: Chain;
  readonly scopes: readonly Scope[];
  readonly groups: readonly string[];
  /** The sign-in below which everything hangs; revoking it ends the actor. */
  readonly signIn: string;
  /** RFC 7638 thumbprint of the device key; absent for sessions that came with a handle only. */
  readonly deviceKey?: string;
  /** Of one that came with a delegation's own key: the device of the sign-in, whose spool holds its sessions' records. */
  readonly signInDevice?: string;
  /** The delegation or handle that was presented, when that is how the actor came: it cannot make handles. */
  readonly delegation?: string;
  /** Every delegation that it acts under, outermost first: it ends with any of them. */
  readonly delegations?: readonly string[];
  /** Whether the desktop could tell which process is behind this; absent: nobody looked. */
  readonly lineage?: 'attributed' | 'unattributed';
  /** It came with a credential that was given to somebody else, and is let in all the same. */
  readonly misuse?: 'inherited' | 'shared' | 'overlapping';
  readonly expiresAtMs: number;
}
