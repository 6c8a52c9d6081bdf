import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SessionDetail, SessionView } from '../../gateway-core/contract/api.js';
import { addConnections, livePolicies, login, type Person, putPolicies, startGateway } from './harness.js';
import { createScope, run, until } from './processes.js';
import { startSshd } from './sshd.js';

/** SSH where no port can be had: a machine that does not tell whose a socket is, and a program in a sandbox. */
const scope = createScope();
afterAll(() => scope.close());

let admin: Person;
let engineer: Person;
let blind: Person;

const policies = `
@id("engineers-use-hosts")
permit (principal in Group::"engineers",
  action in [Action::"ssh:shell", Action::"ssh:exec", Action::"ssh:sftp", Action::"ssh:forward"], resource);
`;

beforeAll(async () => {
  const [sshd, gateway] = await Promise.all([startSshd(scope), startGateway(scope)]);
  admin = await login(scope, gateway, 'admin');
  await addConnections(admin, [sshd.connection('host')]);
  await putPolicies(admin, livePolicies + policies);
  [engineer, blind] = [await login(scope, gateway, 'engineer'), await login(scope, gateway, 'engineer')];
  const settings = join(blind.home, 'client', 'settings.json');
  const kept = JSON.parse(readFileSync(settings, 'utf8')) as object;
  writeFileSync(settings, JSON.stringify({ ...kept, lookUp: 'never' }));
});

/** The session in which this was run. */
async function sessionOf(command: string): Promise<SessionDetail> {
  return until('the session is listed', async () => {
    for (const { id } of await admin.json<SessionView[]>(['sessions'])) {
      const detail = await admin.json<SessionDetail>(['sessions', 'show', id]);
      if (detail.statements.some(({ text }) => text === command)) return detail;
    }
    return undefined;
  });
}

describe('where nobody can tell whose a socket is', () => {
  it('ssh and scp go through a socket in a folder of their person alone, and sessions are unattributed', async () => {
    const ran = await blind.cli(['exec', 'host', '--', 'ssh', 'host', 'echo blind']);
    expect(ran).toMatchObject({ status: 0, stdout: 'blind\n', stderr: '' });
    const { chain } = await sessionOf('echo blind');
    expect(chain.map(({ name }) => name)).toEqual(['Erin Engineer']);
    const file = join(scope.directory(), 'copied');
    const copied = await blind.cli(['exec', 'host', '--', 'scp', '-q', 'host:/etc/debian_version', file]);
    expect(copied.status).toBe(0);
    expect(readFileSync(file)).toEqual(readFileSync('/etc/debian_version'));
  });

  it('connect opens no port: its socket is closed to others, and is gone with it', async () => {
    const place = (await blind.tunnel('host')) as unknown as {
      readonly config: string;
      readonly port: number;
      readonly socket: string;
    };
    expect(place.port).toBe(0);
    expect(statSync(dirname(place.socket)).mode & 0o777).toBe(0o700);
    const long = 'x'.repeat(300_000);
    const ran = await run('ssh', ['-F', place.config, 'host', 'cat'], { input: long });
    expect(ran.stdout === long).toBe(true);
    const config = readFileSync(place.config, 'utf8');
    expect(config).toMatch(/^ {2}ProxyCommand env ELECTRON_RUN_AS_NODE=1 /m);
    expect(config).toMatch(/^ {2}StrictHostKeyChecking yes$/m);
  });
});

const isolates =
  spawnSync('bwrap', ['--unshare-net', '--unshare-pid', '--dev-bind', '/', '/', '--', 'true']).status === 0;

describe.skipIf(!isolates)('isolation (skipped where bubblewrap may not make namespaces)', () => {
  it('an agent in a sandbox reaches its hosts and no other, as itself', async () => {
    const script = `ssh host 'echo caged'; ssh -o BatchMode=yes -o ConnectTimeout=5 -p $PORT 127.0.0.1 true || echo refused`;
    const open = (await engineer.tunnel('host')) as unknown as { readonly port: number };
    const { status, stdout } = await engineer.cli(
      ['run', '--agent', 'caged', '--isolate', '--', 'sh', '-c', script],
      { env: { PORT: String(open.port) } },
    );
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'caged\nrefused\n' });
    const { chain } = await sessionOf('echo caged');
    expect(chain.map(({ name, assurance }) => `${name} ${assurance}`)).toEqual([
      'Erin Engineer proven',
      'caged proven',
    ]);
  });
});
