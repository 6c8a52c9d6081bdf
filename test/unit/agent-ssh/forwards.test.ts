import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, expect, it } from 'vitest';
import type { SshEngineOptions } from '../../../gateway-core/agent/ssh/options.js';
import { eventually } from '../../eventually.js';
import { connection, startWorld, type World } from './support.js';

const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function start(given: Partial<SshEngineOptions> = {}): Promise<World> {
  const world = await startWorld({}, given);
  ends.push(() => world.close());
  return world;
}

async function listen(serve: (socket: Socket) => void): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ends.push(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const own = { lookUp: () => Promise.resolve({ kind: 'user', uid: process.geteuid?.() ?? 0 } as const) };
const wanted = (port: number, direction: 'local' | 'remote' = 'local') => ({
  connection,
  direction,
  listenPort: 0,
  host: '127.0.0.1',
  port,
});
/** What comes back when one says it all and then listens. */
async function asked(port: number, question: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(question);
  return text(socket);
}
/** Answers in capitals once all was said. Not by `text`, which would end the socket with its reading. */
const shout = (socket: Socket): void => {
  let said = '';
  socket.setEncoding('utf8').on('data', (piece: string) => {
    said += piece;
  });
  socket.on('end', () => socket.end(said.toUpperCase()));
};

it('a local forward carries bytes both ways, with half-closes', async () => {
  const world = await start();
  const port = await listen(shout);
  const forward = await world.engine.handlers['forwards.open'](wanted(port));
  expect(forward).toMatchObject({ state: 'open', direction: 'local', connection });
  expect(await asked(forward.listenPort, 'hello')).toBe('HELLO');
  await eventually(() => {
    expect(world.last('forwards.changed')).toMatchObject([
      { id: forward.id, sockets: 0, accepted: 1, bytesUp: 5, bytesDown: 5 },
    ]);
  });
});

it('a remote forward leads from a port of the target to one of this machine', async () => {
  const world = await start();
  const port = await listen((socket) =>
    socket.on('data', (said: Buffer) => socket.end(said.toString().toUpperCase())),
  );
  const forward = await world.engine.handlers['forwards.open'](wanted(port, 'remote'));
  expect(forward).toMatchObject({ state: 'open', direction: 'remote' });
  expect(forward.listenPort).toBeGreaterThan(0);
  const socket = connect(forward.listenPort, '127.0.0.1');
  socket.write('hello');
  expect(await text(socket)).toBe('HELLO');
});

it('large answers arrive whole', async () => {
  const world = await start();
  const body = 'x'.repeat(5_000_000);
  const port = await listen((socket) => socket.end(body));
  const { listenPort } = await world.engine.handlers['forwards.open'](wanted(port));
  expect(await asked(listenPort, '')).toBe(body);
});

it.each([
  ['another user', { kind: 'user', uid: 4242 }],
  ['nobody knows who', { kind: 'unknown' }],
] as const)('a socket of %s gets nothing through', async (_who, peer) => {
  const world = await start({ lookUp: () => Promise.resolve(peer) });
  let reached = false;
  const port = await listen(() => {
    reached = true;
  });
  const { listenPort, id } = await world.engine.handlers['forwards.open'](wanted(port));
  await expect(asked(listenPort, 'hello')).rejects.toThrow();
  await eventually(() => {
    expect(world.last('forwards.changed')).toMatchObject([{ id, refused: 1, accepted: 0 }]);
  });
  expect(reached).toBe(false);
});

it('a platform that cannot tell whose a socket is has no local forwards', async () => {
  const world = await start({ lookUp: () => Promise.resolve({ kind: 'unsupported' }) });
  const port = await listen(shout);
  const { listenPort } = await world.engine.handlers['forwards.open'](wanted(port));
  await expect(asked(listenPort, 'hello')).rejects.toThrow();
  await eventually(() => {
    expect(world.last('forwards.changed')).toMatchObject([{ state: 'failed', error: { code: 'denied' } }]);
  });
});

it('a port that is taken is said to be', async () => {
  const world = await start(own);
  const taken = await listen(shout);
  await expect(
    world.engine.handlers['forwards.open']({ ...wanted(1), listenPort: taken }),
  ).rejects.toMatchObject({ code: 'conflict' });
});

it('what the target refuses to dial stands at the forward, which goes on', async () => {
  const world = await start(own);
  const forward = await world.engine.handlers['forwards.open'](wanted(1));
  await expect(asked(forward.listenPort, 'hello')).rejects.toThrow();
  await eventually(() => {
    const [view] = world.last('forwards.changed') ?? [];
    expect(view).toMatchObject({ state: 'open' });
    expect(view?.error?.code).toMatch(/target|denied/);
  });
});

it('stopping a forward ends its sockets, its port and its session', async () => {
  const world = await start(own);
  const port = await listen(() => undefined);
  const { id, listenPort } = await world.engine.handlers['forwards.open'](wanted(port));
  const socket = connect(listenPort, '127.0.0.1');
  const closed = once(socket, 'close');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  await world.engine.handlers['forwards.close']({ id });
  await closed;
  await expect(asked(listenPort, 'hello')).rejects.toThrow();
  expect(await world.engine.handlers['forwards.list']({})).toEqual([]);
  await eventually(() => {
    expect(world.target.connections.size).toBe(0);
  });
});

it('a revocation ends the forward and says why', async () => {
  const world = await start(own);
  const port = await listen(shout);
  await world.engine.handlers['forwards.open'](wanted(port));
  world.target.disconnect('this session was revoked');
  await eventually(() => {
    expect(world.last('forwards.changed')).toMatchObject([
      { state: 'failed', listenPort: 0, error: { message: 'this session was revoked' } },
    ]);
  });
});
