import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionDetail, SessionView } from '../../gateway-core/contract/api.js';
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
  type TunnelPlace,
} from './harness.js';
import { createScope, start, until } from './processes.js';

/** A machine that does not tell whose a socket is: tunnels have passwords, and sessions are unattributed. */
const scope = createScope();
afterAll(() => scope.close());

let cluster: Cluster;
let gateway: GatewayRun;
let engineer: Person;
let tunnel: TunnelPlace & { readonly password?: string; readonly passfile?: string };

/** From the README. */
const needsLineage = `
@id("prod-knows-the-program") @message("this connection needs to know which program is behind it")
forbid (principal, action == Action::"connect", resource in Label::"tier=prod")
when { context.chain.lineage != "attributed" };
`;

beforeAll(async () => {
  [cluster, gateway] = await Promise.all([startCluster(scope), startGateway(scope)]);
  await cluster.createDatabase('shop');
  const admin = await login(scope, gateway, 'admin');
  await putPolicies(admin, `${livePolicies}${needsLineage}`);
  await addConnections(admin, [
    connectionTo(cluster, 'shop'),
    connectionTo(cluster, 'prod', { database: 'shop', labels: { team: 'shop', tier: 'prod' } }),
  ]);
  engineer = await login(scope, gateway, 'engineer');
  const settings = join(engineer.home, 'client', 'settings.json');
  const kept = JSON.parse(readFileSync(settings, 'utf8')) as object;
  writeFileSync(settings, JSON.stringify({ ...kept, lookUp: 'never' }));
  tunnel = await engineer.tunnel('shop');
});

const withPassfile = (): Record<string, string> => ({ ...tunnel.env, PGPASSFILE: tunnel.passfile ?? '' });

describe('a tunnel of such a machine', () => {
  it('says its password and its passfile, and stands in no argument of the command', () => {
    expect(tunnel.password).toMatch(/^[\w-]{32}$/);
    expect(statSync(tunnel.passfile ?? '').mode & 0o777).toBe(0o600);
    expect(tunnel.command).toContain(`passfile=${tunnel.passfile}`);
    expect(tunnel.command).not.toContain(tunnel.password);
  });

  it('lets nobody in without it', async () => {
    expect(await psql(tunnel.env, 'select 1', ['--no-password'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('no password supplied') as unknown,
    });
    const wrong = await psql({ ...tunnel.env, PGPASSWORD: 'wrong' }, 'select 1');
    expect(wrong).toMatchObject({ status: 2, stdout: '' });
    expect(wrong.stderr).toContain('the password of this tunnel is another one');
    await until('it is told', () =>
      tunnel.running.stderrText().includes('another password') ? true : undefined,
    );
  });

  it('lets in whoever has it; the session says that nobody knows which program it is', async () => {
    const { stdout } = await psql(withPassfile(), "select 'seen' as mark");
    expect(stdout).toBe('seen\n');
    const [session] = await engineer.json<SessionView[]>(['sessions']);
    const shown = await engineer.json<SessionDetail>(['sessions', 'show', session?.id ?? '']);
    expect(shown).toMatchObject({ lineage: 'unattributed', chain: [{ kind: 'person' }] });
    expect(shown.behind).toBeUndefined();
    const { stdout: text } = await engineer.cli(['sessions', 'show', session?.id ?? '']);
    expect(text).toContain('unattributed');
  });

  it('Ctrl-C in psql interrupts what runs, as ever', async () => {
    const running = start(scope, 'psql', ['-XAt'], { env: withPassfile() });
    running.stdin.write("select 'begun'; select pg_sleep(600); select 'went on';\n");
    await running.waitFor(/begun/);
    await until('it runs', async () => {
      const found = await cluster.query(
        "select 1 from pg_stat_activity where query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()",
      );
      return found.length > 0 ? true : undefined;
    });
    running.signal('SIGINT');
    await running.waitFor(/cancel/i);
    running.stdin.end('\\q\n');
    await running.ended;
  });

  it('policy sees it: a connection that wants to know the program is closed to it', async () => {
    const listed = await engineer.cli(['exec', 'prod', '--', 'psql', '-XAtqc', 'select 1']);
    expect(listed.stderr).toContain('needs to know which program is behind it');
    const attributed = await login(scope, gateway, 'engineer');
    const fine = await attributed.cli(['exec', 'prod', '--', 'psql', '-XAtqc', 'select 1']);
    expect(fine).toMatchObject({ status: 0, stdout: '1\n' });
  });

  it('is over with its tunnel: passfile and password are gone', async () => {
    const other = (await engineer.tunnel('shop', '--port', '0')) as typeof tunnel;
    other.running.signal('SIGINT');
    expect((await other.running.ended).status).toBe(0);
    expect(() => statSync(other.passfile ?? '')).toThrow();
  });
});

describe('programs that are started find the password by themselves', () => {
  it('exec, and no environment holds it', async () => {
    const { status, stdout } = await engineer.cli([
      'exec',
      'shop',
      '--',
      'sh',
      '-c',
      'psql -XAtqc "select 1"; cat $PGPASSFILE; env | grep -c "$(cut -d: -f5 $PGPASSFILE)"',
    ]);
    expect({ status, lines: stdout.trim().split('\n') }).toEqual({
      status: 1,
      lines: ['1', expect.stringMatching(/^127\.0\.0\.1:\d+:\*:\*:[\w-]{32}$/) as unknown, '0'],
    });
  });

  it('run, by service too; it is the agent, as presented', async () => {
    const { status, stdout, stderr } = await engineer.cli(
      [
        'run',
        '--agent',
        'blind',
        '--connections',
        'shop',
        '--',
        'sh',
        '-c',
        `psql -XAtqc "select 'own'"; psql -XAtqc "select 'service'" service=shop; ls $PGPASSFILE`,
      ],
      { env: {} },
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const [own, service, passfile] = stdout.trim().split('\n');
    expect([own, service]).toEqual(['own', 'service']);
    expect(() => statSync(passfile ?? '')).toThrow();
    const [session] = await engineer.json<SessionView[]>(['sessions']);
    expect(session?.chain.map(({ name, assurance }) => `${name} ${assurance}`)).toEqual([
      'Erin Engineer proven',
      'blind proven',
    ]);
  });
});
