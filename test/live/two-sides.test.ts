import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseLeaf } from '../../gateway-core/audit/leaf.js';
import { openCheckpoint, parseVerifierKey } from '../../gateway-core/audit/note.js';
import { leafHash, verifyConsistency, verifyInclusion } from '../../gateway-core/audit/tree.js';
import { AdminDevice, paths, type SessionDetail, type SessionView } from '../../gateway-core/contract/api.js';
import type { LocalRecord, ReceiptResponse } from '../../gateway-core/contract/local-record.js';
import { type Logged, logged as logOf } from './audit-log.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  type Answer,
  type HandDesktop,
  type HandSession,
  handDesktop,
  hashedSide,
  recordsOf,
  valueOf,
} from './desktop-by-hand.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import { packet, query, rawSocket, startupPacket } from './postgres-socket.js';
import { createScope, start, until } from './processes.js';

/** Both sides of real sessions, held against each other by a running gateway; and everything that a desktop may try. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;
let desktop: HandDesktop;
let others: HandDesktop;
let nextSegment = 1;
const segment = (): number => nextSegment++;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase(
    'sides',
    'create table numbers as select n, md5(n::text) as hash from generate_series(1, 20000) n;',
  );
  await cluster.createDatabase('strict', 'select 1');
  let contractor: Person;
  [admin, engineer, contractor] = await Promise.all([
    login(scope, gateway, 'admin'),
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'contractor'),
  ]);
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [
    connectionTo(cluster, 'sides', {
      recording: { rows: 'all' },
      masks: [{ columns: ['public.numbers.hash'], with: 'partial' }],
    }),
    connectionTo(cluster, 'strict', { recording: { desktop: 'required' } }),
  ]);
  [desktop, others] = await Promise.all([
    handDesktop(scope, gateway, engineer),
    handDesktop(scope, gateway, contractor),
  ]);
});

const logged = (kind: string): readonly Logged[] => logOf(gateway).filter((event) => event.kind === kind);

const listed = async (id: string): Promise<SessionView | undefined> => {
  const sessions = await admin.json<SessionView[]>(['sessions']);
  return sessions.find((session) => session.id === id);
};

const verdictOf = (id: string): Promise<SessionView> =>
  until(`${id} was compared`, async () => {
    const session = await listed(id);
    return session?.corroboration === 'pending' ? undefined : session;
  });

function problemOf<T>(answer: Answer<T>): { status: number; code: string; fields: unknown } {
  if ('value' in answer) throw new Error('it was taken');
  return { status: answer.status, code: answer.problem.code, fields: answer.problem.fields };
}

async function uploaded({ records }: HandSession): Promise<void> {
  valueOf(await desktop.upload(segment(), { from: 0, records: [...records], last: true }));
}

/** One session of real psql through a desktop by hand. */
async function recorded(
  text: string,
  tricks: Parameters<HandDesktop['tunnel']>[2] = {},
): Promise<HandSession> {
  const tunnel = await desktop.tunnel('sides', segment(), tricks);
  await psql(tunnel.env, text);
  return until('the session has closed at the desktop', () => tunnel.sessions[0]);
}

describe('two sides of a session', () => {
  it('are pending until the desktop’s record comes, and corroborated when it says the same', async () => {
    const session = await recorded('select * from numbers order by n; select count(*) from numbers;');
    expect(await listed(session.session)).toMatchObject({ state: 'ended', corroboration: 'pending' });
    await uploaded(session);
    expect(await verdictOf(session.session)).toMatchObject({ corroboration: 'corroborated' });
    const shown = await admin.json<SessionDetail>(['sessions', 'show', session.session]);
    expect(shown.compared).toMatchObject({ verdict: 'corroborated' });
    expect(shown.compared?.difference).toBeUndefined();
  });

  it('without a desktop’s record are the gateway’s word alone', async () => {
    const handle = await engineer.handle('sides');
    expect((await psql(handle.env, 'select 7;')).stdout.trim()).toBe('7');
    const sessions = await admin.json<SessionView[]>(['sessions', '--of', 'demo/engineer']);
    expect(sessions.find(({ via }) => via === 'native')).toMatchObject({ corroboration: 'gateway-only' });
  });

  it('differ when one byte does, and log, listing and the operator say so', async () => {
    const session = await recorded('select * from numbers order by n;', {
      pretend: (direction, chunk) => {
        if (direction === 'up' || !chunk.includes('19999')) return chunk;
        const changed = Buffer.from(chunk);
        changed[changed.indexOf('19999')] = 0x32;
        return changed;
      },
    });
    await uploaded(session);
    expect(await verdictOf(session.session)).toMatchObject({ corroboration: 'different' });
    const { compared } = await admin.json<SessionDetail>(['sessions', 'show', session.session]);
    expect(compared?.difference).toMatch(/^down: block \d+ \(from byte \d+ on\) is not the same$/);
    expect(gateway.log()).toContain(`${session.session}: the desktop's record and the gateway's differ`);
    expect(logged('session.compared').find((event) => event['session'] === session.session)).toMatchObject({
      verdict: 'different',
      device: desktop.device,
    });
  });

  it('differ when the desktop says that it sent what never came', async () => {
    const session = await recorded('select 1;', {
      pretend: (_, chunk) => Buffer.concat([chunk, Buffer.from('x')]),
    });
    await uploaded(session);
    expect(await verdictOf(session.session)).toMatchObject({ corroboration: 'different' });
  });

  it('are corroborated when the session was revoked in the middle of a result', async () => {
    const tunnel = await desktop.tunnel('sides', segment());
    const running = psql(tunnel.env, 'select a.*, b.* from numbers a, numbers b;', ['-v', 'FETCH_COUNT=0']);
    const id = await until('the session runs and sends', async () => {
      const live = await admin.json<SessionView[]>(['sessions', '--live', '--of', 'demo/engineer']);
      return live.find(({ statements }) => statements > 0)?.id;
    });
    await admin.json(['revoke', 'session', id, '--reason', 'test']);
    await running;
    const session = await until('the session has closed at the desktop', () => tunnel.sessions[0]);
    await uploaded(session);
    expect(await verdictOf(session.session)).toMatchObject({
      endCause: 'revoked',
      corroboration: 'corroborated',
    });
  });

  it('end when the client is gone before its session has begun: nothing stays live', async () => {
    for (let waitMs = 0; waitMs < 40; waitMs += 1) {
      const { stream } = await desktop.stream('sides', waitMs % 2 === 0 ? 900 : undefined);
      stream.write(startupPacket({ user: 'test', database: 'sides' }));
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      stream.destroy();
    }
    await until('no session is live', async () => {
      const live = await admin.json<SessionView[]>(['sessions', '--live']);
      return live.length === 0 ? true : undefined;
    });
  });

  it('give no verdict on a stream that carried a request to cancel', async () => {
    const { stream, session, salt } = await desktop.stream('sides', segment());
    const sides = { up: hashedSide(salt ?? Buffer.alloc(0)), down: hashedSide(salt ?? Buffer.alloc(0)) };
    const cancel = Buffer.from('0000001004d2162e0000000100000002', 'hex');
    sides.up.hash.update(cancel);
    stream.on('data', (chunk: Buffer) => sides.down.hash.update(chunk));
    stream.end(cancel);
    await until('the stream is closed', () => (stream.closed ? true : undefined));
    await uploaded({ session, records: recordsOf(session, sides, 'client') });
    await until('the log says what came of it', () =>
      logged('session.unopened').find((event) => event['session'] === session && event['why'] === 'cancel'),
    );
    expect(logged('session.compared').filter((event) => event['session'] === session)).toEqual([]);
  });

  it('agree on the rows that a built-in client has shown, masked as they were, and differ on others', async () => {
    for (const [lie, verdict] of [
      [false, 'corroborated'],
      [true, 'different'],
    ] as const) {
      const { stream, session, salt } = await desktop.stream('sides', segment());
      const sides = { up: hashedSide(salt ?? Buffer.alloc(0)), down: hashedSide(salt ?? Buffer.alloc(0)) };
      stream.on('data', (chunk: Buffer) => sides.down.hash.update(chunk));
      const socket = rawSocket(stream);
      const say = (bytes: Buffer): void => {
        sides.up.hash.update(bytes);
        socket.write(bytes);
      };
      say(startupPacket({ user: 'test', database: 'sides' }));
      await socket.messagesUntil('Z');
      say(query('select n, hash from numbers where n <= 300 order by n'));
      const messages = await socket.messagesUntil('Z');
      const rows = messages.flatMap(({ type, body }) => (type === 'D' ? [packet('D', body)] : []));
      expect(rows).toHaveLength(300);
      expect(rows[0]?.includes('c4ca4238a0b923820dcc509a6f75849b')).toBe(false);
      say(packet('X'));
      await socket.rest();
      const hash = createHash('sha256').update(Buffer.concat(rows));
      const shown: LocalRecord = {
        at: new Date().toISOString(),
        monoMs: 1,
        boot: 'test',
        kind: 'shown',
        session,
        result: 1,
        columns: 2,
        rows: 300,
        sha256: lie ? '0'.repeat(64) : hash.digest('hex'),
        complete: true,
      };
      await uploaded({ session, records: recordsOf(session, sides, 'client', [shown]) });
      expect(await verdictOf(session)).toMatchObject({ corroboration: verdict });
    }
  });

  it('stand in the bundle, and the bundle and the log hold', async () => {
    const session = await recorded('select n from numbers where n < 10;');
    await uploaded(session);
    await verdictOf(session.session);
    const file = join(scope.directory(), 'evidence.zip');
    await engineer.json(['export', session.session, '-o', file]);
    const report = await admin
      .json<{ ok: boolean; problems: unknown[]; proved: string[] }>(['verify', file])
      .catch(() => undefined);
    if (report !== undefined) expect(report).toMatchObject({ ok: true, problems: [] });
    expect(await admin.json(['log', 'verify'])).toMatchObject({ ok: true, problems: [] });
  });
});

describe('the product’s own desktop', () => {
  it('records what its tunnel passes on: read to the end, killed in the middle, cancelled; both sides agree', async () => {
    const tunnel = await engineer.tunnel('sides');
    const before = new Set((await admin.json<SessionView[]>(['sessions'])).map(({ id }) => id));
    const fresh = async (): Promise<SessionView[]> =>
      (await admin.json<SessionView[]>(['sessions'])).filter(({ id }) => !before.has(id));
    const running = async (count: number): Promise<void> => {
      await until(`${count} sessions have run something`, async () => {
        const found = await fresh();
        return found.filter(({ statements }) => statements > 0).length === count ? true : undefined;
      });
    };
    expect((await psql(tunnel.env, 'select * from numbers;')).status).toBe(0);
    await running(1);
    const endless = start(scope, 'psql', ['-X', '-c', 'select a.* from numbers a, numbers b'], {
      env: tunnel.env,
    });
    await running(2);
    endless.signal('SIGKILL');
    const sleeping = start(scope, 'psql', ['-X', '-c', 'select pg_sleep(600)'], { env: tunnel.env });
    await running(3);
    sleeping.signal('SIGINT');
    await Promise.all([endless.ended, sleeping.ended]);
    const compared = await until('all of them were compared', async () => {
      const found = await fresh();
      return found.every(({ corroboration }) => corroboration !== 'pending') ? found : undefined;
    });
    expect(compared.map(({ corroboration }) => corroboration)).toEqual(Array(3).fill('corroborated'));
  });

  it('is let in where its record is required', async () => {
    const { status, stdout } = await engineer.cli([
      'exec',
      'strict',
      '--',
      'psql',
      '-X',
      '-A',
      '-t',
      '-c',
      'select 5',
    ]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '5\n' });
    await until('both sides agree', async () => {
      const [session] = await admin.json<SessionView[]>(['sessions']);
      return session?.connection === 'strict' && session.corroboration === 'corroborated' ? true : undefined;
    });
  });
});

describe('a connection that requires the desktop’s record', () => {
  it('lets nobody in without one, and says what to do', async () => {
    await expect(desktop.stream('strict')).rejects.toThrow(/"code":"denied".*does not record/);
    const handle = await engineer.handle('strict');
    const { status, stderr } = await psql(handle.env, 'select 1;');
    expect(status).not.toBe(0);
    expect(stderr).toContain('recorded by the desktop, too');
  });

  it('lets in who records', async () => {
    const tunnel = await desktop.tunnel('strict', segment());
    expect((await psql(tunnel.env, 'select 5;')).stdout.trim()).toBe('5');
  });
});

describe('an upload', () => {
  it('is taken once, however often it comes, and told where to go on', async () => {
    const { records } = await recorded('select 1;');
    const to = segment();
    expect(problemOf(await desktop.upload(to, { from: 3, records: [...records] }))).toEqual({
      status: 409,
      code: 'conflict',
      fields: { next: 0 },
    });
    const first = valueOf(await desktop.upload(to, { from: 0, records: records.slice(0, 1) }));
    const again = valueOf(await desktop.upload(to, { from: 0, records: [...records] }));
    expect([first.next, again.next]).toEqual([1, records.length]);
    expect(valueOf(await desktop.upload(to, { from: 0, records: [...records] }))).toEqual(again);
  });

  it('is refused with a reason when it is another’s, of another’s session, a second story, or no record', async () => {
    const { records } = await recorded('select 1;');
    const to = segment();
    const path = paths.spool(others.device, to);
    expect(problemOf(await desktop.call('POST', path, { from: 0, records }))).toMatchObject({ status: 403 });
    const theirs = await others.upload(to, { from: 0, records: [...records] });
    expect(problemOf(theirs)).toMatchObject({ status: 403, code: 'denied', fields: { record: 0 } });
    valueOf(await desktop.upload(to, { from: 0, records: [...records] }));
    const forged = records.map((record) => record.replace('by hand', 'by head'));
    expect(problemOf(await desktop.upload(to, { from: 0, records: forged }))).toMatchObject({
      status: 422,
      code: 'verification-failed',
    });
    expect(problemOf(await desktop.upload(to, { from: 0, records: ['{}'] })).status).toBe(400);
    expect(problemOf(await desktop.upload(to, { from: 0, records: ['x'.repeat(70_000)] })).status).toBe(400);
    const huge = { from: 0, records: Array.from({ length: 20 }, () => `${records[0]}${' '.repeat(60_000)}`) };
    expect(problemOf(await desktop.upload(to, huge)).status).toBe(413);
    const path9 = paths.spool(desktop.device, '../../lock');
    expect('problem' in (await desktop.call('POST', path9, { from: 0, records }))).toBe(true);
    await admin.json(['log', 'verify']);
    const refused = logged('spool.refused').map((event) => event['code']);
    expect(refused).toEqual(
      expect.arrayContaining(['other-device', 'unknown-session', 'forked', 'malformed']),
    );
  });

  it('is seen by admins, and by nobody else', async () => {
    const backlog = { records: 12, bytes: 3400, oldestAt: '2026-11-20T12:00:00.000Z' };
    valueOf(await desktop.upload(segment(), { from: 0, records: [], backlog }));
    const devices = AdminDevice.array().parse(await admin.json(['admin', 'devices']));
    expect(devices.find(({ device }) => device === desktop.device)).toMatchObject({
      principal: 'demo/engineer',
      backlog,
    });
    expect((await engineer.cli(['admin', 'devices', '--json'])).status).toBe(4);
  });

  it('that disputes the log is an event and a complaint', async () => {
    const checkpoint = await admin.json<{ checkpoint: string }>(['log', 'checkpoint']);
    const conflict: LocalRecord = {
      at: new Date().toISOString(),
      monoMs: 1,
      boot: 'test',
      kind: 'log-conflict',
      kept: checkpoint.checkpoint,
      given: 'no note of ours, but of mallory@example.com',
      why: 'the tree is smaller',
    };
    valueOf(await desktop.upload(segment(), { from: 0, records: [JSON.stringify(conflict)] }));
    await admin.json(['log', 'verify']);
    const [event] = logged('log.disputed');
    expect(event).toMatchObject({ device: desktop.device, principal: 'demo/engineer', signed: 'kept' });
    expect(event?.['kept']).toBe(checkpoint.checkpoint);
    expect(JSON.stringify(event)).not.toContain('mallory@example.com');
    expect(gateway.log()).toContain('this log does not hold what it was given');
  });
});

describe('a receipt', () => {
  const ask = (from: HandDesktop, kept: number, sessions: readonly string[]) =>
    from.call<ReceiptResponse>('POST', paths.receipts, { kept, sessions });
  const bytes = (base64: readonly string[]): Buffer[] => base64.map((hash) => Buffer.from(hash, 'base64'));

  it('proves a session’s start and end, and that the log still holds what it held', async () => {
    const verifier = parseVerifierKey(readFileSync(join(gateway.data, 'audit', 'vkey'), 'utf8').trim());
    if (verifier === undefined) throw new Error('no key');
    const before = valueOf(await ask(desktop, 0, []));
    const { session } = await recorded('select 1;');
    const receipt = await until('the end is in the log', async () => {
      const found = valueOf(await ask(desktop, 0, [session]));
      return found.entries.length === 2 ? found : undefined;
    });
    const old = openCheckpoint(before.checkpoint, verifier);
    const now = openCheckpoint(receipt.checkpoint, verifier);
    if (old === undefined || now === undefined) throw new Error('not signed');
    for (const { index, leaf, proof } of receipt.entries) {
      const holds = { index, size: now.size, leafHash: leafHash(Buffer.from(leaf)), root: now.root };
      expect(verifyInclusion({ ...holds, proof: bytes(proof) })).toBe(true);
      expect(parseLeaf(Buffer.from(leaf))).toMatchObject({ session });
    }
    const later = valueOf(await ask(desktop, old.size, []));
    const latest = openCheckpoint(later.checkpoint, verifier);
    if (latest === undefined) throw new Error('not signed');
    expect(
      verifyConsistency({
        first: old.size,
        second: latest.size,
        firstRoot: old.root,
        secondRoot: latest.root,
        proof: bytes(later.consistency),
      }),
    ).toBe(true);
  });

  it('is given for no session that one may not see, and for no log longer than this one', async () => {
    const { session } = await recorded('select 1;');
    expect(valueOf(await ask(others, 0, [session])).entries).toEqual([]);
    expect(problemOf(await ask(desktop, 1_000_000, []))).toMatchObject({ status: 409, code: 'conflict' });
    expect(problemOf(await ask(desktop, -1, [])).status).toBe(400);
  });

  it('is not given as often as one likes', async () => {
    const status = await until('it is refused', async () => {
      const answer = await ask(others, 0, []);
      return answer.status === 200 ? undefined : answer.status;
    });
    expect(status).toBe(429);
  });
});
