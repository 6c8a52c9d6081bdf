import { array, asyncProperty, assert as check, constantFrom, nat, oneof, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import { SessionId } from '../../../gateway-core/contract/ids.js';
import { LiveSessions } from '../../../gateway-core/server/live-sessions.js';
import { endWithSignIns } from '../../../gateway-core/server/sign-ins.js';
import {
  gatewayOf,
  isLive,
  logOut,
  nextCheck,
  RotatingProvider,
  type SignedIn,
} from '../identity/check-setup.js';
import type { Gateway } from '../identity/support.js';

const people = ['ann', 'bob'] as const;

interface Step {
  readonly what: 'sign-in' | 'remove' | 'return' | 'sign-out' | 'logout-person' | 'logout-login' | 'session';
  readonly who: number;
}
type Turn = Step | { readonly what: 'outage' | 'lost answers' | 'recovery' | 'check' | 'restart' | 'hours' };

const anyTurn = oneof(
  record<Step>({
    what: constantFrom(
      'sign-in',
      'remove',
      'return',
      'sign-out',
      'logout-person',
      'logout-login',
      'session',
      'session',
    ),
    who: nat(7),
  }),
  record({
    what: constantFrom('outage', 'lost answers', 'recovery', 'check', 'check', 'restart', 'hours'),
  }),
);

/** One gateway process after the other over one state, with sessions as the server begins and ends them. */
class World {
  readonly provider = new RotatingProvider();
  gateway!: Gateway;
  live = new LiveSessions();
  readonly signIns: SignedIn[] = [];
  readonly removed = new Set<string>();
  #sessions = 0;

  async start(): Promise<void> {
    await this.provider.start();
    for (const name of people) this.provider.enter(name);
    await this.restart();
  }

  /** A crash: what ran is gone, what was in memory too. */
  async restart(): Promise<void> {
    this.gateway = await gatewayOf(this.provider, {}, this.gateway);
    this.live = new LiveSessions();
    endWithSignIns(this.gateway.identity, this.live);
  }

  /** As SessionServer does: asks, begins, and asks once more. */
  async open(signedIn: SignedIn): Promise<void> {
    const { identity } = this.gateway;
    const found = await identity.liveSignIn(signedIn.signIn);
    if (found === undefined || identity.checks.refusal(signedIn.signIn) !== undefined) return;
    this.#sessions += 1;
    const id = SessionId.parse(`ses_${String(this.#sessions).padStart(26, '0')}`);
    const { live } = this;
    live.add({ ...noSession, id, actor: found.actor, end: () => Promise.resolve(live.remove(id)) });
    if (identity.isSignInEnded(signedIn.signIn)) live.remove(id);
  }

  async take(turn: Turn): Promise<void> {
    const { provider, gateway } = this;
    // Nothing but what happens at the same moment is taken for that.
    gateway.clock.pass(1);
    switch (turn.what) {
      case 'outage':
        provider.outage = { status: 502, body: '' };
        return;
      case 'lost answers':
        provider.losesAnswers = true;
        return;
      case 'recovery':
        provider.outage = undefined;
        provider.losesAnswers = false;
        return;
      case 'check':
        return nextCheck(gateway);
      case 'hours':
        gateway.clock.pass(3 * 3600_000);
        return;
      case 'restart':
        return this.restart();
      case 'sign-in':
      case 'remove':
      case 'return':
      case 'sign-out':
      case 'logout-person':
      case 'logout-login':
      case 'session':
        return this.#step(turn);
      default:
        return turn satisfies never;
    }
  }

  async #step({ what, who }: Step): Promise<void> {
    const { provider, gateway, signIns, removed } = this;
    const name = people[who % people.length] ?? 'ann';
    const some = signIns[who % Math.max(1, signIns.length)];
    if (what === 'sign-in') {
      if (!removed.has(name))
        signIns.push(await provider.signIn(gateway, name, { sid: String(signIns.length) }));
    } else if (what === 'remove') {
      removed.add(name);
      provider.people.delete(name);
    } else if (what === 'return') {
      removed.delete(name);
      provider.enter(name);
    } else if (what === 'logout-person') await logOut(provider, gateway, { sub: name });
    else if (some === undefined) return;
    else if (what === 'logout-login') await logOut(provider, gateway, { sid: String(signIns.indexOf(some)) });
    else if (what === 'sign-out') await gateway.identity.signOut(some.signIn, 'signed-out');
    else await this.open(some);
  }

  /** Of whom sessions live. */
  running(): readonly string[] {
    return this.live.list().map(({ actor }) => actor.signIn);
  }
}

const noSession = {
  connection: 'shop',
  protocol: 'postgres' as const,
  startedAtMs: 0,
  via: 'tunnel' as const,
  application: undefined,
  program: undefined,
  statements: () => 0,
};

describe('sessions and sign-ins', () => {
  it('no sequence of outages, checks, logouts and crashes leaves a session of an ended sign-in alive', async () => {
    await check(
      asyncProperty(
        array(anyTurn, { maxLength: 30 }),
        array(nat(7), { maxLength: 3 }),
        async (turns, racing) => {
          const world = new World();
          await world.start();
          try {
            for (const each of turns) {
              // Others begin sessions at the same moment.
              const others = racing.flatMap((index) => world.signIns[index] ?? []);
              await Promise.all([world.take(each), ...others.map((one) => world.open(one))]);
              await new Promise((resolve) => setImmediate(resolve));
              const ended = [];
              for (const one of world.signIns)
                if (!(await isLive(world.gateway, one))) ended.push(one.signIn);
              // What is over by its time is ended by the session itself.
              const inTime = ended.filter((signIn) => world.gateway.identity.isSignInEnded(signIn));
              expect(world.running().filter((signIn) => inTime.includes(signIn))).toEqual([]);
            }
            await world.take({ what: 'recovery' });
            await nextCheck(world.gateway);
            // The first one after an outage finds that it is over; the others are asked after it.
            await world.gateway.identity.checkProviders();
            const gone = world.signIns.filter((one) =>
              [...world.removed].some((name) => one.principal.includes(name)),
            );
            for (const one of gone) {
              expect(await isLive(world.gateway, one)).toBe(false);
              expect(world.running()).not.toContain(one.signIn);
            }
          } finally {
            await world.provider.web.stop();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a session is told why its sign-in has ended', async () => {
    const world = new World();
    await world.start();
    const ann = await world.provider.signIn(world.gateway, 'ann');
    const told: string[] = [];
    const found = await world.gateway.identity.liveSignIn(ann.signIn);
    world.live.add({
      ...noSession,
      id: SessionId.parse(`ses_${'0'.repeat(26)}`),
      actor: found?.actor as Actor,
      end: (cause, reason) => {
        told.push(`${cause}: ${reason}`);
        return Promise.resolve();
      },
    });
    world.provider.people.delete('ann');
    await nextCheck(world.gateway);
    expect(told).toEqual([
      'revoked: the sign-in behind this session has ended: the person is no longer known at the identity provider corp (invalid_grant)',
    ]);
    await world.provider.web.stop();
  });
});
