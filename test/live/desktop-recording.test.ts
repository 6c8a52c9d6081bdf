import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openState } from '../../gateway-core/agent/client/state.js';
import { ReceiptFiles } from '../../gateway-core/agent/recording/receipt-file.js';
import { checkReceipt } from '../../gateway-core/agent/recording/receipts.js';
import { createAgentService } from '../../gateway-core/agent/service/index.js';
import type { SessionView } from '../../gateway-core/contract/api.js';
import type { AppState } from '../../gateway-core/contract/bridge/app.js';
import { ConnectionName, SessionId } from '../../gateway-core/contract/ids.js';
import { type Cluster, startCluster } from './cluster.js';
import {
  addConnections,
  cliProgram,
  connectionTo,
  type GatewayRun,
  livePolicies,
  login,
  type Person,
  psql,
  putPolicies,
  startGateway,
} from './harness.js';
import { createScope, start, until } from './processes.js';

/** The desktop's own record, as its programs make it, at a running gateway that holds its own against it. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let admin: Person;
let engineer: Person;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase(
    'sides',
    'create table numbers as select n, md5(n::text) as hash from generate_series(1, 20000) n;',
  );
  await cluster.createDatabase('strict', 'create table t as select 1 as one');
  admin = await login(scope, gateway, 'admin');
  engineer = await login(scope, gateway, 'engineer');
  await putPolicies(admin, livePolicies);
  await addConnections(admin, [
    connectionTo(cluster, 'sides', { masks: [{ columns: ['public.numbers.hash'], with: 'partial' }] }),
    connectionTo(cluster, 'strict', { recording: { desktop: 'required' } }),
  ]);
});

const sessionsOf = async (connection: string): Promise<SessionView[]> =>
  (await admin.json<SessionView[]>(['sessions'])).filter((each) => each.connection === connection);

const verdicts = (connection: string, count: number): Promise<(string | undefined)[]> =>
  until(`${count} sessions on ${connection} were compared`, async () => {
    const sessions = await sessionsOf(connection);
    const all = sessions.map(({ corroboration }) => corroboration);
    return sessions.length >= count && !all.includes('pending') ? all : undefined;
  });

/** The spool's directory of a person who knows one gateway. */
function spoolOf(person: Person): string {
  const root = join(person.home, 'client', 'spool');
  return join(root, readdirSync(root)[0] ?? '');
}
const processesOf = (person: Person): string[] =>
  readdirSync(spoolOf(person)).filter((name) => /^[0-9a-f]{16}$/.test(name));

describe('a command’s sessions', () => {
  it('are corroborated when it is done, with nothing left on the disk, many at once too', async () => {
    const text = 'select * from numbers';
    const runs = ['a', 'b', 'c'].map(() =>
      engineer.cli(['exec', 'sides', '--', 'psql', '-X', '-q', '-A', '-t', '-c', text]),
    );
    for (const { status, stdout, stderr } of await Promise.all(runs)) {
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      expect(stdout.split('\n').length).toBe(20_001);
    }
    expect(await verdicts('sides', 3)).toEqual(['corroborated', 'corroborated', 'corroborated']);
    expect(processesOf(engineer)).toEqual([]);
  });

  it('run where a record is required', async () => {
    const { status, stdout } = await engineer.cli([
      'exec',
      'strict',
      '--',
      'psql',
      '-X',
      '-A',
      '-t',
      '-c',
      'select one from t',
    ]);
    expect({ status, stdout: stdout.trim() }).toEqual({ status: 0, stdout: '1' });
    expect(await verdicts('strict', 1)).toEqual(['corroborated']);
  });

  it('of an agent are recorded, too', async () => {
    const before = (await sessionsOf('strict')).length;
    const { status, stderr } = await engineer.cli([
      'run',
      '--agent',
      'helper',
      '--connections',
      'strict',
      '--',
      'psql',
      '-X',
      '-A',
      '-t',
      '-c',
      'select one from t',
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(await verdicts('strict', before + 1)).not.toContain('gateway-only');
  });

  it('of a command below an agent are recorded by the device, not by the delegation', async () => {
    const before = (await sessionsOf('strict')).length;
    const inner = [cliProgram, 'exec', 'strict', '--', 'psql', '-X', '-A', '-t', '-c', 'select one from t'];
    const run = ['run', '--agent', 'outer', '--', process.execPath, ...inner];
    const { status, stdout, stderr } = await engineer.cli(run);
    expect({ status, stdout: stdout.trim(), stderr }).toEqual({ status: 0, stdout: '1', stderr: '' });
    expect(await verdicts('strict', before + 1)).not.toContain('gateway-only');
    expect(processesOf(engineer)).toEqual([]);
  });

  it('of a command that was killed are told by the next one: what was on its disk is lost by nobody', async () => {
    const before = (await sessionsOf('sides')).length;
    const tunnel = start(scope, process.execPath, [cliProgram, 'connect', 'sides', '--json'], {
      env: { THROUGHLINE_HOME: engineer.home },
    });
    const [line] = await tunnel.waitFor(/^\{.*"port".*\}$/m);
    const place = JSON.parse(line) as { host: string; port: number; user: string; database: string };
    const env = {
      PGHOST: place.host,
      PGPORT: String(place.port),
      PGUSER: place.user,
      PGDATABASE: place.database,
    };
    await psql(env, 'select 1');
    // The session's end is on the disk as soon as it is over there.
    await until('the session is over', async () =>
      (await sessionsOf('sides')).every(({ state }) => state === 'ended') ? true : undefined,
    );
    tunnel.signal('SIGKILL');
    await tunnel.ended;
    const [left] = processesOf(engineer);
    const long = new Date(Date.now() - 60_000);
    for (const name of ['owner.lock', '']) utimesSync(join(spoolOf(engineer), left ?? '', name), long, long);
    await engineer.cli(['exec', 'sides', '--', 'psql', '-X', '-c', 'select 2']);
    expect(await verdicts('sides', before + 2)).not.toContain('different');
    expect((await sessionsOf('sides')).every(({ corroboration }) => corroboration === 'corroborated')).toBe(
      true,
    );
    expect(processesOf(engineer)).toEqual([]);
  });
});

describe('the desktop’s agent', () => {
  it('says what the editor showed, keeps the log’s receipts, and tells its backlog', async () => {
    const state = openState({ THROUGHLINE_HOME: engineer.home, THROUGHLINE_KEYRING: 'off' });
    const states: AppState[] = [];
    const service = createAgentService({
      version: '1',
      platform: process.platform,
      state,
      emit: (name, payload) => name === 'app.changed' && void states.push(payload as AppState),
      openBrowser: () => undefined,
    });
    scope.onClose(() => service.close());
    await service.start();
    await until('it is connected', async () =>
      Promise.resolve(states.at(-1)?.gateway?.reach === 'connected' ? true : undefined),
    );
    const before = (await sessionsOf('sides')).length;
    const call = service.handlers;
    const { key } = await call['sql.open']({ connection: ConnectionName.parse('sides'), autocommit: true });
    const text =
      'select * from numbers where n < 100; select 1 where false; select n / (n - 50) from numbers';
    await until('it runs', async () =>
      call['sql.run']({ key, run: 'run_1', text, rowsMax: 1000 }).catch(() => undefined),
    );
    await until('it is over', async () => {
      const run = await call['sql.runState']({ run: 'run_1' });
      return run.state === 'running' ? undefined : run;
    });
    await call['sql.close']({ key });
    const all = await verdicts('sides', before + 1);
    expect(all.every((each) => each === 'corroborated')).toBe(true);
    const [session] = await sessionsOf('sides');
    const files = new ReceiptFiles(state, gateway.url);
    const id = SessionId.parse(session?.id);
    await until('the receipt holds the end', async () =>
      Promise.resolve(files.pending().includes(id) ? undefined : true),
    );
    const receipt = files.receipt(id);
    const logKey = (await state.settings()).gateways[gateway.url]?.logKey ?? '';
    expect(receipt && checkReceipt(receipt, logKey)?.entries).toEqual(['session.started', 'session.ended']);
    const listed = await engineer.json<{ ok: boolean; receipts: { session: string; proved: string[] }[] }>([
      'receipts',
    ]);
    expect(listed.ok).toBe(true);
    expect(listed.receipts.find((each) => each.session === id)?.proved).toEqual([
      'session.started',
      'session.ended',
    ]);
    await until('nothing waits', async () =>
      Promise.resolve(states.at(-1)?.spool?.records === 0 ? true : undefined),
    );
    expect(states.at(-1)?.spool).toMatchObject({ working: true, refused: [] });
    expect(states.at(-1)?.logConflict).toBeUndefined();
    await service.close();
    expect(processesOf(engineer)).toEqual([]);
  });
});
