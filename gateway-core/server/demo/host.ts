import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { ConnectionInput } from '../../contract/connection.js';
import { ThroughlineError } from '../../contract/errors.js';
import { hostIdentity } from '../../proxy/ssh/host-identity.js';
import { demoHost } from './defaults.js';

const program = '/usr/sbin/sshd';
const startTimeoutMs = 10_000;

/**
 * The demo's host: Debian's OpenSSH server on loopback, with keys of its own, for the user who runs the demo. It reads
 * nothing of the machine's configuration, and ends with the gateway however that ends.
 */
export class DemoHost {
  readonly #directory: string;
  #running: Promise<{ readonly address: string; readonly child: ChildProcess }> | undefined;

  constructor(directory: string) {
    this.#directory = join(directory, 'host');
  }

  /** False: no server is installed, and the demo has no host. */
  static isAvailable(): boolean {
    return existsSync(program);
  }

  /** Makes its keys anew, and gives the connection that fits them. */
  seed(): ConnectionInput {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const host = hostIdentity(randomBytes(32));
    const person = hostIdentity(randomBytes(32));
    writeFileSync(join(this.#directory, 'host_key'), host.privateKey, { mode: 0o600 });
    writeFileSync(join(this.#directory, 'authorized_keys'), `${person.publicLine}\n`, { mode: 0o600 });
    return demoHost({
      user: userInfo().username,
      privateKey: person.privateKey,
      hostKey: host.publicLine,
    });
  }

  /** Where it listens; starts it at first use, and again when it has ended. */
  async address(): Promise<string> {
    const running = await this.#running?.catch(() => undefined);
    if (running === undefined || running.child.exitCode !== null || running.child.signalCode !== null)
      this.#running = this.#start();
    const started = await this.#running;
    return started?.address ?? '';
  }

  async #start(): Promise<{ readonly address: string; readonly child: ChildProcess }> {
    const port = await freePort();
    // Debian's build wants it for its unprivileged half, and only its service makes it.
    if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
    const lines = [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${join(this.#directory, 'host_key')}`,
      `AuthorizedKeysFile ${join(this.#directory, 'authorized_keys')}`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'AuthenticationMethods publickey',
      'PermitRootLogin prohibit-password',
      'PrintMotd no',
      'PrintLastLog no',
      'AcceptEnv LANG LC_* THROUGHLINE_*',
      'Subsystem sftp internal-sftp',
    ];
    const config = join(this.#directory, 'sshd_config');
    writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
    // `cat` ends when the pipe does, that is with this process, also when nobody can say goodbye.
    const script = '"$0" -D -f "$1" & server=$!; cat > /dev/null; kill "$server"';
    const child = spawn('/bin/sh', ['-c', script, program, config], {
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: '/usr/bin:/bin' },
    });
    child.on('error', () => undefined);
    child.stdin?.on('error', () => undefined);
    const address = `127.0.0.1:${port}`;
    for (const endMs = Date.now() + startTimeoutMs; Date.now() < endMs; ) {
      if (await listens(port)) return { address, child };
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    child.stdin?.end();
    throw new ThroughlineError('target-unreachable', 'the demo’s host did not start', {
      action: `look at what ${program} says: ${program} -t -f ${config}`,
    });
  }

  async stop(): Promise<void> {
    const running = await this.#running?.catch(() => undefined);
    if (running === undefined || running.child.exitCode !== null) return;
    const ended = once(running.child, 'exit');
    running.child.stdin?.end();
    await ended;
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
