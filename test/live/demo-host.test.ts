import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type GatewayRun, login, type Person, startGateway } from './harness.js';
import { createScope, freePort, type Outcome, run, start, until } from './processes.js';

/** shop-host on a machine without OpenSSH's server: the demo's own, through the gateway, with OpenSSH's clients. */
const scope = createScope();
let gateway: GatewayRun;
let engineer: Person;
let config = '';
let home = '';

/** As if it were not installed. */
const withoutSshd = ['bwrap', '--dev-bind', '/', '/', '--tmpfs', '/usr/sbin', '--die-with-parent', '--'];

beforeAll(async () => {
  gateway = await startGateway(scope, { wrapper: withoutSshd });
  engineer = await login(scope, gateway, 'engineer');
  config = ((await engineer.tunnel('shop-host')) as unknown as { readonly config: string }).config;
  home = `${gateway.data}.host`;
});
afterAll(() => scope.close());

const ssh = (args: readonly string[], input?: string): Promise<Outcome> =>
  run('ssh', ['-F', config, ...args], input === undefined ? {} : { input });

describe('the demo’s own host', () => {
  it('runs commands in its folder: output, errors, status, signals and whoever is there', async () => {
    expect(await ssh(['shop-host', 'pwd; echo err >&2; exit 7'])).toMatchObject({
      status: 7,
      stdout: `${home}\n`,
      stderr: 'err\n',
    });
    expect((await ssh(['shop-host', 'echo $THROUGHLINE_PRINCIPAL'])).stdout).toBe('demo/engineer\n');
    expect((await ssh(['shop-host', 'kill -TERM $$'])).status).toBe(255);
    expect((await ssh(['shop-host', 'env'])).stdout).not.toContain('THROUGHLINE_HOME');
  });

  it('takes input to its end and gives all output before the end', async () => {
    // Letters only: this connection masks what looks like a card or a key.
    const text = 'gateway '.repeat(350_000) + randomBytes(8).toString('hex').replaceAll(/\d/g, 'x');
    const hash = createHash('sha256').update(text).digest('hex');
    expect((await ssh(['shop-host', 'sha256sum'], text)).stdout).toContain(hash);
    const sha256 = (each: string): string => createHash('sha256').update(each).digest('hex');
    expect(sha256((await ssh(['shop-host', 'cat'], text)).stdout)).toBe(hash);
    expect(sha256((await ssh(['shop-host', 'cat >&2'], text)).stderr)).toBe(hash);
  });

  it('gives a terminal, and says whose server it is', async () => {
    const { stdout } = await ssh(['-tt', 'shop-host', 'stty size; tty'], '');
    expect(stdout).toMatch(/\d+ \d+\r\n\/dev\/pts\/\d+/);
    const shell = start(scope, 'ssh', ['-F', config, '-tt', 'shop-host']);
    await shell.waitFor(/The demo’s own SSH server/);
    shell.stdin.write('echo "a"b; exit 4\n');
    expect(await shell.ended).toMatchObject({ status: 4 });
    expect(shell.stdoutText()).toMatch(/[$#] echo "a"b; exit 4\r\n[^]*ab\r\n/);
  });

  it('keeps files: scp both ways and in both manners, sftp, rsync', async () => {
    const content = randomBytes(1_500_000);
    const file = join(scope.directory(), 'file');
    writeFileSync(file, content);
    for (const flags of [[], ['-O']]) {
      const name = `copy${flags.join('')}`;
      const scp = (...args: string[]): Promise<Outcome> =>
        run('scp', ['-q', '-F', config, ...flags, ...args]);
      expect(await scp(file, `shop-host:${name}`)).toMatchObject({ status: 0, stderr: '' });
      expect(readFileSync(join(home, name)).equals(content)).toBe(true);
      expect(await scp(`shop-host:${name}`, `${file}.back`)).toMatchObject({ status: 0, stderr: '' });
      expect(readFileSync(`${file}.back`).equals(content)).toBe(true);
    }
    const script = [
      'mkdir one',
      'cd one',
      `put ${file} two`,
      'chmod 640 two',
      'rename two three',
      'ls -l',
      'pwd',
    ];
    const listed = await run('sftp', ['-q', '-F', config, '-b', '-', 'shop-host'], {
      input: script.join('\n'),
    });
    expect(listed.status).toBe(0);
    expect(listed.stdout).toContain('three');
    expect(listed.stdout).toContain(`${home}/one`);
    const env = { RSYNC_RSH: `ssh -F ${config}` };
    expect(await run('rsync', ['-a', file, 'shop-host:synced'], { env })).toMatchObject({
      status: 0,
      stderr: '',
    });
    expect(readFileSync(join(home, 'synced')).equals(content)).toBe(true);
  });

  it('has no files but those of its folder, and no forwards', async () => {
    await ssh(['shop-host', 'ln -s /etc/passwd out; ln -s /etc away']);
    const got = join(scope.directory(), 'got');
    const script = [
      `get /etc/passwd ${got}`,
      `get out ${got}`,
      `get away/passwd ${got}`,
      'put /etc/hostname ../up',
    ];
    const tried = await run('sftp', ['-F', config, '-b', '-', 'shop-host'], {
      input: [...script, 'ls away/'].map((line) => `-${line}`).join('\n'),
    });
    expect(tried.stdout).not.toContain('passwd\n');
    expect([existsSync(got), existsSync(join(home, '..', 'up'))]).toEqual([false, false]);
    const port = await freePort();
    expect(await ssh(['-W', `127.0.0.1:${port}`, 'shop-host'], '')).toMatchObject({ status: 255 });
    expect(
      (await ssh(['-o', 'ExitOnForwardFailure=yes', '-N', '-R', `0:127.0.0.1:${port}`, 'shop-host'])).status,
    ).toBe(255);
  });

  it('ends what a client leaves behind, and ends itself with the gateway, however that ends', async () => {
    // This connection masks cards: two process ids of seven digits side by side look like one now and then.
    const running = start(scope, 'ssh', [
      '-F',
      config,
      'shop-host',
      'echo pids $$ and $PPID; exec sleep 600',
    ]);
    const [, sleeping = '', server = ''] = await running.waitFor(/pids (\d+) and (\d+)/);
    expect([isThere(sleeping), isThere(server)]).toEqual([true, true]);
    running.signal('SIGKILL');
    await until('its program has ended', () => (isThere(sleeping) ? undefined : true));
    expect(isThere(server)).toBe(true);
    gateway.signal('SIGKILL');
    await until('the server has ended', () => (isThere(server) ? undefined : true));
  });
});

function isThere(pid: string): boolean {
  try {
    // A zombie has ended.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
