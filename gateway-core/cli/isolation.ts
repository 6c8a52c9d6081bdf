import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientHome } from '../agent/client/home.js';
import { ThroughlineError } from '../contract/errors.js';

/** A program in a sandbox of bubblewrap's (bwrap(1)), and the one directory through which it reaches its connections. */
export interface Isolation {
  /** Of mode 0700; one directory with a socket for each connection. */
  readonly directory: string;
  /** The command that runs `program` inside. */
  command(program: string, parameters: readonly string[]): readonly [string, readonly string[]];
}

/**
 * Own network, processes and IPC: nothing of this machine's network and no other process is there, so no port of the
 * person's can be dialled. The sign-in state and the session's keyring are covered up. Files are as they are.
 * @throws ThroughlineError usage, where bubblewrap is missing or the kernel does not let it
 */
export function isolation(home: ClientHome): Isolation {
  const tried = spawnSync('bwrap', ['--unshare-net', '--unshare-pid', '--dev-bind', '/', '/', '--', 'true'], {
    encoding: 'utf8',
  });
  if (tried.error !== undefined) {
    throw new ThroughlineError('usage', '--isolate needs bubblewrap, which is not installed here', {
      action: 'install the package bubblewrap (it is for Linux only), or leave --isolate out',
    });
  }
  if (tried.status !== 0) {
    const why = tried.stderr.trim().split('\n').at(-1) ?? '';
    throw new ThroughlineError('usage', `bubblewrap cannot isolate anything here: ${why.slice(0, 200)}`, {
      action: 'ask the operator of this machine for user namespaces, or leave --isolate out',
    });
  }
  const directory = mkdtempSync(join(tmpdir(), 'throughline-isolated-'));
  const hidden = [home.state, home.keys, `/run/user/${process.getuid?.() ?? ''}`].filter((each) =>
    existsSync(each),
  );
  return {
    directory,
    command: (program, parameters) => [
      'bwrap',
      [
        '--unshare-net',
        '--unshare-pid',
        '--unshare-ipc',
        '--die-with-parent',
        ...(canPushInput() ? ['--new-session'] : []),
        '--dev-bind',
        '/',
        '/',
        '--proc',
        '/proc',
        ...hidden.flatMap((each) => ['--tmpfs', realpathSync(each)]),
        '--',
        program,
        ...parameters,
      ],
    ],
  };
}

/** Whether a program can type into the terminal that it shares (TIOCSTI, CVE-2017-5226): then it gets no terminal. */
function canPushInput(): boolean {
  try {
    return readFileSync('/proc/sys/dev/tty/legacy_tiocsti', 'utf8').trim() !== '0';
  } catch {
    return true;
  }
}
