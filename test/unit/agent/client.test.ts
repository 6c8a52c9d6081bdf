import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { api } from '../../../gateway-core/agent/client/api.js';
import { type Gateway, openGateway } from '../../../gateway-core/agent/client/gateway.js';
import type { ClientState } from '../../../gateway-core/agent/client/state.js';
import { paths } from '../../../gateway-core/contract/api.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from './fake-gateway.js';
import { demoLogin, remove, temporaryHome } from './support.js';

let fake: FakeGateway;
let state: ClientState;
let home: string;
let gateway: Gateway;

beforeAll(async () => {
  fake = await startFakeGateway();
});
afterAll(async () => {
  await fake.kill();
  await remove(fake.directory);
});
beforeEach(async () => {
  ({ state, home } = await temporaryHome());
  Object.assign(fake.behaviour, {
    routes: {},
    ticketLifeMs: 600_000,
    principal: 'demo/contractor',
    refreshDelayMs: 0,
    streamHead: '',
    stream: (stream: NodeJS.ReadWriteStream) => stream.pipe(stream),
  });
  Object.assign(fake.refreshes, { used: 0, reused: 0 });
  await demoLogin(fake, state);
  gateway = await openGateway(fake.url, { state });
});
afterEach(async () => {
  gateway.close();
  await remove(home);
});

describe('requests', () => {
  test('every request carries a proof of the device key for exactly that request', async () => {
    const me = await api.whoami(gateway);
    expect(me.principal).toBe('demo/contractor');
    expect(me.deviceKey).toBe(gateway.deviceKey);
  });

  test('a new server nonce is taken up by signing once more, not by failing', async () => {
    await api.whoami(gateway);
    fake.behaviour.nonce = `nonce-${Math.random()}`;
    const before = fake.requests.length;
    await expect(api.whoami(gateway)).resolves.toMatchObject({ principal: 'demo/contractor' });
    await api.whoami(gateway);
    expect(fake.requests.length - before).toBe(3);
  });

  test('a gateway that never accepts a nonce is not asked forever', async () => {
    fake.behaviour.routes[`GET ${paths.whoami}`] = new ThroughlineError('proof-nonce', 'again');
    const before = fake.requests.length;
    await expect(api.whoami(gateway)).rejects.toMatchObject({ code: 'proof-nonce' });
    expect(fake.requests.length - before).toBeLessThanOrEqual(3);
  });

  test('the proof covers the path without its query', async () => {
    fake.behaviour.routes[`GET ${paths.search}`] = [];
    await expect(api.search(gateway, { q: 'a b&c=d' })).resolves.toEqual([]);
    expect(fake.requests.at(-1)).toBe('GET /v1/search?q=a+b%26c%3Dd');
  });

  test('a ticket that the gateway ended is renewed once and the request goes on', async () => {
    fake.endTickets();
    await expect(api.whoami(gateway)).resolves.toMatchObject({ principal: 'demo/contractor' });
    expect(fake.refreshes).toEqual({ used: 1, reused: 0 });
  });

  test('a problem of the gateway arrives with its code, text and action', async () => {
    fake.behaviour.routes[`GET ${paths.whoami}`] = new ThroughlineError('denied', 'not you', {
      action: 'ask',
    });
    await expect(api.whoami(gateway)).rejects.toMatchObject({
      code: 'denied',
      message: 'not you',
      action: 'ask',
    });
  });

  test('an answer that does not fit the contract is refused, not passed on', async () => {
    fake.behaviour.routes[`GET ${paths.whoami}`] = { principal: 7 };
    await expect(api.whoami(gateway)).rejects.toMatchObject({ code: 'internal' });
    const html: RouteHandler = (_, response) => response.end('<html>hello</html>');
    fake.behaviour.routes[`GET ${paths.whoami}`] = html;
    await expect(api.whoami(gateway)).rejects.toMatchObject({ code: 'internal' });
  });

  test('a redirect is not followed', async () => {
    const away: RouteHandler = (_, response) =>
      response.writeHead(302, { location: `${fake.url}/elsewhere` }).end();
    fake.behaviour.routes[`GET ${paths.whoami}`] = away;
    await expect(api.whoami(gateway)).rejects.toBeInstanceOf(ThroughlineError);
    expect(fake.requests.at(-1)).toBe('GET /v1/whoami');
  });

  test('streamed lines arrive one by one, whatever the packets, and the last one needs no line end', async () => {
    const lines: RouteHandler = (_, response) => {
      const bytes = Buffer.from('{"a":"é"}\n\n{"a":"2"}\n{"a":"3"}');
      for (const byte of bytes) response.write(Buffer.of(byte));
      response.end();
    };
    fake.behaviour.routes['GET /lines'] = lines;
    const found: unknown[] = [];
    for await (const line of gateway.lines({ method: 'GET', path: '/lines' }, z.object({ a: z.string() }))) {
      found.push(line);
    }
    expect(found).toEqual([{ a: 'é' }, { a: '2' }, { a: '3' }]);
  });

  test('a stream of lines that breaks off is an error, not an end', async () => {
    const cut: RouteHandler = (_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"a":"1"}\n', () => response.destroy());
    };
    fake.behaviour.routes['GET /lines'] = cut;
    const read = async (): Promise<void> => {
      for await (const _ of gateway.lines({ method: 'GET', path: '/lines' }, z.unknown())) {
        // Only the end matters.
      }
    };
    await expect(read()).rejects.toMatchObject({ code: 'gateway-unreachable' });
  });

  test('a path cannot lead a request to another host', async () => {
    await expect(gateway.text({ method: 'GET', path: '//evil.example/v1' })).rejects.toThrow(
      'left its gateway',
    );
    await expect(gateway.text({ method: 'GET', path: 'https://evil.example/' })).rejects.toThrow();
  });

  test('a gateway that is gone is unreachable, with what to do', async () => {
    const gone = await startFakeGateway();
    await demoLogin(gone, state);
    const client = await openGateway(gone.url, { state });
    await gone.kill();
    await expect(api.whoami(client)).rejects.toMatchObject({ code: 'gateway-unreachable' });
    client.close();
    await remove(gone.directory);
  });
});

describe('streams', () => {
  test('an upgraded stream carries bytes both ways and can be half-closed', async () => {
    const stream = await gateway.openStream('shop-db');
    stream.end('hello');
    expect(await text(stream)).toBe('hello');
  });

  test('bytes that came with the upgrade answer are not lost', async () => {
    fake.behaviour.streamHead = 'first ';
    const stream = await gateway.openStream('shop-db');
    stream.end('second');
    expect(await text(stream)).toBe('first second');
  });

  test('a refused stream is the problem that the gateway gave', async () => {
    fake.behaviour.stream = new ThroughlineError('denied', 'policy says no', { action: 'ask' });
    await expect(gateway.openStream('shop-db')).rejects.toMatchObject({
      code: 'denied',
      message: 'policy says no',
    });
  });

  test('a stream opens with a new nonce and with an ended ticket too', async () => {
    fake.behaviour.nonce = `nonce-${Math.random()}`;
    fake.endTickets();
    const stream = await gateway.openStream('shop-db');
    stream.end('x');
    expect(await text(stream)).toBe('x');
  });
});

describe('tickets', () => {
  test('a ticket is renewed before it ends, and many requests at once renew it once', async () => {
    fake.behaviour.ticketLifeMs = 1;
    await demoLogin(fake, state);
    fake.behaviour.ticketLifeMs = 600_000;
    const client = await openGateway(fake.url, { state });
    await Promise.all(Array.from({ length: 8 }, () => api.whoami(client)));
    expect(fake.refreshes).toEqual({ used: 1, reused: 0 });
    client.close();
  });

  test('two clients that share a home never use one refresh token twice', async () => {
    fake.behaviour.refreshDelayMs = 30;
    const other = await openGateway(fake.url, { state });
    for (let round = 0; round < 3; round++) {
      fake.endTickets();
      await Promise.all([api.whoami(gateway), api.whoami(other), api.whoami(gateway)]);
    }
    expect(fake.refreshes.reused).toBe(0);
    other.close();
  });

  test('a sign-in that was ended elsewhere says so and how to sign in', async () => {
    fake.endTickets();
    const signIn = await state.signIn(fake.url);
    if (signIn?.tokens === undefined) throw new Error('there is one');
    await state.saveSignIn({ ...signIn, tokens: { ...signIn.tokens, refreshToken: 'unknown' } });
    await expect(api.whoami(gateway)).rejects.toMatchObject({
      code: 'not-signed-in',
      action: expect.stringContaining('throughline login') as string,
    });
  });

  test('a client never goes on as another person who signed in meanwhile', async () => {
    fake.behaviour.principal = 'demo/admin';
    await demoLogin(fake, state);
    fake.endTickets();
    await expect(api.whoami(gateway)).rejects.toMatchObject({ code: 'not-signed-in' });
  });

  test('nothing opens without a sign-in', async () => {
    const other = await temporaryHome();
    await expect(openGateway(fake.url, { state: other.state })).rejects.toMatchObject({
      code: 'not-signed-in',
    });
    await remove(other.home);
  });

  test('a ticket of another device is worth nothing', async () => {
    const other = await temporaryHome();
    await demoLogin(fake, other.state);
    const [mine, theirs] = [await state.signIn(fake.url), await other.state.signIn(fake.url)];
    if (mine === undefined || theirs === undefined) throw new Error('both signed in');
    await other.state.saveSignIn({ ...theirs, tokens: mine.tokens });
    const thief = await openGateway(fake.url, { state: other.state });
    await expect(api.whoami(thief)).rejects.toMatchObject({ code: 'proof-invalid' });
    thief.close();
    await remove(other.home);
  });
});

describe('what is kept on disk', () => {
  test('no token and no private key stands in clear in any file of the home', async () => {
    await api.whoami(gateway);
    const signIn = await state.signIn(fake.url);
    const secrets = [...fake.tokens, signIn?.deviceKey.d ?? 'none'];
    const files = await readdir(home, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      files
        .filter((file) => file.isFile())
        .map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
    );
    expect(contents.length).toBeGreaterThan(2);
    for (const secret of secrets) expect(contents.some((content) => content.includes(secret))).toBe(false);
  });
});
