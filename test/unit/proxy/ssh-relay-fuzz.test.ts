import { describe, expect, it } from 'vitest';
import { randomOf, seedOfRun } from '../../sim/random.js';
import { ClientPlayer, heard, TargetPlayer } from './ssh-relay-players.js';
import { openWorld, type World } from './ssh-relay-world.js';

/** Both ends of the relay say what they like: `FUZZ_SEED` repeats a run, `FUZZ_SESSIONS` makes it longer. */
const sessions = Number(process.env['FUZZ_SESSIONS'] ?? 60);
const turns = 200;

const pairs = [
  ['a client that breaks the rules now and then', 0.01, 0],
  ['a client that does little else', 0.5, 0],
  ['a target that breaks the rules now and then', 0, 0.01],
  ['a target that does little else', 0, 0.5],
  ['both', 0.02, 0.02],
  ['nobody', 0, 0],
] as const;

interface Played {
  readonly world: World;
  readonly saidBytes: number;
  readonly messages: number;
}

/** One session: the journal answers late, several messages come with one read, and who is paused is not read. */
async function play(random: () => number, hostileClient: number, hostileTarget: number): Promise<Played> {
  const world = openWorld();
  const { client, target, journal } = world;
  const people = new ClientPlayer(random, hostileClient);
  const server = new TargetPlayer(random, hostileTarget);
  let saidBytes = 0;
  let messages = 0;
  for (let turn = 0; turn < turns && !world.isOver(); turn += 1) {
    const [end, player] = random() < 0.5 ? ([client, people] as const) : ([target, server] as const);
    for (let left = 1 + Math.floor(random() * 4); left > 0 && end.reads; left -= 1) {
      const payload = player.says();
      if (payload === undefined) break;
      saidBytes += payload.length;
      messages += 1;
      end.says(payload);
    }
    if (random() < 0.7) journal.keepAll();
    await Promise.resolve();
    for (const payload of heard(client)) people.hears(payload);
    for (const payload of heard(target)) server.hears(payload);
    // Streams tell their end, and go on, in turns of their own.
    if (turn % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  client.stream.destroy();
  for (let turn = 0; turn < 1000 && !world.isOver(); turn += 1) {
    journal.keepAll();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { world, saidBytes, messages };
}

describe('whatever client and target say to each other', () => {
  const seed = seedOfRun();

  for (const [who, hostileClient, hostileTarget] of pairs) {
    it(`the session keeps its laws, with ${who} [seed ${seed}]`, async () => {
      const random = randomOf(seed);
      let begun = 0;
      for (let session = 0; session < sessions; session += 1) {
        const { world, saidBytes, messages } = await play(random, hostileClient, hostileTarget);
        const { client, target, journal, mistakes, broken } = world;
        const found = { session, mistakes: mistakes.map(String), broken, over: world.isOver() };
        expect(found).toEqual({ session, mistakes: [], broken: [], over: true });
        // What goes out is bounded by what came in: nobody makes the gateway speak, or keep, without end.
        const most = 2 * saidBytes + 1000 * (messages + 1);
        expect(client.sentBytes + target.sentBytes).toBeLessThan(most);
        expect(journal.events.length).toBeLessThanOrEqual(3 * messages + 10);
        // Each use that was let through has one end, and the session has one.
        const ended = new Set(
          journal.events.flatMap((event) => (event.kind === 'statement.ended' ? [event.seq] : [])),
        );
        const allowed = journal.events.flatMap((event) =>
          event.kind === 'statement.decided' && event.decision === 'allowed' ? [event] : [],
        );
        const endless = allowed.filter(({ seq }) => !ended.has(seq)).map(({ command }) => command);
        const ends = journal.events.filter(({ kind }) => kind === 'statement.ended').length;
        expect({ session, endless, ends }).toEqual({ session, endless: [], ends: allowed.length });
        expect(journal.events.filter(({ kind }) => kind === 'session.ended').length).toBe(1);
        begun += allowed.length;
      }
      // Where most of what is said may be said, they get somewhere.
      if (hostileClient + hostileTarget < 0.1) expect(begun).toBeGreaterThan(sessions / 10);
    });
  }
});
