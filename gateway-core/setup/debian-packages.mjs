/**
 * Debian packages that the live tests need. With root or passwordless sudo they are installed; without, the exact
 * command is printed. Elsewhere than on Debian and its kin the programs themselves must be there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';

const needed = [
  { package: 'postgresql', present: () => postgresBinaries() !== undefined },
  { package: 'postgresql-client', present: () => works('psql', ['--version']) },
  { package: 'postgresql-contrib', present: () => works('pgbench', ['--version']) },
  { package: 'python3-psycopg', present: () => works('/usr/bin/python3', ['-c', 'import psycopg']) },
  { package: 'chromium', present: () => works('chromium', ['--version']) },
  { package: 'bubblewrap', present: () => works('bwrap', ['--version']) },
  { package: 'tmux', present: () => works('tmux', ['-V']) },
  { package: 'openssh-client', present: () => existsSync('/usr/bin/sftp') },
  { package: 'openssh-sftp-server', present: () => existsSync('/usr/lib/openssh/sftp-server') },
  { package: 'openssh-server', present: () => existsSync('/usr/sbin/sshd') },
  { package: 'ansible-core', present: () => works('ansible-playbook', ['--version']) },
  { package: 'vim-tiny', present: () => works('vim', ['--version']) || works('vim.tiny', ['--version']) },
  { package: 'procps', present: () => existsSync('/usr/bin/top') },
  { package: 'make', present: () => works('make', ['--version']) },
  { package: 'rsync', present: () => works('rsync', ['--version']) },
  { package: 'git', present: () => works('git', ['--version']) },
  { package: 'openssl', present: () => works('openssl', ['version']) },
];

/** The directory that holds initdb and postgres, newest version first. */
export function postgresBinaries() {
  const base = '/usr/lib/postgresql';
  if (!existsSync(base)) return undefined;
  return readdirSync(base)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => `${base}/${version}/bin`)
    .find((bin) => existsSync(`${bin}/initdb`) && existsSync(`${bin}/postgres`));
}

/** Installs what is missing; returns the command to run by hand when that is not possible, else undefined. */
export function installDebianPackages() {
  const missing = needed.filter((each) => !each.present()).map((each) => each.package);
  if (missing.length === 0) return undefined;
  const command = ['apt-get', 'install', '-y', '--no-install-recommends', ...missing];
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  if (!works('apt-get', ['--version']) || (sudo.length > 0 && !works('sudo', ['-n', 'true']))) {
    return `sudo ${command.join(' ')}`;
  }
  console.error(`installing Debian packages for the live tests: ${missing.join(' ')} ...`);
  // A cluster that the package would create and start belongs to nobody here; the tests make their own.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const quiet = { env, stdio: ['ignore', 'ignore', 2] };
  const [program, ...rest] = [...sudo, 'apt-get', 'update'];
  spawnSync(program, rest, quiet);
  const [installer, ...args] = [...sudo, ...command];
  spawnSync(installer, args, quiet);
  const still = needed.filter((each) => !each.present()).map((each) => each.package);
  return still.length === 0 ? undefined : `sudo ${['apt-get', 'install', '-y', ...still].join(' ')}`;
}

function works(program, args) {
  const result = spawnSync(program, args, { stdio: 'ignore' });
  return result.status === 0;
}
