import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { PeerLookUp } from '../../gateway-core/agent/tunnel/peer.js';
import { defaultPreferences } from '../../gateway-core/contract/bridge/app.js';
import type { Handlers } from '../../gateway-core/contract/bridge/calls.js';
import type { Site } from '../../main/browser-host/http.js';
import { createKeys, type Keys } from '../../main/browser-host/keys.js';
import { startBrowserServer } from '../../main/browser-host/server.js';
import { createDispatcher, type Dispatcher } from '../../main/ipc/dispatcher.js';
import { rendererFiles } from '../../main/renderer-files/files.js';
import { temporaryFolder } from '../folders.js';

/** A browser host whose calls do nothing but note that they ran. */
export interface TestHost {
  readonly port: number;
  readonly origin: string;
  readonly keys: Keys;
  readonly dispatcher: Dispatcher;
  /** Names of the calls that reached a handler. */
  readonly ran: string[];
  readonly reports: string[];
  /** What `POST /open` was asked with. */
  readonly reopened: string[];
  clockMs: number;
  close(): Promise<void>;
}

const page = '<!doctype html><title>Throughline</title><p id="page">the page</p>';

export async function startTestHost(
  options: {
    lookUp?: PeerLookUp;
    agentBehind?: Site['agentBehind'];
    answer?: (name: string) => Promise<unknown>;
  } = {},
): Promise<TestHost> {
  const directory = temporaryFolder('throughline-host-');
  const renderer = join(directory, 'renderer');
  mkdirSync(join(renderer, 'assets'), { recursive: true });
  writeFileSync(join(renderer, 'index.html'), page);
  writeFileSync(join(renderer, 'assets', 'main-abcd1234.js'), 'export const one = 1;\n');
  writeFileSync(join(directory, 'secret.txt'), 'outside');
  const ran: string[] = [];
  const reports: string[] = [];
  const reopened: string[] = [];
  const note = (name: string, output: unknown): Promise<never> => {
    ran.push(name);
    return Promise.resolve(options.answer?.(name) ?? output) as Promise<never>;
  };
  const host = new Proxy({} as Handlers<'host'>, {
    getOwnPropertyDescriptor: (_target, name) => ({
      configurable: true,
      enumerable: true,
      value: () => note(String(name), { ...defaultPreferences }),
    }),
    get: (_target, name) => () => note(String(name), { ...defaultPreferences }),
  });
  const dispatcher = createDispatcher({
    host,
    agent: { call: (name) => note(name, []) },
    complain: () => undefined,
  });
  const clock = { ms: 0 };
  const keys = createKeys(() => clock.ms);
  const server = await startBrowserServer({
    files: rendererFiles(renderer),
    keys,
    dispatcher,
    port: 0,
    opened: () => undefined,
    reopen: (text) => {
      reopened.push(text);
      return Promise.resolve(text === 'right' ? '/door' : undefined);
    },
    report: (line) => reports.push(line),
    ...(options.lookUp === undefined ? {} : { lookUp: options.lookUp }),
    agentBehind: options.agentBehind,
  });
  return {
    port: server.port,
    origin: server.origin,
    keys,
    dispatcher,
    ran,
    reports,
    reopened,
    get clockMs() {
      return clock.ms;
    },
    set clockMs(ms) {
      clock.ms = ms;
    },
    close: async () => {
      await server.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What the host answers to these very bytes, until it closes the socket. Empty when it is reset. */
export async function raw(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(bytes);
  return untilClosed(socket);
}

export async function untilClosed(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('latin1').on('data', (piece: string) => {
    text += piece;
  });
  // Not `once`, which takes a reset for a failure.
  if (!socket.closed) await new Promise((resolve) => socket.on('close', resolve));
  return text;
}

/** Sends one request with the headers as they are given, and no other. */
export function request(
  host: Pick<TestHost, 'port'>,
  line: string,
  headers: Readonly<Record<string, string>>,
  body = '',
): Promise<string> {
  const lines = Object.entries({ connection: 'close', ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  const length = body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`];
  return raw(host.port, [`${line} HTTP/1.1`, ...lines, ...length, '', body].join('\r\n'));
}

export const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);

/** Headers of the app's own page. */
export function own(host: Pick<TestHost, 'port' | 'origin'>): Record<string, string> {
  return { host: `127.0.0.1:${host.port}`, origin: host.origin };
}

export interface Peer {
  readonly socket: WebSocket;
  readonly messages: unknown[];
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
}

export function open(host: TestHost, headers: Record<string, string> = { origin: host.origin }): Peer {
  const socket = new WebSocket(`ws://127.0.0.1:${host.port}/bridge`, { headers, perMessageDeflate: false });
  const messages: unknown[] = [];
  socket.on('message', (data) => messages.push(JSON.parse((data as Buffer).toString('utf8'))));
  socket.on('error', () => undefined);
  const closed = new Promise<number>((resolve) => socket.once('close', (code) => resolve(code)));
  return { socket, messages, closed };
}

/** A tab that said hello and was welcomed. */
export async function welcomed(host: TestHost): Promise<Peer> {
  const key = host.keys.exchange(host.keys.issueTicket());
  const peer = open(host);
  await once(peer.socket, 'open');
  peer.socket.send(JSON.stringify({ kind: 'hello', key }));
  await once(peer.socket, 'message');
  return peer;
}

/** The answer to one call. */
export async function call(peer: Peer, id: number, name: string, input: unknown = {}): Promise<unknown> {
  const answered = (): unknown => peer.messages.find((each) => (each as { id?: number }).id === id);
  peer.socket.send(JSON.stringify({ kind: 'call', id, name, input }));
  while (answered() === undefined) await once(peer.socket, 'message');
  return answered();
}
