import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Appended, Permit } from '../../../gateway-core/contract/decision.js';
import { Crowd } from '../../../gateway-core/proxy/crowd.js';
import { CancelKeys } from '../../../gateway-core/proxy/postgres/cancel.js';
import { Replies } from '../../../gateway-core/proxy/postgres/replies.js';
import { SqlNames } from '../../../gateway-core/proxy/postgres/sql-names.js';
import { UpstreamQueue } from '../../../gateway-core/proxy/postgres/upstream-queue.js';

const permit = {} as Permit;
const appended = { position: 0 } as Appended;

test('bytes reach the target in the order they were queued, whatever order their intents are kept in', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ judged: fc.boolean(), when: fc.nat(20) }), { minLength: 1, maxLength: 30 }),
      (items) => {
        const stream = new PassThrough();
        const queue = new UpstreamQueue(stream, () => undefined);
        const later: { when: number; run: () => void }[] = [];
        items.forEach(({ judged, when }, index) => {
          const bytes = Buffer.from([index]);
          if (!judged) queue.upkeep(bytes);
          else {
            const slot = queue.reserve(bytes.length);
            later.push({ when, run: () => slot.send([bytes], permit, appended) });
          }
        });
        const firstJudged = items.findIndex((item) => item.judged);
        const early = (stream.read() as Buffer | null) ?? Buffer.alloc(0);
        expect([...early]).toEqual(
          items.slice(0, firstJudged < 0 ? undefined : firstJudged).map((_, index) => index),
        );
        for (const { run } of later.sort((a, b) => a.when - b.when)) run();
        const rest = (stream.read() as Buffer | null) ?? Buffer.alloc(0);
        expect([...early, ...rest]).toEqual(items.map((_, index) => index));
        expect(queue.waitingBytes).toBe(0);
      },
    ),
  );
});

test('nothing is sent while a cancel is under way', () => {
  const stream = new PassThrough();
  const queue = new UpstreamQueue(stream, () => undefined);
  queue.pause();
  queue.upkeep(Buffer.from('later'));
  expect(stream.read()).toBeNull();
  queue.resume();
  expect(String(stream.read())).toBe('later');
});

test('a dropped statement leaves no bytes and blocks nobody behind it', () => {
  const stream = new PassThrough();
  const queue = new UpstreamQueue(stream, () => undefined);
  const slot = queue.reserve(9);
  queue.upkeep(Buffer.from('behind'));
  slot.drop();
  expect(String(stream.read())).toBe('behind');
});

test('a cancel request works with the right key only, and over a stream only for its own sign-in', () => {
  const keys = new CancelKeys();
  let cancelled = 0;
  const key = keys.add(
    {
      signIn: 'sgn_a',
      cancel: () => {
        cancelled += 1;
      },
    },
    4,
  );
  expect(keys.cancel(key.processId, Buffer.alloc(4), undefined)).toBe(key.secretKey.equals(Buffer.alloc(4)));
  expect(keys.cancel(key.processId + 1, key.secretKey, undefined)).toBe(false);
  expect(keys.cancel(key.processId, key.secretKey.subarray(0, 3), undefined)).toBe(false);
  expect(keys.cancel(key.processId, key.secretKey, 'sgn_b')).toBe(false);
  cancelled = 0;
  expect(keys.cancel(key.processId, key.secretKey, 'sgn_a')).toBe(true);
  expect(cancelled).toBe(1);
  key.remove();
  expect(keys.cancel(key.processId, key.secretKey, 'sgn_a')).toBe(false);
});

test('replies are taken in the order they are owed, and an error skips to the next Sync', () => {
  const replies = new Replies();
  const close = { kind: 'close', statement: 'a' } as const;
  for (let round = 0; round < 3000; round += 1) {
    replies.push(close);
    replies.push({ kind: 'sync' });
    replies.push(close);
    expect(replies.skipToSync()).toEqual([close]);
    expect(replies.shift()).toEqual({ kind: 'sync' });
    expect(replies.shift()).toEqual(close);
  }
  expect(replies.length).toBe(0);
  expect(replies.shift()).toBeUndefined();
});

test('where two definitions of one name may be in force, the strictest class counts and the columns are unknown', () => {
  const names = new SqlNames();
  const named = (action: 'sql:read' | 'sql:write') => ({ action, lineage: undefined, byProtocol: false });
  expect(names.get('prepared', 'a')).toBeUndefined();
  names.define('prepared', 'a', named('sql:read'));
  expect(names.get('prepared', 'a')).toEqual(named('sql:read'));
  names.define('prepared', 'a', named('sql:write'));
  names.define('prepared', 'a', named('sql:read'));
  names.define('prepared', 'a', named('sql:read'));
  expect(names.get('prepared', 'a')).toMatchObject({
    action: 'sql:write',
    lineage: { outputs: { complete: false } },
  });
  expect(names.get('cursor', 'a')).toBeUndefined();
  names.forget('prepared', 'a');
  expect(names.get('prepared', 'a')).toBeUndefined();
});

test('whatever was permitted, nothing is sent once a session is ended', () => {
  const stream = new PassThrough();
  const queue = new UpstreamQueue(stream, () => undefined);
  const before = queue.reserve(6);
  queue.upkeep(Buffer.from('behind'));
  queue.close();
  before.send([Buffer.from('before')], permit, appended);
  queue.upkeep(Buffer.from('late'));
  queue.reserve(4).send([Buffer.from('late')], permit, appended);
  queue.resume();
  expect(stream.read()).toBeNull();
  expect(queue.waitingBytes).toBe(0);
});

test('of a crowd everyone gets a turn, in order, and targets are left when the last client is gone', async () => {
  const crowd = new Crowd(1000);
  const order: number[] = [];
  let left = false;
  void crowd.clientsGone.then(() => {
    left = true;
  });
  await Promise.all(
    Array.from({ length: 1000 }, async (_, at) => {
      await crowd.turn();
      expect(left).toBe(false);
      order.push(at);
      crowd.clientIsGone();
    }),
  );
  await crowd.clientsGone;
  expect(order).toEqual(Array.from({ length: 1000 }, (_, at) => at));
});
