import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { deviceKey } from '../../gateway-core/agent/client/dpop.js';
import { createNonce } from '../../gateway-core/agent/client/oauth.js';
import { openState } from '../../gateway-core/agent/client/state.js';
import { createTransport } from '../../gateway-core/agent/client/transport.js';
import { paths } from '../../gateway-core/contract/api.js';
import { Problem } from '../../gateway-core/contract/errors.js';
import { SessionId } from '../../gateway-core/contract/ids.js';
import {
  type LocalRecord,
  type SpoolAck,
  type SpoolAppend,
  saltHeader,
  sessionHeader,
  spoolHeader,
  type WireDirection,
} from '../../gateway-core/contract/local-record.js';
import { WireHash } from '../../gateway-core/recording/wire-sum.js';
import type { GatewayRun, Person } from './harness.js';
import { plainEnvironment, type Scope } from './processes.js';

/**
 * A desktop that records its side, written from the contract: the other half of what the gateway compares, without the
 * product's own. It keeps nothing on disk, and lies when it is told to.
 */
export interface HandDesktop {
  /** RFC 7638 thumbprint. */
  readonly device: string;
  /** A JSON request; `status` with the answer, or the problem. */
  call<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer<T>>;
  /** A session's raw stream. Undefined segment: it does not say that it records. */
  stream(connection: string, segment?: number): Promise<HandStream>;
  /** A port for real clients: each of its connections is a recorded session, in `sessions` once it has closed. */
  tunnel(connection: string, segment: number, more?: TunnelTricks): Promise<HandTunnel>;
  upload(
    segment: number,
    append: Omit<SpoolAppend, 'backlog'> & Pick<SpoolAppend, 'backlog'>,
  ): Promise<Answer<SpoolAck>>;
}

export interface TunnelTricks {
  /** What the desktop says that it saw, in place of what it saw. */
  readonly pretend?: (direction: WireDirection, chunk: Buffer) => Buffer;
  /** Bytes from the client that it does not pass on any more, but says that it did. */
  readonly swallowAfter?: number;
}

export type Answer<T> =
  | { readonly status: 200; readonly value: T }
  | { readonly status: number; readonly problem: Problem };

export interface HandStream {
  readonly stream: Duplex;
  readonly session: SessionId;
  readonly salt: Buffer | undefined;
}

export interface HandSession {
  readonly session: SessionId;
  /** In their order, as they are to be uploaded. */
  readonly records: readonly string[];
}

export interface HandTunnel {
  readonly env: Record<string, string>;
  readonly sessions: HandSession[];
}

export function valueOf<T>(answer: Answer<T>): T {
  if ('value' in answer) return answer.value;
  throw new Error(`${answer.status} ${answer.problem.code}: ${answer.problem.detail}`);
}

const clocks = () => ({ at: new Date().toISOString(), monoMs: performance.now(), boot: 'test' });

/** The records of one stream, whose hashes `up` and `down` were fed with. */
export function recordsOf(
  session: SessionId,
  sides: Readonly<Record<WireDirection, { readonly hash: WireHash; readonly blocks: readonly string[] }>>,
  cause: 'client' | 'gateway' | 'fault',
  shown: readonly LocalRecord[] = [],
): string[] {
  const sums = { up: sides.up.hash.finish(), down: sides.down.hash.finish() };
  const records: LocalRecord[] = [
    {
      ...clocks(),
      kind: 'opened',
      session,
      connection: 'test',
      by: 'tunnel',
      lineage: 'unattributed',
      version: 'by hand',
    },
  ];
  for (const direction of ['up', 'down'] as const) {
    const { blocks } = sides[direction];
    for (let from = 0; from < blocks.length; from += 256)
      records.push({
        ...clocks(),
        kind: 'wire',
        session,
        direction,
        from,
        hashes: blocks.slice(from, from + 256),
      });
  }
  records.push(...shown, { ...clocks(), kind: 'closed', session, ...sums, cause });
  return records.map((record) => JSON.stringify(record));
}

export function hashedSide(salt: Buffer): { hash: WireHash; blocks: string[] } {
  const blocks: string[] = [];
  return { hash: new WireHash(salt, (block) => blocks.push(block.hash.toString('hex'))), blocks };
}

export async function handDesktop(scope: Scope, gateway: GatewayRun, person: Person): Promise<HandDesktop> {
  const state = openState(plainEnvironment({ THROUGHLINE_HOME: person.home }));
  const origin = new URL(gateway.url).origin;
  const signIn = await state.signIn(origin);
  const trust = (await state.settings()).gateways[origin]?.trust;
  if (signIn?.tokens === undefined || trust === undefined) throw new Error('nobody is signed in');
  const { accessToken } = signIn.tokens;
  const key = deviceKey(signIn.deviceKey);
  const transport = createTransport(origin, trust);
  scope.onClose(() => transport.close());
  const nonce = createNonce();

  /** With the nonce that the gateway asks for at the first try. */
  const proved = async (
    method: string,
    path: string,
    send: (headers: Record<string, string>) => Promise<IncomingMessage>,
  ): Promise<IncomingMessage> => {
    for (let attempt = 1; ; attempt += 1) {
      const dpop = key.prove({ method, url: `${origin}${path}`, accessToken, ...nonce.forProof() });
      const message = await send({ authorization: `DPoP ${accessToken}`, dpop });
      nonce.learn(message);
      if (message.statusCode !== 401 || attempt > 1) return message;
      message.resume();
    }
  };

  const desktop: HandDesktop = {
    device: key.thumbprint,
    call: async <T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer<T>> => {
      const json = body === undefined ? undefined : JSON.stringify(body);
      const content: Record<string, string> =
        json === undefined ? {} : { 'content-type': 'application/json' };
      const message = await proved(method, path, (headers) =>
        transport.send({
          method,
          path,
          headers: { ...content, ...headers },
          ...(json === undefined ? {} : { body: json }),
        }),
      );
      const value = JSON.parse(await text(message)) as unknown;
      if (message.statusCode === 200) return { status: 200, value: value as T };
      return { status: message.statusCode ?? 0, problem: Problem.parse(value) };
    },
    stream: async (connection, segment) => {
      let stream: Duplex | undefined;
      const path = paths.stream(connection);
      const message = await proved('GET', path, async (headers) => {
        const spool: Record<string, string> = segment === undefined ? {} : { [spoolHeader]: String(segment) };
        const upgraded = await transport.upgrade(path, { ...spool, ...headers });
        if (upgraded.kind === 'stream') stream = upgraded.stream;
        return upgraded.message;
      });
      if (stream === undefined) throw new Error(`${message.statusCode}: ${await text(message)}`);
      const salt = message.headers[saltHeader];
      return {
        stream,
        session: SessionId.parse(message.headers[sessionHeader]),
        salt: typeof salt === 'string' ? Buffer.from(salt, 'hex') : undefined,
      };
    },
    tunnel: async (connection, segment, tricks = {}) => {
      const sessions: HandSession[] = [];
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        serve(desktop, connection, segment, socket, tricks).then(
          (session) => sessions.push(session),
          () => socket.destroy(),
        );
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      scope.onClose(() => void server.close());
      const { port } = server.address() as AddressInfo;
      const env = { PGHOST: '127.0.0.1', PGPORT: String(port), PGUSER: 'test', PGSSLMODE: 'disable' };
      return { env, sessions };
    },
    upload: (segment, append) => desktop.call('POST', paths.spool(desktop.device, segment), append),
  };
  return desktop;
}

/** Resolves with what it recorded, once both ends are closed. */
async function serve(
  desktop: HandDesktop,
  connection: string,
  segment: number,
  socket: Socket,
  { pretend, swallowAfter = Number.POSITIVE_INFINITY }: TunnelTricks,
): Promise<HandSession> {
  socket.on('error', () => undefined);
  const { stream, session, salt } = await desktop.stream(connection, segment);
  if (salt === undefined) throw new Error('no salt');
  stream.on('error', () => undefined);
  const sides = { up: hashedSide(salt), down: hashedSide(salt) };
  let cause: 'client' | 'gateway' | undefined;
  let passed = 0;
  const saw = (direction: WireDirection, chunk: Buffer): void =>
    sides[direction].hash.update(pretend?.(direction, chunk) ?? chunk);
  socket.on('data', (chunk: Buffer) => {
    saw('up', chunk);
    passed += chunk.length;
    if (passed <= swallowAfter && !stream.write(chunk)) socket.pause();
  });
  stream.on('drain', () => socket.resume());
  socket.on('end', () => {
    cause ??= 'client';
    stream.end();
  });
  stream.on('data', (chunk: Buffer) => {
    saw('down', chunk);
    if (!socket.destroyed && !socket.write(chunk)) stream.pause();
  });
  socket.on('drain', () => stream.resume());
  stream.on('end', () => {
    cause ??= 'gateway';
    socket.end();
  });
  socket.on('close', () => {
    cause ??= 'client';
    // Like a program that is gone: what still comes goes nowhere.
    stream.resume();
    stream.end();
  });
  await once(stream, 'close');
  return { session, records: recordsOf(session, sides, cause ?? 'gateway') };
}
