import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { api } from '../../gateway-core/agent/client/api.js';
import type { SessionDetail, SessionView, VerifyReport } from '../../gateway-core/contract/api.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  putPolicies,
  startGateway,
  type TunnelPlace,
} from './harness.js';
import { createScope, type Environment, type Running, start, until } from './processes.js';

/**
 * kill -9 in a loop under load, with strict durability: what a client saw answered is in the log, what the target
 * did is in the log, and the log verifies, however often the gateway was cut down.
 */
const scope = createScope();
afterAll(() => scope.close());

const rounds = 7;
/** A round is cut so long after its slowest client was answered for the first time. */
const loadMs = 1000;
const answersMin = 3;
const clientsPerRound = 4;

/** One client's life: the session it had, and the texts whose answer it has seen. */
interface Witness {
  session: string;
  readonly answered: string[];
}

let cluster: Cluster;
let gateway: GatewayRun;
let engineer: Person;
let auditor: Person;
let tunnel: TunnelPlace;
const witnesses: Witness[] = [];
const checkpoints: number[] = [];
const reports: VerifyReport[] = [];
let sessions: SessionDetail[] = [];

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase(
    'load',
    'create table tags (tag text primary key); create table items as select n as id, repeat(md5(n::text), 4) as text from generate_series(1, 1000) as n',
  );
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [
    connectionTo(cluster, 'load', { recording: { durability: 'strict', rows: 'all' } }),
  ]);
  [engineer, auditor] = await Promise.all([
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'auditor'),
  ]);
  tunnel = await engineer.tunnel('load');
  for (let round = 1; round <= rounds; round += 1) await oneRound(round);
  sessions = await everySession();
});

async function oneRound(round: number): Promise<void> {
  const handle = await nativeHandle();
  // The same tunnel all the time: it finds the gateway again after each restart.
  const through = { host: tunnel.host, port: tunnel.port, user: tunnel.user, database: 'load', ssl: false };
  const before = witnesses.length;
  const work = Array.from({ length: clientsPerRound }, (_, at) =>
    loadUntilCut(at % 2 === 0 ? handle : through, `r${round}c${at}`),
  );
  const shell = startPsql(tunnel.env, `r${round}p`);
  const witness = psqlWitness(shell);
  await until('every client was answered', () => {
    const busy = witnesses.slice(before).filter(({ answered }) => answered.length >= answersMin);
    return busy.length === clientsPerRound && witness().answered.length >= answersMin ? true : undefined;
  });
  await new Promise((resolve) => setTimeout(resolve, loadMs));
  checkpoints.push(await checkpointSize());
  gateway.signal('SIGKILL');
  await Promise.all([gateway.ended, shell.ended, ...work]);
  witnesses.push(witness());
  gateway = await startGateway(scope, {
    data: gateway.data,
    listen: new URL(gateway.url).host,
    nativeListen: `${gateway.native.host}:${gateway.native.port}`,
  });
  reports.push(await auditor.json<VerifyReport>(['log', 'verify', '--data', gateway.data]));
}

async function nativeHandle(): Promise<pg.ClientConfig> {
  const { user, password, connection } = await api.createHandle(await engineer.gateway(), {
    connection: 'load',
  });
  return {
    host: gateway.native.host,
    port: gateway.native.port,
    user,
    password,
    database: connection,
    ssl: false,
  };
}

/** Second line of a C2SP checkpoint: how many entries the log has. */
async function checkpointSize(): Promise<number> {
  const checkpoint = await api.checkpoint(await engineer.gateway());
  return Number(checkpoint.split('\n')[1]);
}

/** Runs statements of every kind one after another until the connection breaks. */
async function loadUntilCut(settings: pg.ClientConfig, tag: string): Promise<void> {
  const client = new pg.Client(settings);
  client.on('error', () => undefined);
  const witness: Witness = { session: '', answered: [] };
  const ask = async (config: pg.QueryConfig): Promise<void> => {
    await client.query(config);
    witness.answered.push(config.text);
  };
  try {
    await client.connect();
    const name = await client.query<{ name: string }>("select current_setting('application_name') as name");
    witness.session = /ses_[0-9A-Z]{26}/.exec(name.rows[0]?.name ?? '')?.[0] ?? '';
    witnesses.push(witness);
    for (let number = 0; ; number += 1) {
      await ask({ text: `select ${number} as ${tag}_simple_${number}` });
      await ask({
        text: `select text as ${tag}_prepared from items where id = $1`,
        name: 'p',
        values: [1 + (number % 1000)],
      });
      await ask({ text: `insert into tags values ('${tag}_insert_${number}')` });
      if (number % 10 === 0) await ask({ text: `select id, text as ${tag}_many_${number} from items` });
    }
  } catch {
    // Cut, as it should be.
  } finally {
    await client.end().catch(() => undefined);
  }
}

function startPsql(env: Environment, tag: string): Running {
  const running = start(scope, 'psql', ['-XAt'], { env });
  running.stdin.write("select current_setting('application_name');\n");
  for (let number = 0; number < 20_000; number += 1) {
    running.stdin.write(`select 'psql ${number} answered' as ${tag}_${number};\n`);
  }
  running.stdin.end();
  return running;
}

function psqlWitness(running: Running): () => Witness {
  const tagOf = /psql (\d+) answered/g;
  return () => {
    const text = running.stdoutText();
    return {
      session: /ses_[0-9A-Z]{26}/.exec(text)?.[0] ?? '',
      answered: [...text.matchAll(tagOf)].map(([line]) => line),
    };
  };
}

/** Every session as the API shows it, all statements included. */
async function everySession(): Promise<SessionDetail[]> {
  const opened = await auditor.gateway();
  const listed = await until('all sessions of before have ended', async () => {
    const found = await api.sessions(opened, {});
    return found.every(({ state }: SessionView) => state === 'ended') ? found : undefined;
  });
  const details: SessionDetail[] = [];
  for (const { id } of listed) details.push(await api.session(opened, id));
  return details;
}

const byId = (): Map<string, SessionDetail> => new Map(sessions.map((session) => [session.id, session]));

it('the load was real: every client of every round saw answers', () => {
  expect(witnesses.length).toBe(rounds * (clientsPerRound + 1));
  expect(witnesses.filter(({ session, answered }) => session === '' || answered.length < answersMin)).toEqual(
    [],
  );
});

it('after every kill -9 the whole log verifies', () => {
  expect(reports.length).toBe(rounds);
  expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
  expect(reports.every(({ ok }) => ok)).toBe(true);
});

it('the log never becomes shorter than a checkpoint that somebody has seen', async () => {
  for (const [round, size] of checkpoints.entries()) {
    expect(size).toBeGreaterThan(0);
    expect(reports[round]?.entries).toBeGreaterThanOrEqual(size);
  }
  expect(await checkpointSize()).toBeGreaterThanOrEqual(checkpoints.at(-1) ?? 1);
});

it('every statement that a client saw answered is in its session', () => {
  const known = byId();
  for (const { session, answered } of witnesses) {
    const kept = new Map<string, number>();
    for (const { text, decision } of known.get(session)?.statements ?? []) {
      const key = /psql \d+ answered/.exec(text)?.[0] ?? text;
      if (decision === 'allowed') kept.set(key, (kept.get(key) ?? 0) + 1);
    }
    const lost = answered.filter((text) => {
      const left = kept.get(text) ?? 0;
      kept.set(text, left - 1);
      return left === 0;
    });
    expect({ session, lost }).toEqual({ session, lost: [] });
  }
});

it('every statement that the target carried out is in the log', async () => {
  const kept = new Set(sessions.flatMap(({ statements }) => statements.map(({ text }) => text)));
  const done = await cluster.query('select tag from tags', 'load');
  expect(done.length).toBeGreaterThan(rounds);
  expect(done.filter(({ tag }) => !kept.has(`insert into tags values ('${String(tag)}')`))).toEqual([]);
});

it('sessions that were cut ended with the cause gateway-restart', () => {
  const known = byId();
  const ends = witnesses.map(({ session }) => {
    const { state, endCause } = known.get(session) ?? {};
    return `${state} ${endCause}`;
  });
  expect(new Set(ends)).toEqual(new Set(['ended gateway-restart']));
});

it('every row that a client was sent is in the recording', async () => {
  const opened = await auditor.gateway();
  // One client of each round and protocol; all of them would read every recording.
  for (const { session, answered } of witnesses.filter((_, at) => at % 3 === 0)) {
    const rows = new Map<number, number>();
    const texts = new Map<number, string>();
    for await (const item of api.recording(opened, session)) {
      expect(item.kind).not.toBe('problem');
      if (item.kind === 'statement') texts.set(item.seq, item.text);
      if (item.kind === 'row') rows.set(item.seq, (rows.get(item.seq) ?? 0) + 1);
    }
    const recorded = [...texts].flatMap(([seq, text]) => {
      const expected = /_many_/.test(text) ? 1000 : text.startsWith('insert') ? 0 : 1;
      return (rows.get(seq) ?? 0) === expected ? [/psql \d+ answered/.exec(text)?.[0] ?? text] : [];
    });
    const left = [...recorded];
    const lost = answered.filter((text) => {
      const at = left.indexOf(text);
      if (at !== -1) left.splice(at, 1);
      return at === -1;
    });
    expect({ session, lost }).toEqual({ session, lost: [] });
  }
});

it('after all that the gateway serves as if nothing had happened', async () => {
  const client = new pg.Client(await nativeHandle());
  await client.connect();
  expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  await client.end();
});
