import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { ConnectionInput } from '../../gateway-core/contract/connection.js';
import { freePort, type Running, run, type Scope, start, until } from './processes.js';

/** A real OpenSSH server on loopback, with keys, configuration and files of its own. */
export interface Sshd {
  readonly port: number;
  readonly address: string;
  /** As in known_hosts, behind the name. */
  readonly hostKey: string;
  readonly user: string;
  readonly privateKey: string;
  /** Where it keeps what is its own; also a place for test files. */
  readonly directory: string;
  readonly running: Running;
  connection(name: string, more?: Partial<ConnectionInput>): ConnectionInput;
}

const program = '/usr/sbin/sshd';

export async function startSshd(scope: Scope, lines: readonly string[] = [], wanted?: number): Promise<Sshd> {
  if (!existsSync(program)) throw new Error('openssh-server is not installed');
  // Debian's build wants it for its unprivileged half, and only its service makes it.
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const directory = scope.directory();
  const key = async (name: string): Promise<string> => {
    const path = join(directory, name);
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path]);
    return path;
  };
  const hostKeyFile = await key('host_key');
  const userKeyFile = await key('user_key');
  const authorized = join(directory, 'authorized_keys');
  writeFileSync(authorized, readFileSync(`${userKeyFile}.pub`));
  const port = wanted ?? (await freePort());
  const config = join(directory, 'sshd_config');
  const settings = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${hostKeyFile}`,
    `AuthorizedKeysFile ${authorized}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    `PidFile ${join(directory, 'pid')}`,
    'AcceptEnv LANG LC_* THROUGHLINE_*',
    'X11Forwarding yes',
    'X11UseLocalhost yes',
    'MaxSessions 200',
    'MaxStartups 200',
    'Subsystem sftp internal-sftp',
    ...lines,
  ];
  writeFileSync(config, `${settings.join('\n')}\n`);
  const running = start(scope, program, ['-D', '-e', '-f', config]);
  await until('sshd listens', () => (running.stderrText().includes('Server listening') ? true : undefined));
  const [type = '', blob = ''] = readFileSync(`${hostKeyFile}.pub`, 'utf8').trim().split(' ');
  const { username: user } = userInfo();
  const privateKey = readFileSync(userKeyFile, 'utf8');
  const hostKey = `${type} ${blob}`;
  const address = `127.0.0.1:${port}`;
  return {
    port,
    address,
    hostKey,
    user,
    privateKey,
    directory,
    running,
    connection: (name, more = {}) => ({
      name,
      protocol: 'ssh',
      address,
      hostKeys: [hostKey],
      credential: { user, privateKey },
      labels: { team: 'shop' },
      ...more,
    }),
  };
}
