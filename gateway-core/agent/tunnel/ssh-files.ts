import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { GatewayInfo } from '../../contract/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { privateDirectory } from '../client/private-files.js';
import { shellWord } from './lines.js';

/** A tunnel to an SSH connection. */
export interface SshTunnelPlace {
  readonly connection: string;
  readonly host: string;
  readonly port: number;
  /** Instead of a port. */
  readonly socket?: string | undefined;
}

/** The gateway's host keys, as known_hosts has them. Throws `not-found`: a gateway of before SSH. */
export function hostKeysOf({ ssh }: GatewayInfo): readonly string[] {
  const lines = ssh?.hostKeys.filter((line) => /^[a-z0-9-]+ [A-Za-z0-9+/]+={0,2}$/.test(line)) ?? [];
  if (lines.length > 0) return lines;
  throw new ThroughlineError('not-found', 'this gateway does not speak SSH', {
    action: 'an admin has to upgrade it',
  });
}

/**
 * The part of ssh_config(5) that leads to one tunnel. The key behind the port is the gateway's, checked under a name
 * that no real host has; nothing of the person's own is offered to it: the tunnel says who they are.
 */
export function sshConfig(place: SshTunnelPlace, knownHosts: string, relay: string): string {
  return configText(place, knownHosts, ['PubkeyAuthentication no'], relay);
}

/**
 * The part that leads to the gateway's own listener, with this device's key. That is in an agent, which signs for
 * nothing else: it is not forwarded, and no other key is offered.
 */
function nativeConfig(place: SshTunnelPlace, knownHosts: string, key: NativeKey): string {
  return configText(place, knownHosts, [
    'PubkeyAuthentication yes',
    'PreferredAuthentications publickey',
    `IdentityAgent "${key.agent}"`,
    `IdentityFile "${key.publicFile}"`,
    'IdentitiesOnly yes',
    'ForwardAgent no',
  ]);
}

function configText(
  { connection, host, port, socket }: SshTunnelPlace,
  knownHosts: string,
  authentication: readonly string[],
  relay?: string,
): string {
  const where = socket === undefined ? [`HostName ${host}`, `Port ${port}`] : ['HostName localhost'];
  const proxy = socket === undefined || relay === undefined ? 'none' : relayCommand(relay, socket);
  return [
    `Host ${connection}`,
    ...[
      ...where,
      `User ${connection}`,
      `HostKeyAlias ${aliasOf(connection)}`,
      `UserKnownHostsFile "${knownHosts}"`,
      'GlobalKnownHostsFile /dev/null',
      'StrictHostKeyChecking yes',
      'UpdateHostKeys no',
      'CheckHostIP no',
      ...authentication,
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      `ProxyCommand ${proxy}`,
      'ProxyJump none',
      'Compression no',
      `Ciphers ${ciphers}`,
    ].map((line) => `  ${line}`),
    '',
  ].join('\n');
}

/**
 * Of those that the gateway takes, the ones that a processor does by itself: OpenSSH would choose ChaCha20, which costs
 * both ends three times as much. Named one by one: `^` is not known to OpenSSH before 8.0.
 */
const ciphers = 'aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes128-ctr,aes256-ctr';

/** ssh dials no unix socket by itself; it speaks to a program that does. Node is what this runs in, Electron's too. */
const relaySource = `'use strict';
const socket = require('node:net').connect(process.argv[2]);
socket.on('error', (error) => {
  process.stderr.write('the tunnel is gone (' + error.code + '): open it again\\n');
  process.exit(255);
});
process.stdin.pipe(socket);
socket.pipe(process.stdout);
socket.on('close', () => process.exit(0));
`;

function relayCommand(relay: string, socket: string): string {
  const words = ['env', 'ELECTRON_RUN_AS_NODE=1', process.execPath, relay, socket].map(shellWord);
  // ssh_config(5) TOKENS.
  return words.join(' ').replaceAll('%', '%%');
}

function writeRelay(directory: string, places: readonly SshTunnelPlace[]): string {
  const path = join(directory, 'dial.cjs');
  if (places.some(({ socket }) => socket !== undefined)) writeFileSync(path, relaySource, { mode: 0o600 });
  return path;
}

function aliasOf(connection: string): string {
  return `throughline-${connection}`;
}

export interface SshFiles {
  /** For `ssh -F`, or an `Include` in the person's own file. */
  readonly config: string;
  /** A folder with ssh, scp and sftp that know the connections: to stand first in PATH. */
  readonly programs: string;
  remove(): void;
}

/** Both files of one tunnel, in a folder that lasts, so that an `Include` in ~/.ssh/config stays right. */
export function keepSshFiles(
  home: string,
  place: SshTunnelPlace,
  hostKeys: readonly string[],
): LastingSshFiles {
  return keepFiles(home, place, hostKeys, (knownHosts, relay) => sshConfig(place, knownHosts, relay));
}

export interface LastingSshFiles {
  readonly config: string;
  readonly include: string;
}

/** Where this device's key for a connection is found by ssh. */
export interface NativeKey {
  /** Its agent's socket. */
  readonly agent: string;
  readonly publicFile: string;
}

/**
 * Where ssh will find the key of a connection, in a folder of this person's only. Names of its own each time: who ends
 * takes nothing from who came later. What a killed process left behind is removed.
 */
export async function nativeKey(home: string, connection: string): Promise<NativeKey> {
  const directory = join(home, 'ssh');
  privateDirectory(home);
  privateDirectory(directory);
  const name = `${createHash('sha256').update(connection).digest('hex').slice(0, 12)}-`;
  const keyAt = (file: string): NativeKey => ({
    agent: join(directory, `${file}.agent`),
    publicFile: join(directory, `${file}.pub`),
  });
  for (const file of readdirSync(directory)) {
    if (!file.startsWith(name) || !file.endsWith('.agent')) continue;
    const old = keyAt(file.slice(0, -'.agent'.length));
    if (!(await answers(old.agent))) removeNativeKey(old);
  }
  return keyAt(`${name}${randomBytes(4).toString('hex')}`);
}

export function removeNativeKey({ agent, publicFile }: NativeKey): void {
  for (const file of [agent, publicFile]) rmSync(file, { force: true });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (isThere: boolean): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** The same files for the gateway's own listener; `publicKey` as in authorized_keys. */
export function keepNativeSshFiles(
  home: string,
  place: SshTunnelPlace,
  hostKeys: readonly string[],
  key: NativeKey & { readonly publicKey: string },
): LastingSshFiles {
  writeFileSync(key.publicFile, `${key.publicKey} throughline-${place.connection}\n`, { mode: 0o600 });
  return keepFiles(home, place, hostKeys, (knownHosts) => nativeConfig(place, knownHosts, key));
}

function keepFiles(
  home: string,
  place: SshTunnelPlace,
  hostKeys: readonly string[],
  text: (knownHosts: string, relay: string) => string,
): LastingSshFiles {
  const directory = join(home, 'ssh');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const knownHosts = join(directory, `${place.connection}.known_hosts`);
  const config = join(directory, `${place.connection}.conf`);
  writeFileSync(knownHosts, knownHostsText([place], hostKeys), { mode: 0o600 });
  writeFileSync(config, text(knownHosts, writeRelay(directory, [place])), { mode: 0o600 });
  return { config, include: join(directory, '*.conf') };
}

/**
 * Files for the programs that one command starts: ssh_config for its tunnels, then the person's own, and ssh, scp and
 * sftp that read it. rsync, git and Ansible start `ssh` from PATH.
 */
export function writeSshFiles(
  directory: string,
  places: readonly SshTunnelPlace[],
  hostKeys: readonly string[],
  path: string | undefined,
): SshFiles {
  const knownHosts = join(directory, 'known_hosts');
  const config = join(directory, 'ssh_config');
  const programs = join(directory, 'bin');
  mkdirSync(programs, { mode: 0o700 });
  writeFileSync(knownHosts, knownHostsText(places, hostKeys), { mode: 0o600 });
  const relay = writeRelay(directory, places);
  const own = [
    'Match all',
    `  Include "${join(homedir(), '.ssh', 'config')}"`,
    '  Include /etc/ssh/ssh_config',
    '',
  ];
  const blocks = [...places.map((place) => sshConfig(place, knownHosts, relay)), own.join('\n')];
  writeFileSync(config, blocks.join('\n'), { mode: 0o600 });
  for (const program of ['ssh', 'scp', 'sftp']) {
    const real = whereIs(program, path);
    if (real === undefined) continue;
    // By its path: programs put folders of their own before this one in PATH, and it would find itself.
    const script = `#!/bin/sh\nexec ${shellWord(real)} -F ${shellWord(config)} "$@"\n`;
    writeFileSync(join(programs, program), script, { mode: 0o700 });
  }
  return { config, programs, remove: () => rmSync(directory, { recursive: true, force: true }) };
}

function whereIs(program: string, path = '/usr/local/bin:/usr/bin:/bin'): string | undefined {
  const places = path.split(delimiter).filter((folder) => folder.startsWith('/'));
  return places.map((folder) => join(folder, program)).find((file) => existsSync(file));
}

function knownHostsText(places: readonly SshTunnelPlace[], hostKeys: readonly string[]): string {
  return places
    .flatMap(({ connection }) => hostKeys.map((line) => `${aliasOf(connection)} ${line}\n`))
    .join('');
}

/** Variables for a program whose `ssh` leads through `files`. */
export function sshVariables(
  path: string | undefined,
  { programs, config }: SshFiles,
): Record<string, string> {
  return {
    PATH: `${programs}:${path ?? '/usr/local/bin:/usr/bin:/bin'}`,
    // Ansible would share connections under a path of its own, beyond the end of this command.
    ANSIBLE_SSH_ARGS: `-F ${config} -o ControlMaster=no`,
    THROUGHLINE_SSH_CONFIG: config,
  };
}
