import { expect, it } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import { isOver } from '../../../gateway-core/server/over.js';
import { RevokedNodes } from '../../../gateway-core/server/revoked-nodes.js';
import { actorOf, mint, signedIn } from '../identity/delegation-setup.js';

it('a reader is over with its sign-in, its delegation, its time, and with a process above it that was revoked', async () => {
  const { gateway, device, actor } = await signedIn();
  const { identity, clock, state } = gateway;
  const revoked = new RevokedNodes(state, clock.now);
  const over = (who: Actor): boolean => isOver({ identity, revoked, now: clock.now }, who);
  const { delegation, handle } = await mint(gateway, actor, { label: 'agent' });
  const agent = await actorOf(gateway, device, `${delegation.id}.${handle}`);
  const hop = { id: 'prc_1', kind: 'agent', name: 'claude', assurance: 'observed' } as const;
  const observed: Actor = { ...actor, chain: [actor.chain[0], hop] };
  expect([actor, agent, observed].map(over)).toEqual([false, false, false]);
  await revoked.add(['prc_1'], 'demo/engineer');
  expect([actor, agent, observed].map(over)).toEqual([false, false, true]);
  await identity.delegations.end(delegation.id, 'revoked');
  expect([actor, agent].map(over)).toEqual([false, true]);
  expect(over({ ...actor, expiresAtMs: clock.now() })).toBe(true);
  await identity.signOut(actor.signIn, 'revoked');
  expect(over(actor)).toBe(true);
});
