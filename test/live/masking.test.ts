import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveBundle } from '../../gateway-core/agent/evidence/save.js';
import { resultFormats } from '../../gateway-core/contract/evidence.js';
import { SessionId } from '../../gateway-core/contract/ids.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  connectionTo,
  type GatewayRun,
  login,
  type Person,
  putPolicies,
  startGateway,
  type TunnelPlace,
} from './harness.js';
import { filesBelow, type Leak, leaksIn, leaksInFiles, textForms, token } from './leaks.js';
import {
  type Case,
  fromRows,
  masks,
  opened,
  openPolicies,
  people,
  peopleCount,
  rows,
  secretEmail,
  typed,
  visible,
} from './masking-cases.js';
import { createScope, type Environment, type Outcome, run, until } from './processes.js';
import { unzip } from './unzip.js';

/**
 * What is masked in a result is nowhere in clear. Every case below makes the gateway handle a secret in another way;
 * afterwards everything that the gateway has kept or printed is searched.
 */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let admin: Person;
let contractor: Person;
let engineer: Person;
const outcomes = new Map<string, Outcome>();
/** What the clients in this process were shown. */
const shown: string[] = [];

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase('vault', people);
  await fill();
  [admin, engineer, contractor] = await Promise.all([
    login(scope, gateway, 'admin'),
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'contractor'),
  ]);
  await putPolicies(admin, openPolicies);
  await addConnections(admin, [
    connectionTo(cluster, 'vault', { masks, recording: { rows: 'all' } }),
    { ...connectionTo(cluster, 'opened', { masks, labels: { open: 'yes' } }), database: 'vault' },
  ]);
  const handle = await engineer.handle('vault');
  const adminTunnel = await admin.tunnel('vault');
  const openTunnel = await admin.tunnel('opened');
  for (const each of opened) outcomes.set(each.name, await ask(openTunnel.env, each));
  for (const each of [...fromRows, ...typed]) {
    outcomes.set(each.name, await ask(each.admin === true ? adminTunnel.env : handle.env, each));
  }
  await throughNodePostgres(await engineer.tunnel('vault'));
  await copyIn(handle.env);
  await run('psql', ['-Xc', 'select 1'], { env: { ...handle.env, PGAPPNAME: secretEmail('application') } });
  await contractor.cli(['search', secretEmail('search')]);
  await contractor.cli(['search', '--json', secretEmail('searchjson')]);
  await sessionsEnded();
});

async function fill(): Promise<void> {
  const values = rows.map(
    (_, row) => `(${Array.from({ length: 10 }, (__, at) => `$${row * 10 + at + 1}`).join(',')})`,
  );
  const client = new pg.Client({
    ...cluster.superuser,
    host: cluster.host,
    port: cluster.port,
    database: 'vault',
  });
  await client.connect();
  await client.query(`insert into people values ${values.join(',')}`, rows.flat());
  await client.query('analyze people');
  await client.end();
}

function ask(env: Environment, { text }: Case): Promise<Outcome> {
  return run('psql', ['-XAt', '-v', 'VERBOSITY=verbose'], { env, input: `${text}\n;\n` });
}

/** Extended protocol, text and binary, parameters in both formats, from tables and from the client. */
async function throughNodePostgres({ host, port, user }: TunnelPlace): Promise<void> {
  const client = new pg.Client({ host, port, user, database: 'vault', ssl: false });
  const note = (value: unknown): void => {
    shown.push(
      JSON.stringify(value, (_, each: unknown) =>
        each instanceof Uint8Array ? Buffer.from(each).toString('latin1') : each,
      ),
    );
  };
  client.on('notice', (notice) => note(Object.entries(notice)));
  await client.connect();
  const attempt = async (config: pg.QueryConfig & { binary?: boolean }): Promise<void> => {
    try {
      note((await client.query({ ...config, rowMode: 'array' })).rows);
    } catch (error) {
      note({ ...(error as object), message: (error as Error).message });
    }
  };
  for (const binary of [false, true]) {
    await attempt({
      text: 'select full_name, email, card, salary, note, doc, city from people where id <= $1',
      values: [9],
      binary,
    });
    await attempt({
      text: 'select array_agg(full_name), array_agg(salary), row_to_json(people) from people group by people',
      values: [],
      binary,
    });
    await attempt({ text: 'select people from people where id = $1', values: [13], binary });
    await attempt({ text: 'select email::int from people where id = $1', values: [14], binary });
  }
  // Kept by the gateway, not shown by it: the client has typed these.
  const kept = shown.length;
  await attempt({
    text: 'select $1::text as back, $2::bytea',
    values: [secretEmail('parameter'), Buffer.from(secretEmail('binaryparameter'))],
  });
  await attempt({ text: 'select $1::int', values: [secretEmail('badparameter')] });
  await attempt({
    name: 'kept',
    text: 'insert into notes values ($1, $2)',
    values: [2, `see ${secretEmail('preparedparameter')}`],
  });
  await attempt({
    text: 'select $1::jsonb, $2::text[]',
    values: [JSON.stringify({ a: secretEmail('jsonparameter') }), [secretEmail('arrayparameter')]],
  });
  shown.length = kept;
  await client.end();
}

/** COPY from the client, a value cut in the middle between two messages included. */
async function copyIn(env: Environment): Promise<void> {
  const file = join(scope.directory(), 'notes.tsv');
  const long = `${'z'.repeat(8180)} ${secretEmail('split')}`;
  writeFileSync(file, `3\twrite ${secretEmail('copied')}\n4\t${long}\n5\tend\n`);
  await mustSucceed(run('psql', ['-Xc', `\\copy notes from '${file}'`], { env }));
  writeFileSync(file, `6,"in CSV, ${secretEmail('csv')}"\n`);
  await mustSucceed(run('psql', ['-Xc', `\\copy notes from '${file}' csv`], { env }));
  writeFileSync(file, `not a number\t${secretEmail('badcopy')}\n`);
  await run('psql', ['-Xc', `\\copy notes from '${file}'`], { env });
}

async function mustSucceed(outcome: Promise<Outcome>): Promise<void> {
  const { status, stderr } = await outcome;
  if (status !== 0) throw new Error(stderr);
}

interface ListedSession {
  readonly id: string;
  readonly state: string;
}

async function sessionsEnded(): Promise<void> {
  await until('all sessions have ended', async () => {
    const listed = await admin.json<ListedSession[]>(['sessions', '--live']);
    return listed.length === 0 ? true : undefined;
  });
}

const summary = (leaks: readonly Leak[]): string[] =>
  leaks.map(({ where, form, around }) => `${where}: ${form}: ${around}`);

describe('the search itself', () => {
  it('finds a value in every form that it claims to know', () => {
    const sample = `the ${secretEmail('sample')} stands here`;
    const bytes = Buffer.from(sample);
    const wide = Buffer.from(sample, 'utf16le');
    const disguises: Buffer[] = [
      bytes,
      Buffer.from(bytes).reverse(),
      wide,
      Buffer.from(wide).swap16(),
      Buffer.from(bytes.toString('hex')),
      Buffer.from(bytes.toString('hex').toUpperCase()),
      ...['', 'x', 'xy'].map((pad) => Buffer.from(Buffer.from(pad + sample).toString('base64'))),
      ...['', 'x', 'xy'].map((pad) => Buffer.from(Buffer.from(pad + sample).toString('base64url'))),
    ];
    for (const disguise of disguises) {
      expect(
        leaksIn('sample', Buffer.concat([Buffer.from([0, 255]), disguise, Buffer.from([1])])),
      ).not.toEqual([]);
    }
    expect(textForms(token).every(({ bytes: form }) => form.length >= 8)).toBe(true);
    expect(leaksIn('sample', `p${'*'.repeat(8)}@mail.example.com`)).toEqual([]);
  });

  it('looks at real results: what is not masked was shown, kept and found', async () => {
    expect(outcomes.get('whole rows')?.stdout).toContain(`${visible}${peopleCount}`);
    const hits = await contractor.json<{ text: string }[]>(['search', 'people']);
    const ofAdmin = await admin.json<{ text: string }[]>(['search', `${visible}17`]);
    expect(hits).toEqual([]);
    expect(ofAdmin.length).toBeGreaterThan(0);
  });
});

describe('what a client is shown', () => {
  it.each([...fromRows, ...opened])('$name: nothing of what is masked', ({ name, mustRun }) => {
    const { status, stdout, stderr } = outcomes.get(name) ?? { status: -1, stdout: '', stderr: '' };
    expect(summary(leaksIn('stdout', stdout))).toEqual([]);
    expect(summary(leaksIn('stderr', stderr))).toEqual([]);
    if (mustRun === true)
      expect({ status, errors: /ERROR.*/.exec(stderr)?.[0] }).toEqual({ status: 0, errors: undefined });
  });

  it('extended protocol, text and binary: nothing of what is masked', () => {
    expect(shown.join('')).toContain(visible);
    expect(summary(leaksIn('node-postgres', shown.join('\n')))).toEqual([]);
  });

  it.each(typed.filter(({ mustRun }) => mustRun === true))('$name: the statement ran', ({ name }) => {
    const { status, stderr } = outcomes.get(name) ?? { status: -1, stderr: '' };
    expect({ status, errors: /ERROR|FATAL/.exec(stderr)?.[0] }).toEqual({ status: 0, errors: undefined });
  });
});

describe('what is kept', () => {
  it('no file of the data directory holds a masked value while the gateway runs', () => {
    expect(filesBelow(gateway.data).length).toBeGreaterThan(3);
    expect(summary(leaksInFiles(gateway.data))).toEqual([]);
  });

  it('nothing that the gateway prints holds a masked value', () => {
    expect(summary(leaksIn('gateway', gateway.log()))).toEqual([]);
  });

  it('no listing, replay or search of any session holds a masked value', async () => {
    const sessions = await admin.json<(ListedSession & { statements: number })[]>(['sessions']);
    const total = sessions.reduce((sum, { statements }) => sum + statements, 0);
    expect(total).toBeGreaterThanOrEqual(fromRows.length + opened.length + typed.length);
    let kept = '';
    for (const { id } of sessions) {
      for (const args of [
        ['sessions', 'show', id, '--json'],
        ['replay', id, '--json'],
      ]) {
        const { status, stdout, stderr } = await admin.cli(args);
        expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: '' });
        kept += stdout;
        expect(summary(leaksIn(args.join(' '), stdout))).toEqual([]);
      }
    }
    expect(kept).toContain(`${visible}${peopleCount}`);
    const texts = [
      ['sessions'],
      ['search', 'select'],
      ['search', 'people'],
      ['search', token],
      ['search', `${token}row1`],
    ];
    const [last] = sessions;
    if (last !== undefined) texts.push(['sessions', 'show', last.id], ['replay', last.id]);
    for (const args of texts) {
      const { stdout } = await admin.cli(args);
      expect(summary(leaksIn(args.join(' '), stdout))).toEqual([]);
    }
  });

  it('no exported bundle holds a masked value, in no file and in no format', async () => {
    const sessions = await admin.json<ListedSession[]>(['sessions']);
    const held = await admin.gateway();
    const file = join(scope.directory(), 'bundle.zip');
    let files = 0;
    for (const { id } of sessions) {
      const subject = { kind: 'session', id: SessionId.parse(id) } as const;
      await saveBundle(held, { request: { subject, results: [...resultFormats] }, file, force: true });
      for (const [path, content] of await unzip(file)) {
        files += 1;
        expect(summary(leaksIn(path, content))).toEqual([]);
      }
    }
    expect(files).toBeGreaterThan(sessions.length * 10);
  });

  it('no one finds a masked value by searching for it', async () => {
    for (const wanted of [`${token}row1`, secretEmail('literal'), secretEmail('copied')]) {
      const hits = await admin.json<{ text: string; where: string }[]>(['search', wanted]);
      expect(hits).toEqual([]);
    }
  });

  it('no file of the data directory holds a masked value after the gateway has stopped', async () => {
    gateway.signal('SIGTERM');
    const { status } = await gateway.ended;
    expect(status).toBe(0);
    expect(summary(leaksInFiles(gateway.data))).toEqual([]);
    expect(summary(leaksIn('gateway', gateway.log()))).toEqual([]);
  });
});
