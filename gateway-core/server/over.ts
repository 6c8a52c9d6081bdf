import type { Actor } from '../contract/chain.js';
import type { GatewayRooms } from './rooms.js';

/**
 * Whether somebody may not act any more under what they came with. For what goes on after its request was let in: its
 * sign-in, a delegation above or a process of its ancestry may have ended since.
 */
export function isOver(
  { identity, revoked, now }: Pick<GatewayRooms, 'identity' | 'revoked' | 'now'>,
  actor: Actor,
): boolean {
  return (
    now() >= actor.expiresAtMs ||
    identity.isSignInEnded(actor.signIn) ||
    actor.delegations?.some((id) => identity.delegations.get(id) === undefined) === true ||
    actor.chain.some((hop) => revoked.has(hop.id))
  );
}
