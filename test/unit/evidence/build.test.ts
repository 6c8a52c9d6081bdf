import { describe, expect, it } from 'vitest';
import { bundlePaths } from '../../../gateway-core/contract/evidence.js';
import { verifyBundle } from '../../../gateway-core/evidence/verify/index.js';
import { bytesAccess, inflate } from '../../../gateway-core/evidence/zip/node.js';
import { rowMessages } from '../../sim/sealer-journal.js';
import { BundleWorld, person } from './bundle-world.js';
import { zipOf } from './zip-files.js';

/** A session of so many statements with a small result each, exported; how often a recording was read meanwhile. */
async function readsFor(statements: number): Promise<number> {
  const world = new BundleWorld();
  try {
    world.begin();
    const session = world.empty(1);
    for (let seq = 1; seq <= statements; seq += 1) {
      world.journal.decided(session, seq, 'select 1');
      world.journal.content(session, seq, 'rows', rowMessages(['n'], [[String(seq)]]));
      world.journal.ended(session, seq);
    }
    world.journal.sessionEnded(session, statements);
    const files = await world.export({ kind: 'session', id: session });
    const last = files.get(bundlePaths.result(session, statements, 1, 'csv')) ?? [];
    expect(Buffer.from(last).toString()).toBe(`n\r\n${statements}\r\n`);
    return world.reads;
  } finally {
    world.close();
  }
}

describe('casts of a bundle', () => {
  it('each terminal is one, with its sizes, its commands and nothing that a player’s terminal would obey', async () => {
    const world = new BundleWorld();
    try {
      world.begin();
      const session = world.empty(1);
      const { journal } = world;
      journal.decided(session, 1, 'shell');
      journal.content(session, 1, 'terminal-size', Buffer.from('100x30'));
      journal.content(session, 1, 'terminal', Buffer.from('\x1b]52;c;QQ==\x07$ ls'));
      journal.decided(session, 2, 'ls');
      journal.content(session, 1, 'terminal', Buffer.from('\r\n\x1b[34mdir\x1b[0m'));
      journal.content(session, 1, 'terminal-size', Buffer.from('80x24'));
      journal.ended(session, 2);
      journal.decided(session, 3, 'uptime');
      journal.content(session, 3, 'stdout', Buffer.from('up\n'));
      journal.ended(session, 3);
      journal.ended(session, 1);
      journal.sessionEnded(session, 3);
      const files = await world.export({ kind: 'session', id: session });
      expect([...files.keys()].filter((path) => path.endsWith('.cast'))).toEqual([
        bundlePaths.cast(session, 1),
      ]);
      const cast = Buffer.from(files.get(bundlePaths.cast(session, 1)) ?? []).toString();
      const [head, ...events] = cast
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(head).toMatchObject({ version: 3, term: { cols: 100, rows: 30 }, title: 'shop-db' });
      expect(events.map((event) => (event as unknown[]).slice(1))).toEqual([
        ['o', '$ ls'],
        ['m', 'ls'],
        ['o', '\r\n\x1b[34mdir\x1b[0m'],
        ['r', '80x24'],
        ['m', 'uptime'],
      ]);
      const problemsAt = async (changed: ReadonlyMap<string, Uint8Array>) =>
        (await verifyBundle(bytesAccess(await zipOf(new Map(changed))), { inflate })).problems.map(
          ({ where }) => where,
        );
      const path = bundlePaths.cast(session, 1);
      expect(await problemsAt(files)).not.toContain(path);
      expect(await problemsAt(new Map(files).set(path, Buffer.from(cast.replace('dir', 'xxx'))))).toContain(
        path,
      );
    } finally {
      world.close();
    }
  });
});

describe('result sets of a bundle', () => {
  it('a recording of many small ones is not read once for each', async () => {
    const [few, many] = [await readsFor(100), await readsFor(400)];
    expect(many).toBeLessThan(few * 8);
  });

  it('are whole when large, and when statements ran at once', async () => {
    const world = new BundleWorld();
    try {
      world.begin();
      const session = world.empty(1);
      const { journal } = world;
      const row = 'x'.repeat(10_000);
      for (const seq of [1, 2, 3]) journal.decided(session, seq, 'select');
      for (let at = 0; at < 150; at += 1) {
        for (const seq of [1, 2, 3]) {
          // The third stays small among two that do not.
          const value = seq === 3 ? String(at) : `${seq}.${at} ${row}`;
          const messages = rowMessages(['value'], [[value]]);
          journal.content(
            session,
            seq,
            'rows',
            at === 0 ? messages : messages.subarray(messages.indexOf('D')),
          );
        }
      }
      for (const seq of [1, 2, 3]) journal.ended(session, seq);
      journal.sessionEnded(session, 3);
      const files = await world.export({ kind: 'agent', id: person.id });
      for (const seq of [1, 2, 3]) {
        const csv = Buffer.from(files.get(bundlePaths.result(session, seq, 1, 'csv')) ?? []).toString();
        const expected = Array.from({ length: 150 }, (_, at) =>
          seq === 3 ? String(at) : `${seq}.${at} ${row}`,
        );
        expect(csv.trimEnd().split('\r\n').slice(1)).toEqual(expected);
      }
    } finally {
      world.close();
    }
  });
});
