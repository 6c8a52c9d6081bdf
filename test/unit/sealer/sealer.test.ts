import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReplayItem } from '../../../gateway-core/contract/api.js';
import { errorMessage, rowMessages, sessionId } from '../../sim/sealer-journal.js';
import { SealerRig } from './setup.js';

let rig: SealerRig;
beforeEach(async () => {
  rig = new SealerRig();
  await rig.start();
});
afterEach(async () => {
  await rig.stop();
  rig.dispose();
});

async function replayOf(id: ReturnType<typeof sessionId>): Promise<ReplayItem[]> {
  const items: ReplayItem[] = [];
  for await (const item of rig.sealer.replay(id)) items.push(item);
  return items;
}

describe('the sealer', () => {
  it('replays a terminal as it was, and finds words that were typed letter by letter', async () => {
    const id = sessionId(1);
    await rig.write((journal) => {
      journal.started(id);
      journal.decided(id, 1, 'shell');
      journal.content(id, 1, 'terminal-size', Buffer.from('80x24'));
      for (const letter of '$ \x1b[1mjournalctl\x1b[0m -xe\r\nno entries für heute\r\n$ ')
        journal.content(id, 1, 'terminal', Buffer.from(letter));
      journal.decided(id, 2, 'uname');
      journal.content(id, 2, 'stdout', Buffer.from('Linux\n'));
      journal.content(id, 2, 'stderr', Buffer.from('warning: odd\n'));
      journal.ended(id, 2);
      journal.ended(id, 1);
      journal.sessionEnded(id, 2);
    });
    await rig.sealer.caughtUp();
    const items = await replayOf(id);
    expect(items.filter(({ kind }) => kind === 'size')).toMatchObject([{ seq: 1, columns: 80, rows: 24 }]);
    const data = items.map((item) => (item.kind === 'terminal' ? item.data : '')).join('');
    expect(data).toBe('$ \x1b[1mjournalctl\x1b[0m -xe\r\nno entries für heute\r\n$ ');
    expect(items.filter(({ kind }) => kind === 'output')).toMatchObject([
      { seq: 2, stream: 'stdout', text: 'Linux\n' },
      { seq: 2, stream: 'stderr', text: 'warning: odd\n' },
    ]);
    const find = async (query: string) =>
      (await rig.sealer.search(query, 10)).map(({ seq, where, text }) => [seq, where, text]);
    expect(await find('journalctl')).toEqual([[1, 'content', '$ journalctl -xe']]);
    expect(await find('fur heute')).toEqual([[1, 'content', 'no entries für heute']]);
    expect(await find('warning')).toEqual([[2, 'content', 'warning: odd']]);
  });

  it('lists a session, its statements and its replay as they were recorded', async () => {
    const id = sessionId(1);
    await rig.write((journal) => {
      journal.started(id);
      journal.decided(id, 1, 'select name, mail from customers', { parameters: ['7', null] });
      journal.content(
        id,
        1,
        'rows',
        rowMessages(
          ['name', 'mail'],
          [
            ['Amélie', 'a***@example.com'],
            ['Bo', null],
          ],
        ),
      );
      journal.ended(id, 1, { rows: 2, bytes: 99 });
      journal.decided(id, 2, 'select * from missing');
      journal.content(id, 2, 'messages', errorMessage('relation "missing" does not exist'));
      journal.ended(id, 2);
    });
    await rig.sealer.caughtUp();
    expect(await rig.sealer.session(id)).toMatchObject({
      id,
      state: 'live',
      statements: 2,
      principal: 'demo/contractor',
    });
    expect(await rig.sealer.sessions({ live: true, of: 'demo/contractor' })).toHaveLength(1);
    expect(await rig.sealer.sessions({ live: false })).toEqual([]);
    expect(await rig.sealer.sessions({ of: 'demo/admin' })).toEqual([]);
    const statements = await rig.sealer.statements(id);
    expect(statements).toMatchObject([
      {
        seq: 1,
        text: 'select name, mail from customers',
        parameters: ['7', null],
        decision: 'allowed',
        rows: 2,
        bytes: 99,
        durationMs: 1.5,
      },
      { seq: 2, text: 'select * from missing' },
    ]);
    await rig.write((journal) => journal.sessionEnded(id, 2));
    await rig.sealer.caughtUp();
    expect(await rig.sealer.session(id)).toMatchObject({ state: 'ended', endCause: 'client' });
    const items = await replayOf(id);
    expect(items.map(({ kind }) => kind)).toEqual([
      'session',
      'statement',
      'columns',
      'row',
      'row',
      'outcome',
      'statement',
      'message',
      'outcome',
      'end',
    ]);
    expect(items).toContainEqual(
      expect.objectContaining({ kind: 'row', seq: 1, values: ['Amélie', 'a***@example.com'] }),
    );
    expect(items).toContainEqual(expect.objectContaining({ kind: 'outcome', seq: 1, rows: 2, rowsKept: 2 }));
    expect(await rig.sealer.verify()).toMatchObject({ ok: true, problems: [], sessions: 1 });
    expect(rig.complaints).toEqual([]);
  });

  it('finds statements and masked content, and never reads a query as syntax', async () => {
    const id = sessionId(2);
    await rig.write((journal) => {
      journal.started(id);
      journal.decided(id, 1, 'select iban from "Kunden" where stadt = \'Köln\'');
      journal.content(
        id,
        1,
        'rows',
        rowMessages(
          ['a', 'b'],
          [
            ['first', 'a***@example.com'],
            ['zweite Zeile', 'Müller'],
          ],
        ),
      );
      journal.content(id, 1, 'messages', errorMessage('deadlock detected'));
      journal.ended(id, 1, { rows: 2 });
      journal.decided(id, 2, 'copy orders to stdout');
      journal.content(id, 2, 'copy-out', Buffer.from('17\tparcel\n18\tletter\n'));
      journal.ended(id, 2);
      journal.sessionEnded(id, 2);
    });
    await rig.sealer.caughtUp();
    const find = async (query: string) =>
      (await rig.sealer.search(query, 10)).map(({ seq, where, text }) => [seq, where, text]);
    expect(await find('IBAN')).toEqual([
      [1, 'statement', 'select iban from "Kunden" where stadt = \'Köln\''],
    ]);
    expect(await find('kunden koln')).toHaveLength(1);
    expect(await find('example.com')).toEqual([[1, 'content', 'first | a***@example.com']]);
    expect(await find('muller')).toEqual([[1, 'content', 'zweite Zeile | Müller']]);
    expect(await find('"zweite zeile"')).toHaveLength(1);
    expect(await find('"zeile zweite"')).toEqual([]);
    expect(await find('zeile zweite')).toHaveLength(1);
    expect(await find('deadlock')).toEqual([[1, 'content', 'deadlock detected']]);
    expect(await find('letter')).toEqual([[2, 'content', '18\tletter']]);
    expect(await find('first letter')).toEqual([]);
    for (const hostile of [
      '"',
      'NOT',
      'iban OR orders',
      'text:iban',
      'iban*',
      '(',
      'NEAR(a b)',
      '^',
      '',
      '"" ""',
      '\u0000',
    ]) {
      await expect(find(hostile)).resolves.toBeInstanceOf(Array);
    }
    expect(await find('iban OR orders')).toEqual([]);
  });

  it('gives back what was there after it is stopped and started, and goes on where it was', async () => {
    const id = sessionId(3);
    await rig.write((journal) => {
      journal.started(id);
      journal.decided(id, 1, 'select 1');
      journal.content(id, 1, 'rows', rowMessages(['a'], [['before']]));
    });
    await rig.stop();
    await rig.start();
    const [unfinished] = await rig.sealer.unfinishedSessions();
    expect(unfinished).toMatchObject({
      session: id,
      events: [
        { kind: 'statement.ended', seq: 1, state: 'interrupted' },
        { kind: 'session.ended', endCause: 'gateway-restart', statements: 1 },
      ],
    });
    for (const event of unfinished?.events ?? []) await rig.record(event);
    await rig.sealer.caughtUp();
    expect(await rig.sealer.unfinishedSessions()).toEqual([]);
    expect(await rig.sealer.statements(id)).toMatchObject([{ seq: 1, decision: 'interrupted' }]);
    expect(await rig.sealer.session(id)).toMatchObject({ state: 'ended', endCause: 'gateway-restart' });
    expect(await rig.sealer.verify()).toMatchObject({ ok: true });
  });

  it('makes the index again from log and recordings alone', async () => {
    const ids = [sessionId(4), sessionId(5)];
    await rig.write((journal) => {
      for (const id of ids) journal.session(id, ['select alpha', 'select beta'], [['gamma', String(id)]]);
    });
    await rig.sealer.caughtUp();
    const before = { sessions: await rig.sealer.sessions(), hits: await rig.sealer.search('gamma', 100) };
    expect(before.hits).toHaveLength(4);
    await rig.sealer.rebuildIndex();
    expect({ sessions: await rig.sealer.sessions(), hits: await rig.sealer.search('gamma', 100) }).toEqual(
      before,
    );
    await rig.write((journal) => journal.session(sessionId(6), ['select delta'], [['gamma', 'x']]));
    await rig.sealer.caughtUp();
    expect(await rig.sealer.search('gamma', 100)).toHaveLength(5);
  });
});
