import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ThroughlineError } from '../contract/errors.js';

/** Where one gateway keeps what it has. `keys` and `demoTarget` are beside the data, never in it. */
export interface GatewayDirectories {
  readonly data: string;
  readonly keys: string;
  readonly demoTarget: string;
}

/**
 * `--data DIR` puts the keys into `DIR.keys` unless `--keys` says otherwise; without either the XDG directories of
 * the user are taken. A demo never shares a directory with a real gateway.
 */
export function gatewayDirectories(input: {
  data?: string;
  keys?: string;
  demo: boolean;
}): GatewayDirectories {
  const name = input.demo ? 'demo' : 'gateway';
  const dataHome = process.env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share');
  const configHome = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  const data = resolve(input.data ?? join(dataHome, 'throughline', name));
  const beside = input.data === undefined ? join(configHome, 'throughline', `${name}-keys`) : `${data}.keys`;
  const keys = resolve(input.keys ?? beside);
  if (keys === data || keys.startsWith(`${data}/`)) {
    throw new ThroughlineError('invalid-config', `the keys directory ${keys} is inside the data directory`, {
      action: 'choose a --keys directory elsewhere: whoever copies the data must not get the keys with it',
    });
  }
  return { data, keys, demoTarget: `${data}.target` };
}

/** Makes the data directory (0700), refuses a demo's data without `--demo` and the other way round. */
export function claimDataDirectory(data: string, demo: boolean): { release(): void } {
  const fresh = !existsSync(data) || readdirSync(data).length === 0;
  mkdirSync(data, { recursive: true, mode: 0o700 });
  chmodSync(data, 0o700);
  const marker = join(data, 'demo');
  if (!fresh && existsSync(marker) !== demo) {
    throw new ThroughlineError(
      'invalid-config',
      demo ? `${data} holds the data of a real gateway` : `${data} holds the data of a demo`,
      {
        action: demo
          ? 'choose another --data directory for the demo'
          : 'add --demo, or choose another --data directory',
      },
    );
  }
  if (demo && fresh) closeSync(openSync(marker, 'w', 0o600));
  return lock(join(data, 'lock'), data);
}

/** One gateway per data directory. The lock names its process, so that one left by kill -9 is recognised. */
function lock(path: string, data: string): { release(): void } {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, `${process.pid} ${startOf(process.pid) ?? ''}\n`);
      closeSync(file);
      return { release: () => rmSync(path, { force: true }) };
    } catch (error) {
      if (!(error instanceof Error) || !('code' in error) || error.code !== 'EEXIST') throw error;
      const [pid, start] = readFileSync(path, 'utf8').trim().split(' ');
      if (attempt > 3 || isRunning(Number(pid), start)) {
        throw new ThroughlineError('conflict', `another gateway (process ${pid}) is using ${data}`, {
          action: 'stop it first, or choose another --data directory',
        });
      }
      rmSync(path, { force: true });
    }
  }
}

/** Start time in clock ticks since boot: field 22 of /proc/PID/stat (proc(5)). Undefined where there is no /proc. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function isRunning(pid: number, start: string | undefined): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
  const now = startOf(pid);
  return now === undefined || start === undefined || now === start;
}
