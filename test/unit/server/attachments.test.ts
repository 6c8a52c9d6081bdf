import { afterEach, describe, expect, it } from 'vitest';
import { delegationLimits } from '../../../gateway-core/contract/delegation.js';
import { Attachments } from '../../../gateway-core/server/attachments.js';
import { evidence, mint, signedIn } from '../identity/delegation-setup.js';

let made: Attachments | undefined;
afterEach(() => made?.close());

async function setUp() {
  const base = await signedIn();
  const { delegations } = base.gateway.identity;
  let nowMs = 1000;
  const attachments = new Attachments({ delegations, complain: () => undefined, monotonicMs: () => nowMs });
  made = attachments;
  const { delegation } = await mint(base.gateway, base.actor, { evidence: evidence(20) });
  return {
    ...base,
    delegations,
    attachments,
    delegation,
    isLive: () => delegations.get(delegation.id) !== undefined,
    pass: (ms: number) => {
      nowMs += ms;
      attachments.sweep();
    },
  };
}

describe('a delegation that was given to a process', () => {
  it('lives while its holder is attached or was heard of, and is an orphan once it was not for too long', async () => {
    const { attachments, delegation, isLive, pass } = await setUp();
    pass(delegationLimits.contactLostMs - 1);
    attachments.contact(delegation.id);
    pass(delegationLimits.contactLostMs - 1);
    expect(isLive()).toBe(true);
    pass(2);
    expect(isLive()).toBe(false);
  });

  it('is an orphan soon after its stream broke, unless the holder comes back', async () => {
    const { attachments, delegation, isLive, pass } = await setUp();
    await attachments.attach(delegation).cancel();
    pass(delegationLimits.orphanGraceMs - 1);
    const again = attachments.attach(delegation);
    pass(delegationLimits.orphanGraceMs * 2);
    expect(isLive()).toBe(true);
    await again.cancel();
    pass(delegationLimits.orphanGraceMs + 1);
    expect(isLive()).toBe(false);
  });

  it('tells its holder when and why it ends, and then closes', async () => {
    const { attachments, delegation, delegations } = await setUp();
    const reader = attachments.attach(delegation).getReader();
    const line = async (): Promise<unknown> => {
      const { value, done } = await reader.read();
      return done ? 'closed' : JSON.parse(Buffer.from(value).toString());
    };
    expect(await line()).toMatchObject({ kind: 'beat' });
    void delegations.end(delegation.id, 'revoked', { reason: 'enough' });
    expect(await line()).toEqual({ kind: 'ended', cause: 'revoked', reason: 'enough' });
    expect(await line()).toBe('closed');
  });

  it('is not held by many streams at once', async () => {
    const { attachments, delegation } = await setUp();
    const streams = Array.from({ length: 4 }, () => attachments.attach(delegation));
    expect(() => attachments.attach(delegation)).toThrow(/attached/);
    await Promise.all(streams.map((each) => each.cancel()));
  });

  it('without a process nobody has to hold it', async () => {
    const { gateway, actor, delegations, pass } = await setUp();
    const { delegation } = await mint(gateway, actor);
    pass(delegationLimits.contactLostMs * 10);
    expect(delegations.get(delegation.id)).toBeDefined();
  });
});
