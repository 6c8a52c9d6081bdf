import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { ServerChannel } from 'ssh2';
import { builtInLimits } from './limits.js';

export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

export interface Terminal extends WindowSize {
  /** As in TERM. */
  readonly type: string;
}

export interface Wanted {
  /** Undefined: a shell to type into. */
  readonly command: string | undefined;
  readonly terminal: Terminal | undefined;
  readonly environment: Readonly<Record<string, string>>;
}

/** util-linux: gives a program a terminal. */
const script = '/usr/bin/script';
const greeting =
  'The demo’s own SSH server: this machine, in a folder of the demo. Install openssh-server for a real one.';

/** Programs of one connection. All of them end with it. */
export class Programs {
  /** Where this is false, a client is told that it gets none, and most go on without. */
  static readonly hasTerminals = process.platform === 'linux' && existsSync(script);

  readonly #home: string;
  readonly #directory: string;
  readonly #running = new Set<ChildProcessWithoutNullStreams>();

  constructor(home: string, directory: string) {
    this.#home = home;
    this.#directory = directory;
  }

  /** @returns what to call when the client's window changes */
  run(channel: ServerChannel, wanted: Wanted): (size: WindowSize) => void {
    const { terminal } = wanted;
    const place = join(this.#directory, `tty-${randomBytes(8).toString('hex')}`);
    const [program, args] = commandOf(wanted, place);
    const child = spawn(program, args, {
      cwd: this.#home,
      env: environmentOf(this.#home, wanted),
      // A group of its own, so that what it starts ends with it.
      detached: true,
    });
    this.#running.add(child);
    channel.on('error', () => undefined);
    channel.on('close', () => {
      endGroup(child);
      // Nobody reads on: it could not end while its output waits.
      for (const each of [child.stdin, child.stdout, child.stderr]) each.destroy();
    });
    child.stdin.on('error', () => undefined);
    channel.pipe(child.stdin);
    void this.#carry(child, channel).finally(() => {
      this.#running.delete(child);
      rmSync(place, { force: true });
    });
    return (size) => {
      if (terminal !== undefined) resize(place, size);
    };
  }

  /** Everything that it says, then how it ended, then nothing more. */
  async #carry(child: ChildProcessWithoutNullStreams, channel: ServerChannel): Promise<void> {
    const ended = new Promise<readonly [number | null, NodeJS.Signals | null]>((resolve) => {
      child.once('close', (code, signal) => resolve([code, signal]));
      child.once('error', () => resolve([127, null]));
    });
    const said = Promise.all([pump(child.stdout, channel), pump(child.stderr, channel.stderr)]);
    const gone = new Promise<void>((resolve) => void channel.once('close', resolve));
    await Promise.race([gone, said]).catch(() => undefined);
    const [code, signal] = await ended;
    if (channel.destroyed) return;
    if (signal === null) channel.exit(code ?? 1);
    else channel.exit(signal.replace('SIG', ''));
    channel.end();
  }

  end(): void {
    for (const each of this.#running) endGroup(each);
  }
}

/** Resolves once all of it is on its way: only then may the end be said. */
async function pump(from: Readable, to: Writable): Promise<void> {
  for await (const chunk of from) if (!to.write(chunk)) await once(to, 'drain');
  await new Promise<void>((resolve) => to.write('', () => resolve()));
}

function commandOf({ command, terminal }: Wanted, place: string): readonly [string, readonly string[]] {
  const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';
  if (terminal === undefined)
    return command === undefined ? ['/bin/sh', ['-s']] : ['/bin/sh', ['-c', command]];
  const { columns, rows } = bounded(terminal);
  // The command is a variable: no quoting of ours stands between it and the shell.
  const run =
    command === undefined ? `printf '%s\\n' "$GREETING"; exec ${shell} -i` : 'exec /bin/sh -c "$COMMAND"';
  const inside = `stty sane cols ${columns} rows ${rows}; tty > "${place}"; ${run}`;
  return [script, ['--quiet', '--return', '--flush', '--command', inside, '/dev/null']];
}

function environmentOf(home: string, { command, terminal, environment }: Wanted): NodeJS.ProcessEnv {
  const { username } = userInfo();
  return {
    ...environment,
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    USER: username,
    LOGNAME: username,
    SHELL: '/bin/sh',
    ...(terminal === undefined ? {} : { TERM: terminal.type.slice(0, 64), GREETING: greeting }),
    ...(terminal === undefined || command === undefined ? {} : { COMMAND: command }),
  };
}

/** 0: the client does not know (RFC 4254 6.2). */
const bounded = ({ columns, rows }: WindowSize): { columns: number; rows: number } => ({
  columns: Math.min(columns === 0 ? 80 : columns, builtInLimits.terminalMax),
  rows: Math.min(rows === 0 ? 24 : rows, builtInLimits.terminalMax),
});

/** The kernel tells the programs in front. */
function resize(place: string, size: WindowSize): void {
  const tty = existsSync(place) ? readFileSync(place, 'utf8').trim() : '';
  if (!/^\/dev\/pts\/\d+$/.test(tty)) return;
  const { columns, rows } = bounded(size);
  spawn('/bin/stty', ['-F', tty, 'cols', `${columns}`, 'rows', `${rows}`], { stdio: 'ignore' }).on(
    'error',
    () => undefined,
  );
}

function endGroup({ pid, exitCode, signalCode }: ChildProcessWithoutNullStreams): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, 'SIGHUP');
  } catch {
    // It has ended meanwhile.
  }
}
