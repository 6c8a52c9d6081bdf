import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Decrypter, generateIdentity, identityToRecipient } from 'age-encryption';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  BundleManifest,
  type BundleReport,
  bundlePaths,
  EntryLine,
  EventLine,
} from '../../gateway-core/contract/evidence.js';
import { verifyBundle } from '../../gateway-core/evidence/verify/index.js';
import { bytesAccess, inflate } from '../../gateway-core/evidence/zip/node.js';
import { type Cluster, startCluster } from './cluster.js';
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
import { createScope, type Environment, until } from './processes.js';
import { below, unzip } from './unzip.js';

/** Bundles of real sessions, from a running gateway, opened with other people's tools. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;
let contractor: Person;
let auditor: Person;
let session: string;
/** As the gateway publishes it. */
let logKey: string;

interface Exported {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly sessions: readonly string[];
}

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase(
    'big',
    'create table numbers as select n, md5(n::text) as hash from generate_series(1, 200000) n;',
  );
  [admin, engineer, contractor, auditor] = await Promise.all([
    login(scope, gateway, 'admin'),
    login(scope, gateway, 'engineer'),
    login(scope, gateway, 'contractor'),
    login(scope, gateway, 'auditor'),
  ]);
  logKey = readFileSync(join(gateway.data, 'audit', 'vkey'), 'utf8');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [connectionTo(cluster, 'big', { recording: { rows: 'all' } })]);
  const { env } = await engineer.tunnel('big');
  session = await sessionOf(
    env,
    'select n, hash, null as none, \'a,"b"\' as quoted from numbers where n <= 3;\nselect 1 as same, 2 as same;\ndrop table numbers;',
  );
});

/** Runs the text through the tunnel and gives the session that it was. */
async function sessionOf(env: Environment, text: string): Promise<string> {
  const before = new Set((await admin.json<{ id: string }[]>(['sessions'])).map(({ id }) => id));
  await psql(env, text);
  return until('the session has ended', async () => {
    const all = await admin.json<{ id: string; state: string }[]>(['sessions']);
    return all.find(({ id, state }) => state === 'ended' && !before.has(id))?.id;
  });
}

const place = (name: string): string => join(scope.directory(), name);

async function exported(
  person: Person,
  args: readonly string[],
): Promise<Exported & { files: Map<string, Buffer> }> {
  const file = place('bundle.zip');
  const answer = await person.json<Exported>(['export', ...args, '-o', file]);
  const report = await verifyBundle(bytesAccess(readFileSync(file)), { inflate, key: logKey });
  expect(report.problems).toEqual([]);
  return { ...answer, files: await unzip(file) };
}

const lines = <T>(
  files: ReadonlyMap<string, Buffer>,
  path: string,
  schema: { parse(value: unknown): T },
): T[] =>
  (files.get(path)?.toString() ?? '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => schema.parse(JSON.parse(line)));

describe('an exported session', () => {
  it('is one ZIP whose manifest lists each file with its size and hash, and the log binds the manifest', async () => {
    const { file, bytes, sha256, sessions, files } = await exported(engineer, [
      session,
      '--reason',
      'for the court',
    ]);
    expect(sessions).toEqual([session]);
    expect(readFileSync(file).length).toBe(bytes);
    expect(createHash('sha256').update(readFileSync(file)).digest('hex')).toBe(sha256);
    const text = files.get(bundlePaths.manifest) ?? Buffer.alloc(0);
    const manifest = BundleManifest.parse(JSON.parse(text.toString()));
    expect(manifest.sessions.map(({ id, state }) => [id, state])).toEqual([[session, 'ended']]);
    for (const each of manifest.files) {
      const content = files.get(each.path) ?? Buffer.alloc(0);
      const digest = createHash('sha256').update(content).digest('hex');
      expect({ path: each.path, bytes: content.length, sha256: digest }).toEqual(each);
    }
    const entries = lines(files, bundlePaths.entries, EntryLine);
    const last = JSON.parse(entries.at(-1)?.leaf ?? '{}') as Record<string, unknown>;
    expect(last).toMatchObject({ kind: 'evidence.exported', sessions: 1, reason: 'for the court' });
    expect(last['manifest']).toBe(createHash('sha256').update(text).digest('hex'));
    const events = lines(files, bundlePaths.events(session), EventLine).map(({ event }) => event['kind']);
    // Whether the desktop's record has come already is its own matter: two-sides.test.ts.
    expect(events.filter((kind) => kind !== 'session.compared')).toEqual([
      'session.started',
      'statement.decided',
      'statement.ended',
      'statement.decided',
      'statement.ended',
      'statement.decided',

      'session.ended',
      'recording.sealed',
    ]);
  });

  it('holds its results as other tools read them: CSV, NDJSON and Parquet', async () => {
    const { files } = await exported(engineer, [session, '--results', 'csv,ndjson,parquet']);
    const result = (seq: number, format: string) =>
      files.get(bundlePaths.result(session, seq, 1, format)) ?? Buffer.alloc(0);
    const hash = (n: number): string => createHash('md5').update(String(n)).digest('hex');
    expect(result(1, 'csv').toString().split('\r\n').slice(0, 2)).toEqual([
      'n,hash,none,quoted',
      `1,${hash(1)},,"a,""b"""`,
    ]);
    expect(JSON.parse(result(1, 'ndjson').toString().split('\n')[2] ?? '')).toEqual({
      n: '3',
      hash: hash(3),
      none: null,
      quoted: 'a,"b"',
    });
    const parquet = async (seq: number) => {
      const bytes = result(seq, 'parquet');
      const copy = new Uint8Array(bytes).buffer;
      return parquetReadObjects({ file: copy });
    };
    expect(await parquet(1)).toEqual(
      [1, 2, 3].map((n) => ({ n: String(n), hash: hash(n), none: null, quoted: 'a,"b"' })),
    );
    expect(await parquet(2)).toEqual([{ same: '1', same_2: '2' }]);
  });

  it('holds every row of a large result, in bounded memory', async () => {
    const { env } = await engineer.tunnel('big');
    const large = await sessionOf(env, 'select n, hash from numbers order by n;');
    const { files } = await exported(engineer, [large, '--results', 'csv,parquet']);
    const csv =
      files
        .get(bundlePaths.result(large, 1, 1, 'csv'))
        ?.toString()
        .split('\r\n') ?? [];
    expect([csv.length, csv[200_000]?.split(',')[0]]).toEqual([200_002, '200000']);
    const parquet = new Uint8Array(files.get(bundlePaths.result(large, 1, 1, 'parquet')) ?? []).buffer;
    const tail = await parquetReadObjects({ file: parquet, rowStart: 199_999, rowEnd: 200_000 });
    expect(tail[0]?.['n']).toBe('200000');
  });

  it('opens with the key of its age recipient, and nothing readable was written', async () => {
    const identity = await generateIdentity();
    const file = place('sealed.zip.age');
    await engineer.json(['export', session, '-o', file, '--to', await identityToRecipient(identity)]);
    const sealed = readFileSync(file);
    expect(sealed.subarray(0, 21).toString()).toBe('age-encryption.org/v1');
    expect(sealed.includes('manifest.json')).toBe(false);
    const age = new Decrypter();
    age.addIdentity(identity);
    const files = await unzip(Buffer.from(await age.decrypt(sealed)));
    expect(files.has(bundlePaths.manifest)).toBe(true);
    const wrong = await engineer.cli(['export', session, '-o', place('x.zip'), '--to', 'age1nobody']);
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('is no age recipient')]);
  });

  it('never replaces a file that is there, unless it is told to', async () => {
    const file = place('mine.zip');
    writeFileSync(file, 'mine');
    const refused = await engineer.cli(['export', session, '-o', file]);
    expect([refused.status, readFileSync(file, 'utf8')]).toEqual([1, 'mine']);
    expect(refused.stderr).toContain('--force');
    expect((await engineer.cli(['export', session, '-o', file, '--force'])).status).toBe(0);
  });
});

describe('an exported agent', () => {
  it('holds every session below it, and the delegations that they rest on', async () => {
    const ran = await engineer.cli([
      'run',
      '--agent',
      'outer',
      '--connections',
      'big',
      '--',
      'psql',
      '-XAtqc',
      'select 7',
    ]);
    expect(ran.stdout.trim()).toBe('7');
    const minted = await until('the session is listed', async () => {
      const all = await engineer.json<{ chain: { id: string; name: string }[] }[]>(['sessions']);
      return all.flatMap(({ chain }) => chain).find(({ name }) => name === 'outer');
    });
    const { files, sessions } = await exported(engineer, ['--agent', minted.id]);
    expect(sessions).toHaveLength(1);
    const context = lines(files, bundlePaths.context, EventLine).map(({ event }) => event['kind']);
    expect(context).toEqual(
      expect.arrayContaining([
        'identity.signed-in',
        'policy.put',
        'connection.put',
        'delegation.minted',
        'delegation.ended',
      ]),
    );
    expect(below(files, 'events.ndjson')).toEqual([bundlePaths.events(sessions[0] ?? '')]);
  });
});

describe('who may export', () => {
  it('policy decides: nobody without evidence:export, and what one may not see does not exist', async () => {
    const other = await contractor.cli(['export', session, '-o', place('no.zip')]);
    expect([other.status, other.stderr]).toEqual([1, expect.stringContaining('there is no session')]);
    expect((await auditor.cli(['export', session, '-o', place('audit.zip')])).status).toBe(0);
    await putPolicies(admin, livePolicies.replaceAll(', Action::"evidence:export"', ''));
    const denied = await engineer.cli(['export', session, '-o', place('no2.zip')]);
    await putPolicies(admin, livePolicies);
    expect([denied.status, denied.stderr]).toEqual([4, expect.stringContaining('evidence:export')]);
  });

  it('refuses what is no request with a reason', async () => {
    const none = await engineer.cli(['export', '-o', place('x.zip')]);
    expect([none.status, none.stderr]).toEqual([2, expect.stringContaining('name one session')]);
    const bad = await engineer.cli(['export', session, '-o', place('y.zip'), '--results', 'xml']);
    expect([bad.status, bad.stderr]).toEqual([2, expect.stringContaining('--results takes')]);
  });
});

describe('an export that breaks off', () => {
  let kept: string;
  beforeAll(() => {
    kept = place('kept.zip');
  });

  it('leaves no file, and the log still holds', async () => {
    const { env } = await engineer.tunnel('big');
    const large = await sessionOf(
      env,
      'select a.n, a.hash, b.hash from numbers a join numbers b on b.n = a.n;',
    );
    const file = place('broken.zip');
    await engineer.json(['export', session, '-o', kept]);
    const running = engineer.cli(['export', large, '-o', file, '--results', 'csv,ndjson,parquet']);
    await until('bytes have come', () => (existsSync(`${file}.partial`) ? true : undefined));
    gateway.signal('SIGKILL');
    const { status } = await running;
    expect([status === 0, existsSync(file), existsSync(`${file}.partial`)]).toEqual([false, false, false]);
    const checked = await engineer.cli(['log', 'verify', '--data', gateway.data]);
    expect({ status: checked.status, stderr: checked.stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('what was exported before is verified and replayed where there is no gateway any more', async () => {
    const checked = await engineer.json<BundleReport>(['verify', kept, '--key', logKey.trim()]);
    expect([checked.ok, checked.problems]).toEqual([true, []]);
    const { status, stdout } = await engineer.cli(['replay', kept]);
    expect([status, stdout.includes('drop table numbers')]).toEqual([0, true]);
  });
});
