import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, connect as dial, type Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, { type Connection, type ServerChannel } from 'ssh2';
import { hostIdentity } from '../../gateway-core/proxy/ssh/host-identity.js';
import { type SftpTarget, serveSftp } from './sftp-server.js';
import { ScriptedShell, type ShellSize } from './shell.js';

export interface SshTargetOptions {
  /** Answers files from this folder; without it there is no SFTP. */
  readonly sftp?: SftpTarget;
  /** Text with which every connection ends before anything is allowed (RFC 4253 11.1). */
  refuse?: string;
  /** No shell is started. */
  refuseShell?: boolean;
  /** Gets the channel instead of the scripted shell. */
  readonly shell?: (channel: ServerChannel, size: ShellSize) => void;
}

/** An SSH server that takes everybody, as the gateway does on a stream that is authenticated already. */
export interface SshTarget {
  readonly port: number;
  /** A line as in a .pub file. */
  readonly hostKey: string;
  readonly options: SshTargetOptions;
  /** Shells so far. */
  readonly shells: ScriptedShell[];
  readonly connections: Set<Connection>;
  /** Users that came. */
  readonly users: string[];
  stream(): Promise<Duplex>;
  /** Ends every connection, with a reason. */
  disconnect(text: string, reason?: number): void;
  close(): Promise<void>;
}

export async function startSshTarget(options: SshTargetOptions = {}): Promise<SshTarget> {
  // The package's own generator loses leading zeros of a key, once in a few hundred.
  const { privateKey: key, publicLine: hostKey } = hostIdentity(randomBytes(32));
  const connections = new Set<Connection>();
  const shells: ScriptedShell[] = [];
  const users: string[] = [];
  const server = new ssh2.Server({ hostKeys: [key] }, (connection) => {
    connections.add(connection);
    connection.on('error', () => undefined);
    connection.on('close', () => connections.delete(connection));
    connection.on('authentication', (context) => {
      users.push(context.username);
      if (options.refuse !== undefined) return disconnect(connection, options.refuse);
      if (context.method === 'none') context.accept();
      else context.reject(['none']);
    });
    connection.on('ready', () => serve(connection, options, shells));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    port,
    hostKey,
    options,
    shells,
    connections,
    users,
    stream: async () => {
      const socket = dial(port, '127.0.0.1');
      await once(socket, 'connect');
      return socket;
    },
    disconnect: (text, reason) => {
      for (const connection of connections) disconnect(connection, text, reason);
    },
    close: async () => {
      for (const connection of connections) connection.end();
      server.close();
      await once(server, 'close');
    },
  };
}

interface Internals {
  readonly _protocol: { readonly _packetRW: Packets; readonly _cipher: Cipher };
  readonly _sock: Socket;
}
interface Packets {
  readonly write: {
    alloc(size: number): Buffer;
    finalize(packet: Buffer): Buffer;
    readonly allocStart: number;
  };
}
interface Cipher {
  encrypt(packet: Buffer): void;
}

/** SSH_MSG_DISCONNECT with a text, which ssh2's own interface cannot send: reason 11, as the gateway does. */
function disconnect(connection: Connection, text: string, reason = 11): void {
  const { _protocol: protocol, _sock: socket } = connection as unknown as Internals;
  const bytes = Buffer.from(text);
  const { _packetRW: packets, _cipher: cipher } = protocol;
  const { write } = packets;
  let at = write.allocStart;
  const packet = write.alloc(1 + 4 + 4 + bytes.length + 4);
  packet[at] = 1;
  packet.writeUInt32BE(reason, (at += 1));
  packet.writeUInt32BE(bytes.length, (at += 4));
  bytes.copy(packet, (at += 4));
  packet.writeUInt32BE(0, at + bytes.length);
  cipher.encrypt(write.finalize(packet));
  socket.end();
}

function serve(connection: Connection, options: SshTargetOptions, shells: ScriptedShell[]): void {
  connection.on('session', (accept) => {
    const session = accept();
    const size: ShellSize = { columns: 80, rows: 24 };
    let shell: ScriptedShell | undefined;
    session.on('pty', (allow, _refuse, { cols, rows }) => {
      Object.assign(size, { columns: cols, rows });
      allow();
    });
    session.on('window-change', (allow, _refuse, { cols, rows }) => {
      shell?.resized({ columns: cols, rows });
      Object.assign(size, { columns: cols, rows });
      // It wants no answer, so there is nothing to allow.
      (allow as (() => void) | undefined)?.();
    });
    session.on('shell', (allow, refuse) => {
      if (options.refuseShell === true) return refuse();
      const channel = allow();
      if (options.shell !== undefined) return options.shell(channel, size);
      shell = new ScriptedShell(channel, size);
      shells.push(shell);
    });
    const { sftp } = options;
    if (sftp !== undefined) session.on('sftp', (allow) => serveSftp(allow(), sftp));
  });
  connection.on('tcpip', (accept, reject, { destIP, destPort }) => {
    const socket = dial({ host: destIP, port: destPort, allowHalfOpen: true });
    socket.once('error', () => reject());
    socket.once('connect', () => join(socket, accept()));
  });
  listenFor(connection);
}

/** tcpip-forward: a port here for the client. */
function listenFor(connection: Connection): void {
  const listeners: NetServer[] = [];
  connection.on('close', () => {
    for (const each of listeners) each.close();
  });
  connection.on('request', (accept, reject, name, info) => {
    if (name !== 'tcpip-forward') return reject?.();
    const listener = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      const { port } = listener.address() as { port: number };
      connection.forwardOut(info.bindAddr, port, '127.0.0.1', socket.remotePort ?? 0, (error, channel) => {
        if (error === undefined) {
          join(socket, channel);
          socket.resume();
        } else socket.destroy();
      });
    });
    listeners.push(listener);
    listener.once('error', () => reject?.());
    listener.listen(info.bindPort, '127.0.0.1', () => {
      accept?.((listener.address() as { port: number }).port);
    });
  });
}

function join(socket: Socket, channel: ServerChannel): void {
  socket.on('error', () => undefined);
  channel.on('error', () => undefined);
  socket.pipe(channel);
  channel.pipe(socket);
  // Its channels close themselves once all was said.
  socket.once('close', () => socket.readableEnded || channel.close());
}
