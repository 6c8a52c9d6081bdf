import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { clientLimits } from './limits.js';

export type KeyringRequest =
  | { readonly kind: 'get'; readonly account: string }
  | { readonly kind: 'set'; readonly account: string; readonly secret: string };

/** `value` is null where the keyring holds nothing under that account. */
export type KeyringAnswer =
  | { readonly ok: true; readonly value: string | null }
  | { readonly ok: false; readonly reason: string };

/** The operating system's keyring. Never throws, never waits longer than `keyringTimeoutMs`. */
export type Keyring = (request: KeyringRequest) => Promise<KeyringAnswer>;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether asking a keyring makes sense at all: on Linux it lives on the session bus. `THROUGHLINE_KEYRING=off` says no. */
export function keyringPlausible(env: Environment): boolean {
  if (env['THROUGHLINE_KEYRING'] === 'off') return false;
  if (process.platform !== 'linux') return true;
  if ((env['DBUS_SESSION_BUS_ADDRESS'] ?? '') !== '') return true;
  const runtime = env['XDG_RUNTIME_DIR'];
  return runtime !== undefined && existsSync(join(runtime, 'bus'));
}

/**
 * Asks the keyring from a child process, because the native call blocks its thread for as long as the bus likes:
 * a child can be ended, a blocked thread cannot. The secret goes through pipes, never through argv or environment.
 */
export function systemKeyring(
  env: Environment = process.env,
  timeoutMs: number = clientLimits.keyringTimeoutMs,
): Keyring {
  return (request) => {
    if (!keyringPlausible(env)) return Promise.resolve({ ok: false, reason: 'no session bus' });
    return ask(request, env, timeoutMs);
  };
}

function ask(request: KeyringRequest, env: Environment, timeoutMs: number): Promise<KeyringAnswer> {
  return new Promise((resolve) => {
    const program = fileURLToPath(new URL('./keyring-child.js', import.meta.url));
    const child = spawn(process.execPath, [program], {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...env, NODE_OPTIONS: undefined },
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    child.stdout.setEncoding('utf8');
    child.stdout.on('data', (text: string) => {
      if (output.length < clientLimits.stateFileBytesMax) output += text;
    });
    child.on('error', () => resolve({ ok: false, reason: 'the keyring process did not start' }));
    child.on('close', (code) => {
      resolve(code === 0 ? readAnswer(output) : { ok: false, reason: 'the keyring did not answer' });
    });
    // A child that died early closes its end of the pipe: `close` above tells, EPIPE adds nothing.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify(request));
  });
}

function readAnswer(output: string): KeyringAnswer {
  try {
    const answer = JSON.parse(output) as { ok?: unknown; value?: unknown; reason?: unknown };
    if (answer.ok === true && (answer.value === null || typeof answer.value === 'string')) {
      return { ok: true, value: answer.value };
    }
    return { ok: false, reason: typeof answer.reason === 'string' ? answer.reason : 'unknown' };
  } catch {
    return { ok: false, reason: 'the keyring process answered nonsense' };
  }
}
