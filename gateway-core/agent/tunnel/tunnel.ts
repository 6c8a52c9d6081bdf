import { once } from 'node:events';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join as pathJoin } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Protocol } from '../../contract/connection.js';
import type { Lineage } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { limits } from '../../contract/limits.js';
import { type Admitted, PasswordDoor } from './password.js';
import { lookUpPeer, type PeerLookUp } from './peer.js';
import { errorResponse, refusePostgres, refuseSsh } from './refusals.js';

/** Bounds of one tunnel. */
export const tunnelLimits = {
  /** The gateway refuses more streams of one actor anyway. */
  socketsMax: limits.streamsPerActorMax,
  /** A client that does not take the last bytes of an ended session. */
  lingerTimeoutMs: 30_000,
  /** How many connections the kernel holds before they are accepted. */
  backlog: 511,
} as const;

/** What went on that a person may want to see. Nothing of a session's content. */
export type TunnelEvent =
  | { readonly kind: 'refused'; readonly reason: 'other-user'; readonly uid: number }
  | {
      readonly kind: 'refused';
      readonly reason: 'unknown-user' | 'too-many' | 'changed-hands' | 'wrong-password';
    }
  | { readonly kind: 'failed'; readonly error: ThroughlineError };

export interface TunnelOptions {
  /** What openGateway gives. */
  readonly gateway: { openStream(connection: string, lineage?: Lineage): Promise<Duplex> };
  readonly connection: string;
  /** What the connection speaks: how a client is told why there is no session. */
  readonly protocol?: Protocol;
  /** 0 or nothing: any free port. */
  readonly port?: number;
  readonly host?: '127.0.0.1' | '::1';
  /**
   * Instead of a port: a socket in this directory, which must be the user's own and closed to others (0700). Whoever
   * reaches it is the user, or was let in; `attribute` says who is behind it.
   */
  readonly directory?: string;
  readonly report?: (event: TunnelEvent) => void;
  /**
   * How to tell whose a socket is; by default as this platform does. `never`, and where the platform does not: a
   * password of the tunnel's own protects its port.
   */
  readonly lookUp?: PeerLookUp | 'never';
  /** Which program is at the other end; asked before a byte of it is read. Absent: nobody is asked. */
  readonly attribute?: (socket: Socket) => Promise<{
    readonly lineage: Lineage;
    /** Whether that program still holds the socket: asked right before forwarding. */
    readonly stillHolds: () => boolean;
  }>;
}

export interface Tunnel {
  /** Or the directory, as libpq takes one for a host. */
  readonly host: string;
  readonly port: number;
  /** Where there is no port: the socket, for tools that are told what to dial it with. */
  readonly socket: string | undefined;
  /** To be given to whoever may use it, where nobody can tell whose a socket is; it is over with the tunnel. */
  readonly password: string | undefined;
  /** Sockets that are open now. */
  sockets(): number;
  /** Accepts nothing more; gives open sockets `drainMs` to end by themselves, then cuts them. */
  close(drainMs?: number): Promise<void>;
}

/**
 * Listens on loopback; each accepted socket becomes one session on `connection`.
 * INVARIANT: no byte of a socket is read before its other end is known to belong to the user who runs the tunnel; where
 * that cannot be known, none is forwarded before it has proved that it knows the tunnel's password.
 * @throws ThroughlineError conflict (port taken)
 */
export async function openTunnel(options: TunnelOptions): Promise<Tunnel> {
  const given = options.lookUp ?? platformLookUp();
  // A folder that nobody else may enter says what nobody can look up.
  const own =
    given === 'never' && options.protocol === 'ssh' && options.directory === undefined
      ? privateFolder()
      : undefined;
  const directory = options.directory ?? own;
  const lookUp = directory === undefined ? given : ownUser;
  const guard: Guard = lookUp === 'never' ? await PasswordDoor.open() : lookUp;
  const host = directory ?? options.host ?? '127.0.0.1';
  const sockets = new Set<Socket>();
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // An error always comes with `close`, which is where everything is cleaned up.
    socket.on('error', () => undefined);
    void serve(options, guard, socket, sockets.size);
  });
  // EMFILE and the like: the socket is lost, the tunnel goes on.
  const socket = directory === undefined ? undefined : socketIn(directory, options.protocol);
  const port =
    socket === undefined
      ? await listen(server, host, options.port ?? 0)
      : await listenAt(server, socket, options.protocol);
  server.on('error', () => undefined);
  return {
    host,
    port,
    socket,
    password: guard instanceof PasswordDoor ? guard.password : undefined,
    sockets: () => sockets.size,
    close: async (drainMs = 0) => {
      await close(server, sockets, drainMs);
      if (own !== undefined) rmSync(own, { recursive: true, force: true });
    },
  };
}

/** @throws ThroughlineError denied, where folders are nobody's own */
function privateFolder(): string {
  if (process.geteuid === undefined) throw noGuard();
  return mkdtempSync(pathJoin(tmpdir(), 'throughline-ssh-'));
}

function noGuard(): ThroughlineError {
  return new ThroughlineError(
    'denied',
    'nobody here can tell whose a socket is, and this system has no folders of one user alone',
    {
      action:
        'use the terminal of the app, or a handle at the gateway’s own listener: throughline handle NAME',
    },
  );
}

/** Who decides whether a socket is let in. */
type Guard = PeerLookUp | PasswordDoor;

function platformLookUp(): PeerLookUp | 'never' {
  return process.platform === 'linux' && process.geteuid !== undefined ? lookUpPeer : 'never';
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen({ host, port, backlog: tunnelLimits.backlog });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new ThroughlineError('conflict', `port ${port} on ${host} cannot be used (${code ?? 'unknown'})`, {
      action: 'choose another one with --port, or leave it out',
      cause,
    });
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
  return address.port;
}

/** PostgreSQL manual, 34.1.2: where libpq looks for a server's socket. */
const socketPort = 5432;

function socketIn(directory: string, protocol: Protocol | undefined): string {
  return pathJoin(directory, protocol === 'ssh' ? 'ssh.sock' : `.s.PGSQL.${socketPort}`);
}

/** What stands for the port where there is none: libpq wants one, ssh does not. */
async function listenAt(server: Server, socket: string, protocol: Protocol | undefined): Promise<number> {
  const { mode, uid } = statSync(dirname(socket));
  if ((mode & 0o077) !== 0 || uid !== process.geteuid?.())
    throw new ThroughlineError(
      'invalid-config',
      'a tunnel’s socket needs a directory that is closed to others',
    );
  server.listen({ path: socket, backlog: tunnelLimits.backlog });
  await once(server, 'listening');
  return protocol === 'ssh' ? 0 : socketPort;
}

const ownUser: PeerLookUp = () => Promise.resolve({ kind: 'user', uid: process.geteuid?.() ?? -1 });

/** With a reset where there is one: the client then knows that nothing was taken. */
function reset(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

async function serve(options: TunnelOptions, guard: Guard, socket: Socket, open: number): Promise<void> {
  try {
    const door = guard instanceof PasswordDoor ? guard : undefined;
    const refusal =
      open > tunnelLimits.socketsMax
        ? tooMany
        : guard instanceof PasswordDoor
          ? undefined
          : await refusalOf(guard, socket);
    if (refusal !== undefined) {
      reset(socket);
      options.report?.(refusal);
      return;
    }
    const admission = await door?.admit(socket);
    if (admission === 'wrong-password') options.report?.({ kind: 'refused', reason: admission });
    if (admission === 'left') socket.destroy();
    if (admission === 'wrong-password' || admission === 'left') return;
    const behind = await options.attribute?.(socket);
    const stream = await openOrRefuse(options, socket, behind?.lineage, admission);
    if (stream === undefined) return;
    // Whoever got the socket meanwhile is not whom the gateway was told of.
    if (behind !== undefined && !behind.stillHolds()) {
      stream.destroy();
      reset(socket);
      options.report?.({ kind: 'refused', reason: 'changed-hands' });
      return;
    }
    if (admission !== undefined) {
      if (admission.kind === 'session') door?.watch(stream);
      stream.write(admission.bytes);
    }
    join(socket, stream);
  } catch (cause) {
    socket.destroy();
    const error = new ThroughlineError('internal', 'the tunnel failed on one connection', { cause });
    options.report?.({ kind: 'failed', error });
  }
}

const tooMany: TunnelEvent = { kind: 'refused', reason: 'too-many' };

async function refusalOf(lookUp: PeerLookUp, socket: Socket): Promise<TunnelEvent | undefined> {
  const peer = await lookUp(socket);
  if (peer.kind !== 'user') return { kind: 'refused', reason: 'unknown-user' };
  if (peer.uid === process.geteuid?.()) return undefined;
  return { kind: 'refused', reason: 'other-user', uid: peer.uid };
}

async function openOrRefuse(
  options: TunnelOptions,
  socket: Socket,
  lineage: Lineage | undefined,
  admission: Admitted | undefined,
): Promise<Duplex | undefined> {
  try {
    return await options.gateway.openStream(options.connection, lineage);
  } catch (error) {
    if (!(error instanceof ThroughlineError)) throw error;
    options.report?.({ kind: 'failed', error });
    // It has said already what it wants, and waits for the answer; to a cancel there is none.
    if (options.protocol === 'ssh') refuseSsh(socket, error);
    else if (admission === undefined) await refusePostgres(socket, error);
    else if (admission.kind === 'session') socket.end(errorResponse(error), () => socket.destroySoon());
    else socket.destroy();
    return undefined;
  }
}

/** Bytes both ways, with half-close and back-pressure; when one side breaks, so does the other. */
function join(socket: Socket, stream: Duplex): void {
  if (socket.destroyed) {
    stream.destroy();
    return;
  }
  stream.on('error', () => undefined);
  stream.once('close', () => finish(socket, stream));
  socket.once('close', () => stream.destroy());
  socket.pipe(stream);
  stream.pipe(socket);
  // pauseOnConnect paused the handle: `pipe` alone does not start it again.
  socket.resume();
}

/** The session is over: what it sent last still reaches the client, if the client takes it. */
function finish(socket: Socket, stream: Duplex): void {
  if (!stream.readableEnded || socket.writableFinished) {
    socket.destroy();
    return;
  }
  // Unread bytes at close would make the kernel send a reset, which can overtake the last message.
  socket.unpipe(stream);
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), tunnelLimits.lingerTimeoutMs);
  socket.once('finish', () => socket.destroy());
  socket.once('close', () => clearTimeout(timer));
}

async function close(server: Server, sockets: ReadonlySet<Socket>, drainMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const timer = setTimeout(cut, drainMs);
  await closed;
  clearTimeout(timer);
}
