import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { api } from '../../agent/client/api.js';
import { socketLooking } from '../../agent/tunnel/behind.js';
import { programVariables } from '../../agent/tunnel/lines.js';
import { passfileOf } from '../../agent/tunnel/passfile.js';
import { hostKeysOf, sshVariables, writeSshFiles } from '../../agent/tunnel/ssh-files.js';
import { openTunnel, type Tunnel } from '../../agent/tunnel/tunnel.js';
import { ThroughlineError } from '../../contract/errors.js';
import { type Usable, usableConnection } from '../connection.js';
import { type Context, type Run, withRecordedGateway } from '../context.js';
import { reporter } from './connect.js';

/** How long the program's last bytes (a goodbye to the server) may take after it has ended. */
const drainMs = 1000;

export const run: Run = (context, input) =>
  withRecordedGateway(context, input, async (gateway, state) => {
    const [name, program, ...rest] = input.arguments;
    if (name === undefined || program === undefined)
      throw new Error('commander lets no required argument be missing');
    const usable = await usableConnection(gateway, name);
    const looking = await socketLooking(state);
    const { protocol } = usable.detail;
    const options = { gateway, connection: name, protocol, report: onlyRefusals(context), ...looking };
    const tunnel = await openTunnel(options);
    if (protocol === 'ssh') {
      const directory = mkdtempSync(join(tmpdir(), 'throughline-ssh-'));
      try {
        const path = context.env['PATH'];
        const hostKeys = hostKeysOf(await api.gateway(gateway));
        const files = writeSshFiles(directory, [{ ...tunnel, connection: name }], hostKeys, path);
        const env = { ...context.env, ...sshVariables(path, files), THROUGHLINE_CONNECTION: name };
        return await runProgram(program, rest, env);
      } finally {
        await tunnel.close(drainMs);
        rmSync(directory, { recursive: true, force: true });
      }
    }
    const passfile = passfileOf(tunnel);
    try {
      const place = { ...tunnel, passfile: passfile?.path };
      return await runProgram(program, rest, environment(context.env, usable, place));
    } finally {
      await tunnel.close(drainMs);
      passfile?.remove();
    }
  });

/** What failed inside a session the program has been told already. */
export function onlyRefusals(context: Context): ReturnType<typeof reporter> {
  const report = reporter(context);
  return (event) => {
    if (event.kind === 'refused') report(event);
  };
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * libpq's environment (PostgreSQL manual, 34.15) for one tunnel. What could lead the program elsewhere, or make it
 * insist on something that the loopback hop does not have, is taken out; the rest of the way is TLS.
 */
export function environment(
  env: Environment,
  { user, database }: Pick<Usable, 'user' | 'database'>,
  { host, port, passfile }: Pick<Tunnel, 'host' | 'port'> & { readonly passfile?: string | undefined },
): Environment {
  return {
    ...withoutLibpq(env),
    ...programVariables({ host, port, user, database, passfile }),
  };
}

/** Without what libpq would follow before the place that it is given. */
export function withoutLibpq(env: Environment): Environment {
  const {
    PGHOSTADDR: _address,
    PGSERVICE: _service,
    PGPASSWORD: _password,
    PGSSLNEGOTIATION: _negotiation,
    PGREQUIREAUTH: _authentication,
    PGCHANNELBINDING: _binding,
    PGDATABASE: _database,
    ...kept
  } = env;
  return kept;
}

/** Runs a program in the foreground; its exit status, or 128 and its signal's number as shells have it. */
export function runProgram(
  program: string,
  parameters: readonly string[],
  env: Environment,
  onSpawn?: (child: ChildProcess) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, { stdio: 'inherit', env, shell: false });
    onSpawn?.(child);
    const stop = forwardSignals(child);
    child.once('error', (cause: NodeJS.ErrnoException) => {
      stop();
      reject(notStarted(program, cause));
    });
    child.once('exit', (code, signal) => {
      stop();
      resolve(signal === null ? (code ?? 0) : 128 + constants.signals[signal]);
    });
  });
}

function notStarted(program: string, cause: NodeJS.ErrnoException): ThroughlineError {
  const why = cause.code === 'ENOENT' ? 'was not found' : `could not be started (${cause.code ?? 'unknown'})`;
  return new ThroughlineError('usage', `the program ${program} ${why}`, {
    action: 'check its name and PATH',
    cause,
  });
}

const forwarded = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
/** The terminal sends these to the program itself as well: forwarding them would make two of one. */
const fromTerminal = ['SIGINT', 'SIGQUIT'] as const;

/** What would end this process does not, until the returned function is called: what it has to clean up is cleaned up. */
export function outliveSignals(): () => void {
  const swallow = (): void => undefined;
  for (const signal of [...forwarded, ...fromTerminal]) process.on(signal, swallow);
  return () => {
    for (const signal of [...forwarded, ...fromTerminal]) process.off(signal, swallow);
  };
}

function forwardSignals(child: ChildProcess): () => void {
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal);
  };
  const swallow = (): void => undefined;
  const atTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of forwarded) process.on(signal, forward);
  for (const signal of fromTerminal) process.on(signal, atTerminal ? swallow : forward);
  return () => {
    for (const signal of [...forwarded, ...fromTerminal]) {
      process.off(signal, forward);
      process.off(signal, swallow);
    }
  };
}
