import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../../../../gateway-core/agent/client/gateway.js';
import type { ClientState } from '../../../../gateway-core/agent/client/state.js';
import { Tunnels } from '../../../../gateway-core/agent/service/tunnels.js';
import { paths } from '../../../../gateway-core/contract/api.js';
import type { TunnelView } from '../../../../gateway-core/contract/bridge/work.js';
import { eventually } from '../../../eventually.js';
import { type FakeGateway, json, type RouteHandler, startFakeGateway } from '../fake-gateway.js';
import { demoLogin, remove, temporaryHome } from '../support.js';

let fake: FakeGateway;
let gateway: Gateway;
let state: ClientState;
let home: string;
const all: Tunnels[] = [];
const told: TunnelView[][] = [];

beforeEach(async () => {
  fake = await startFakeGateway();
  ({ home, state } = await temporaryHome());
  await demoLogin(fake, state);
  gateway = await openGateway(fake.url, { state });
  told.length = 0;
});
afterEach(async () => {
  await Promise.all(all.splice(0).map((each) => each.end()));
  gateway.close();
  await fake.kill();
  await remove(home);
});

/** As an agent process of its own would have them. */
function tunnels(): Tunnels {
  const made = new Tunnels({
    state,
    gateway: () => gateway,
    emit: (name, payload) => void (name === 'tunnels.changed' && told.push(payload as TunnelView[])),
  });
  all.push(made);
  return made;
}

async function echoed(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.write('hello');
  await once(socket, 'data');
  return socket;
}

async function refused(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  return new Promise((resolve) => {
    socket.once('error', () => resolve(true));
    socket.once('connect', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function occupied(port: number): Promise<Server> {
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const released = (server: Server): Promise<unknown> => {
  server.close();
  return once(server, 'close');
};

/** The list of connections is answered when the test says so. */
function holdConnections(): () => void {
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const connection = { name: 'shop-db', protocol: 'postgres', labels: {}, access: 'allowed' };
  const route: RouteHandler = (_, response) => void held.then(() => json(response, [connection]));
  fake.behaviour.routes[`GET ${paths.connections}`] = route;
  return release;
}

describe('a tunnel', () => {
  it('leads to its connection, and its lines name its port', async () => {
    const open = await tunnels().open('shop-db', undefined);
    expect(open).toMatchObject({ state: 'open', host: '127.0.0.1', user: 'contractor', database: 'shop' });
    for (const { text } of open.lines) expect(text).toContain(String(open.port));
    // Before there is a socket: how many there are is told now and then.
    expect(told.at(-1)).toEqual([open]);
    (await echoed(open.port)).destroy();
    expect(fake.requests.at(-1)).toBe(`GET ${paths.stream('shop-db')}`);
  });

  it('has the same port again after a restart', async () => {
    const first = tunnels();
    const { port } = await first.open('shop-db', undefined);
    await first.end();
    expect((await tunnels().open('shop-db', undefined)).port).toBe(port);
  });

  it('takes another port when a program has taken that of the last time', async () => {
    const first = tunnels();
    const { port } = await first.open('shop-db', undefined);
    await first.end();
    const other = await occupied(port);
    const open = await tunnels().open('shop-db', undefined);
    expect(open.state).toBe('open');
    expect(open.port).not.toBe(port);
    await released(other);
  });

  it('on a port that was asked for and is taken says so, and stands in the list as failed', async () => {
    const other = await occupied(0);
    const { port } = other.address() as { port: number };
    const made = tunnels();
    await expect(made.open('shop-db', port)).rejects.toMatchObject({ code: 'conflict' });
    expect(made.list()).toMatchObject([
      { connection: 'shop-db', state: 'failed', error: { code: 'conflict' } },
    ]);
    await released(other);
    expect(await made.open('shop-db', port)).toMatchObject({ state: 'open', port });
    expect(made.list()[0]?.error).toBeUndefined();
  });

  it('to a connection that is not there, or not allowed, is denied in the same words', async () => {
    const made = tunnels();
    const denial = (connection: string): Promise<unknown> =>
      made.open(connection, undefined).catch((error: Error) => error.message.replace(connection, '...'));
    const missing = await denial('nothing');
    fake.behaviour.routes[`GET ${paths.connections}`] = [
      { name: 'secret', protocol: 'postgres', labels: {}, access: 'request' },
    ];
    expect(await denial('secret')).toBe(missing);
  });

  it('that is asked for again is the one that is open; with another port it moves', async () => {
    const made = tunnels();
    const first = await made.open('shop-db', undefined);
    expect(await made.open('shop-db', undefined)).toEqual(first);
    expect(await made.open('shop-db', first.port)).toEqual(first);
    const free = await occupied(0);
    const { port } = free.address() as { port: number };
    await released(free);
    expect((await made.open('shop-db', port)).port).toBe(port);
    expect(await refused(first.port)).toBe(true);
    expect(made.list()).toHaveLength(1);
  });

  it('that is closed listens no more, and its sockets are cut', async () => {
    const made = tunnels();
    const { port } = await made.open('shop-db', undefined);
    const socket = await echoed(port);
    const closed = once(socket, 'close');
    await made.close('shop-db');
    await closed;
    expect(await refused(port)).toBe(true);
    expect(made.list()).toEqual([]);
    expect(told.at(-1)).toEqual([]);
    await made.close('shop-db');
  });

  it('that is closed while it opens does not stay open unseen', async () => {
    const release = holdConnections();
    const made = tunnels();
    const opening = made.open('shop-db', undefined);
    opening.catch(() => undefined);
    await eventually(() => expect(fake.requests.at(-1)).toContain(paths.connections));
    await made.close('shop-db');
    release();
    await expect(opening).rejects.toMatchObject({ code: 'conflict' });
    expect(made.list()).toEqual([]);
    expect(told.at(-1)).toEqual([]);
    const { ports } = await state.settings();
    for (const port of Object.values(ports)) expect(await refused(port)).toBe(true);
  });

  it('is opened once, whoever asks while it opens', async () => {
    const release = holdConnections();
    const made = tunnels();
    const first = made.open('shop-db', undefined);
    expect(await made.open('shop-db', undefined)).toMatchObject({ state: 'opening', port: 0 });
    release();
    await first;
    expect(made.list()).toMatchObject([{ state: 'open' }]);
  });

  it('counts its sockets', async () => {
    const made = tunnels();
    const { port } = await made.open('shop-db', undefined);
    const sockets = [await echoed(port), await echoed(port)];
    await eventually(() => expect(told.at(-1)).toMatchObject([{ sockets: 2 }]));
    for (const socket of sockets) socket.destroy();
    await eventually(() => expect(told.at(-1)).toMatchObject([{ sockets: 0 }]));
  });

  it('that was wanted at the start is opened, and one that cannot be stands in the list', async () => {
    const made = tunnels();
    await made.openAll(['nothing', 'shop-db']);
    expect(made.list().map(({ connection, state: each }) => [connection, each])).toEqual([
      ['nothing', 'failed'],
      ['shop-db', 'open'],
    ]);
    await made.openAll(['shop-db']);
    await made.closeAll();
    expect(made.list()).toEqual([]);
  });
});
