import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import ssh2, {
  type AuthContext,
  type Connection,
  type ExecInfo,
  type PseudoTtyInfo,
  type ServerChannel,
  type Session,
  type SetEnvInfo,
  type SFTPWrapper,
  type WindowChangeInfo,
} from 'ssh2';
import { offeredAlgorithms } from '../../../contract/ssh-algorithms.js';
import { isQuestion, signedKey } from '../../../proxy/ssh/device-key.js';
import { streamOf } from '../../../proxy/ssh/library.js';
import { serveFiles } from './files.js';
import { builtInLimits } from './limits.js';
import { Programs, type Terminal, type WindowSize } from './programs.js';
import type { RunningHost } from './running.js';

/**
 * The demo's own SSH server, where OpenSSH's is missing: programs as the user who runs the demo, in a folder of its own,
 * and the files of that folder. It lets in the one key that the gateway holds. Forwards, X11, agents and everything else
 * are refused: the package does that where nobody listens.
 */
export async function startBuiltIn(directory: string, home: string): Promise<RunningHost> {
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const authorized = readFileSync(join(directory, 'authorized_keys'), 'utf8').trim();
  const connections = new Set<Connection>();
  const server = new ssh2.Server(
    {
      hostKeys: [readFileSync(join(directory, 'host_key'))],
      ident: 'ThroughlineDemo',
      algorithms: offeredAlgorithms(),
    },
    (connection) => {
      connections.add(connection);
      connection.on('error', () => undefined);
      connection.on('close', () => connections.delete(connection));
      if (connections.size > builtInLimits.connectionsMax) connection.end();
      else serve(connection, { authorized, home, directory });
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    isOver: () => false,
    stop: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const each of connections) streamOf(each).destroy();
      await closed;
    },
  };
}

interface Place {
  /** As in authorized_keys. */
  readonly authorized: string;
  readonly home: string;
  /** Where the host keeps what is its own. */
  readonly directory: string;
}

function serve(connection: Connection, { authorized, home, directory }: Place): void {
  const tooLate = setTimeout(() => connection.end(), builtInLimits.signInTimeoutMs);
  const programs = new Programs(home, directory);
  let sessions = 0;
  connection.on('close', () => {
    clearTimeout(tooLate);
    programs.end();
  });
  connection.on('authentication', (context) => {
    if (!fits(context, authorized)) return context.reject(['publickey']);
    return context.accept();
  });
  connection.on('ready', () => clearTimeout(tooLate));
  connection.on('session', (accept, reject) => {
    if (sessions >= builtInLimits.sessionsMax) return reject();
    sessions += 1;
    const session = accept();
    session.on('close', () => (sessions -= 1));
    return serveSession(session, programs, home);
  });
}

/** The key that the gateway holds: asked for, or signed with. `accept` answers the question, and lets nobody in by it. */
function fits(context: AuthContext, authorized: string): boolean {
  if (context.method !== 'publickey') return false;
  if (isQuestion(context)) return `${context.key.algo} ${context.key.data.toString('base64')}` === authorized;
  return signedKey(context) === authorized;
}

const environmentTaken = /^(?:LANG|LC_[A-Z]{1,20}|THROUGHLINE_[A-Z_]{1,40})$/;

/** What the package hands over is missing where the client wants no answer, or has closed the channel meanwhile. */
type Answer<Given> = (() => Given | undefined) | undefined;

function serveSession(session: Session, programs: Programs, home: string): void {
  const environment: Record<string, string> = {};
  let terminal: Terminal | undefined;
  let resized: ((size: WindowSize) => void) | undefined;
  // A channel has one program (RFC 4254 6.5).
  let isTaken = false;
  const take = <Given>(accept: Answer<Given>, reject: Answer<void>): Given | undefined => {
    if (isTaken) reject?.();
    const given = isTaken ? undefined : accept?.();
    isTaken = true;
    return given;
  };
  const run = (command: string | undefined, accept: Answer<ServerChannel>, reject: Answer<void>): void => {
    const channel = take(accept, reject);
    if (channel !== undefined) resized = programs.run(channel, { command, terminal, environment });
  };
  session.on('env', (accept: Answer<void>, reject: Answer<void>, { key, val }: SetEnvInfo) => {
    const isRoom = Object.keys(environment).length < builtInLimits.environmentMax;
    if (!isRoom || !environmentTaken.test(key) || val.length > builtInLimits.environmentCharactersMax)
      return reject?.();
    environment[key] = val;
    return accept?.();
  });
  session.on('pty', (accept: Answer<void>, reject: Answer<void>, { cols, rows, ...more }: PseudoTtyInfo) => {
    if (!Programs.hasTerminals) return reject?.();
    const { term } = more as { term?: unknown };
    terminal = { columns: cols, rows, type: typeof term === 'string' && term !== '' ? term : 'xterm' };
    return accept?.();
  });
  session.on(
    'window-change',
    (accept: Answer<void>, _reject: Answer<void>, { cols, rows }: WindowChangeInfo) => {
      resized?.({ columns: cols, rows });
      accept?.();
    },
  );
  session.on('exec', (accept: Answer<ServerChannel>, reject: Answer<void>, { command }: ExecInfo) =>
    run(command, accept, reject),
  );
  session.on('shell', (accept: Answer<ServerChannel>, reject: Answer<void>) =>
    run(undefined, accept, reject),
  );
  session.on('sftp', (accept: Answer<SFTPWrapper>, reject: Answer<void>) => {
    const sftp = take(accept, reject);
    if (sftp !== undefined) serveFiles(sftp, home);
  });
}
