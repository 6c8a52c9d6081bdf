import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { ThroughlineError } from '../../../contract/errors.js';
import type { RunningHost } from './running.js';

const startTimeoutMs = 10_000;
const attemptsMax = 5;

/** OpenSSH's server, with the keys in `directory`. It reads nothing of the machine's configuration. */
export async function startOpenssh(program: string, directory: string): Promise<RunningHost> {
  // Debian's build wants it for its unprivileged half, and only its service makes it.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const config = join(directory, 'sshd_config');
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const running = await startAt(await freePort(), program, directory, config);
    if (running !== undefined) return running;
  }
  throw new ThroughlineError('target-unreachable', 'the demo’s host did not start', {
    action: `look at what ${program} says: ${program} -t -f ${config}`,
  });
}

/** Undefined if it does not listen there: somebody else may have taken the port meanwhile. */
async function startAt(
  port: number,
  program: string,
  directory: string,
  config: string,
): Promise<RunningHost | undefined> {
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
  writeFileSync(config, `${lines.join('\n')}\n`, { mode: 0o600 });
  // `cat` ends when the pipe does, that is with this process, also when nobody can say goodbye.
  const script = '"$0" -D -e -f "$1" & server=$!; cat > /dev/null; kill "$server"';
  const child = spawn('/bin/sh', ['-c', script, program, config], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { PATH: '/usr/bin:/bin' },
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  const ended = once(child, 'exit').catch(() => undefined);
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await ended;
  };
  if (!(await listens(child.stderr))) {
    await stop();
    return undefined;
  }
  return {
    address: `127.0.0.1:${port}`,
    isOver: () => child.exitCode !== null || child.signalCode !== null,
    stop,
  };
}

/** Whether it says so within its time. What it says later is read and dropped. */
function listens(said: Readable): Promise<boolean> {
  return new Promise((resolve) => {
    let text = '';
    const answer = (does: boolean): void => {
      clearTimeout(timer);
      resolve(does);
    };
    const timer = setTimeout(answer, startTimeoutMs, false);
    said.setEncoding('utf8').on('data', (more: string) => {
      text = (text + more).slice(-4096);
      if (/^Server listening on /m.test(text)) answer(true);
      else if (/^Cannot bind |^fatal: /m.test(text)) answer(false);
    });
    said.once('close', () => answer(false));
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
