import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { ThroughlineError } from '../../../contract/errors.js';
import type { RunningHost } from './running.js';

const startTimeoutMs = 10_000;

/** OpenSSH's server, with the keys in `directory`. It reads nothing of the machine's configuration. */
export async function startOpenssh(program: string, directory: string): Promise<RunningHost> {
  const port = await freePort();
  // Debian's build wants it for its unprivileged half, and only its service makes it.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const lines = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${join(directory, 'host_key')}`,
    `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
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
  const config = join(directory, 'sshd_config');
  writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
  // `cat` ends when the pipe does, that is with this process, also when nobody can say goodbye.
  const script = '"$0" -D -f "$1" & server=$!; cat > /dev/null; kill "$server"';
  const child = spawn('/bin/sh', ['-c', script, program, config], {
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: '/usr/bin:/bin' },
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  const running: RunningHost = {
    address: `127.0.0.1:${port}`,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    stop: async () => {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.stdin.end();
      await ended;
    },
  };
  for (const endMs = Date.now() + startTimeoutMs; Date.now() < endMs; ) {
    if (await listens(port)) return running;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  child.stdin.end();
  throw new ThroughlineError('target-unreachable', 'the demo’s host did not start', {
    action: `look at what ${program} says: ${program} -t -f ${config}`,
  });
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
