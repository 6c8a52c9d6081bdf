import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { wireLimits } from '../../gateway-core/contract/bridge/wire.js';
import { bridgeLimits, closeCodes } from '../../main/browser-host/bridge.js';
import { keyLimits } from '../../main/browser-host/keys.js';
import { listenerLimits } from '../../main/browser-host/listener.js';
import { eventually } from '../eventually.js';
import {
  call,
  open,
  own,
  raw,
  request,
  startTestHost,
  statusOf,
  type TestHost,
  untilClosed,
  welcomed,
} from './host-support.js';

let host: TestHost;
beforeEach(async () => {
  host = await startTestHost();
});
afterEach(() => host.close());

const upgrade = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

describe('names and origins', () => {
  const hosts = ['evil.example', 'localhost', '127.0.0.1', '[::1]', '127.0.0.1.', '2130706433'];

  it('a request that names another host is misdirected, whatever it asks for', async () => {
    for (const name of hosts.flatMap((each) => [each, `${each}:${host.port}`])) {
      if (name === `127.0.0.1:${host.port}`) continue;
      for (const line of ['GET /', 'POST /key', 'POST /open', 'GET /bridge']) {
        expect([name, line, statusOf(await request(host, line, { host: name }))]).toEqual([name, line, 421]);
      }
    }
  });

  it('a request without a host, or with two, is refused', async () => {
    expect(statusOf(await raw(host.port, 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n'))).toBe(400);
    expect(statusOf(await raw(host.port, 'GET / HTTP/1.0\r\n\r\n'))).toBe(421);
    const two = `GET / HTTP/1.1\r\nhost: 127.0.0.1:${host.port}\r\nhost: evil.example\r\nconnection: close\r\n\r\n`;
    expect([400, 421]).toContain(statusOf(await raw(host.port, two)));
  });

  it('a WebSocket of another origin, or of none, or for another host, is not opened', async () => {
    const right = own(host);
    const cases: [Record<string, string>, number][] = [
      [{ ...right, origin: 'http://evil.example' }, 403],
      [{ ...right, origin: 'null' }, 403],
      [{ ...right, origin: `http://localhost:${host.port}` }, 403],
      [{ ...right, origin: `${host.origin}.evil.example` }, 403],
      [{ host: right['host'] ?? '' }, 403],
      [{ ...right, 'sec-fetch-site': 'cross-site' }, 403],
      [{ ...right, host: `evil.example:${host.port}` }, 421],
    ];
    for (const [headers, status] of cases) {
      expect(statusOf(await request(host, 'GET /bridge', { ...headers, ...upgrade }))).toBe(status);
    }
    expect(statusOf(await request(host, 'GET /other', { ...right, ...upgrade }))).toBe(404);
  });

  it('a page of another origin reaches neither the key nor the bridge, and uses up no ticket', async () => {
    const ticket = host.keys.issueTicket();
    const foreign = createServer((_request, response) => response.end('<!doctype html><title>evil</title>'));
    foreign.listen(0, '127.0.0.1');
    await once(foreign, 'listening');
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] });
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${(foreign.address() as AddressInfo).port}/`);
      const seen = await page.evaluate(tryEverything, { port: host.port, ticket });
      expect(seen).toEqual({ key: 'failed', opaque: 'failed', socket: 'refused', framed: 'blank' });
    } finally {
      await browser.close();
      foreign.close();
    }
    expect(host.keys.exchange(ticket)).toBeDefined();
    expect(host.ran).toEqual([]);
  });
});

/** Runs in the foreign page. */
async function tryEverything({ port, ticket }: { port: number; ticket: string }): Promise<object> {
  const base = `http://127.0.0.1:${port}`;
  const send = (mode: 'cors' | 'no-cors'): Promise<string> =>
    fetch(`${base}/key`, { method: 'POST', body: ticket, mode }).then(
      (answer) => answer.type,
      () => 'failed',
    );
  const key = await send('cors');
  const opaque = await send('no-cors');
  const socket = await new Promise<string>((resolve) => {
    const opened = new WebSocket(`ws://127.0.0.1:${port}/bridge`);
    opened.addEventListener('open', () => resolve('opened'));
    opened.addEventListener('error', () => resolve('refused'));
  });
  const framed = await new Promise<string>((resolve) => {
    const frame = document.createElement('iframe');
    frame.addEventListener('load', () => {
      // A refused frame shows the browser's error page, which no script reads; one that loaded would answer.
      resolve(frame.contentDocument === null ? 'blank' : 'readable');
    });
    frame.src = `${base}/`;
    document.body.append(frame);
  });
  return { key, opaque, socket, framed };
}

describe('tickets and keys', () => {
  const exchange = async (ticket: string, headers = own(host)): Promise<number> =>
    statusOf(await request(host, 'POST /key', headers, ticket));

  it('a ticket opens once', async () => {
    const ticket = host.keys.issueTicket();
    expect(await exchange(ticket)).toBe(200);
    expect(await exchange(ticket)).toBe(403);
  });

  it('of many uses of one ticket at the same time, one succeeds', async () => {
    const ticket = host.keys.issueTicket();
    const all = await Promise.all(Array.from({ length: 20 }, () => exchange(ticket)));
    expect(all.filter((status) => status === 200)).toHaveLength(1);
  });

  it('a ticket is void after its time', async () => {
    const ticket = host.keys.issueTicket();
    host.clockMs += keyLimits.ticketLifeMs;
    expect(await exchange(ticket)).toBe(403);
  });

  it('a ticket without the page’s own origin is refused, and stays good', async () => {
    const ticket = host.keys.issueTicket();
    const { host: name = '' } = own(host);
    expect(await exchange(ticket, { host: name })).toBe(403);
    expect(await exchange(ticket, { host: name, origin: 'null' })).toBe(403);
    expect(await exchange(ticket)).toBe(200);
  });

  it('a page that an agent opens gets no key, and uses up no ticket; with a key it gets no bridge', async () => {
    let agent: string | undefined;
    const guarded = await startTestHost({ agentBehind: () => Promise.resolve(agent) });
    const ticket = guarded.keys.issueTicket();
    const key = guarded.keys.exchange(guarded.keys.issueTicket());
    expect(key).toBeDefined();
    agent = 'claude';
    expect(statusOf(await request(guarded, 'POST /key', own(guarded), ticket))).toBe(403);
    expect(statusOf(await request(guarded, 'GET /bridge', { ...upgrade, ...own(guarded) }))).toBe(403);
    expect(guarded.reports).toHaveLength(2);
    expect(guarded.reports[0]).toContain('claude');
    agent = undefined;
    expect(statusOf(await request(guarded, 'POST /key', own(guarded), ticket))).toBe(200);
    await guarded.close();
  });

  it('what is no ticket opens nothing', async () => {
    for (const wrong of ['x', ' ', '__proto__', 'constructor', 'A'.repeat(43)])
      expect(await exchange(wrong)).toBe(403);
    expect(await exchange('A'.repeat(10_000))).toBe(413);
  });

  it('only the last tickets and keys are known', () => {
    const first = host.keys.issueTicket();
    for (let number = 0; number < keyLimits.ticketsMax; number += 1) host.keys.issueTicket();
    expect(host.keys.exchange(first)).toBeUndefined();
    const key = host.keys.exchange(host.keys.issueTicket()) ?? '';
    expect(host.keys.knows(key)).toBe(true);
    for (let number = 0; number < keyLimits.keysMax; number += 1) host.keys.exchange(host.keys.issueTicket());
    expect(host.keys.knows(key)).toBe(false);
  });

  it('a window is asked for with the secret of a private file, never by a page', async () => {
    const { host: name = '' } = own(host);
    expect(statusOf(await request(host, 'POST /open', { host: name }, 'wrong'))).toBe(403);
    expect(statusOf(await request(host, 'POST /open', { host: name }, 'right'))).toBe(200);
    expect(statusOf(await request(host, 'POST /open', own(host), 'right'))).toBe(403);
    expect(
      statusOf(await request(host, 'POST /open', { host: name, 'sec-fetch-site': 'none' }, 'right')),
    ).toBe(403);
    expect(host.reopened).toEqual(['wrong', 'right']);
  });
});

describe('the bridge', () => {
  it('a socket that says nothing, or says hello too late, is closed', async () => {
    const key = host.keys.exchange(host.keys.issueTicket());
    const [silent, late] = [open(host), open(host)];
    await once(late.socket, 'open');
    await sleep(wireLimits.helloTimeoutMs + 100);
    late.socket.send(JSON.stringify({ kind: 'hello', key }), () => undefined);
    expect([await silent.closed, await late.closed]).toEqual([closeCodes.noHello, closeCodes.noHello]);
    expect(late.messages).toEqual([]);
  });

  it.each([
    ['a wrong key', { kind: 'hello', key: 'A'.repeat(43) }, closeCodes.keyUnknown],
    ['a ticket for a key', { kind: 'hello', key: 'ticket' }, closeCodes.violation],
    ['a call', { kind: 'call', id: 1, name: 'preferences.get', input: {} }, closeCodes.violation],
    ['nonsense', ['hello'], closeCodes.violation],
    ['a hello with more in it', { kind: 'hello', key: 'A'.repeat(43), admin: true }, closeCodes.violation],
  ])('%s in place of the hello closes the socket and runs nothing', async (_what, message, code) => {
    const peer = open(host);
    await once(peer.socket, 'open');
    peer.socket.send(JSON.stringify(message === undefined ? {} : message));
    peer.socket.send(JSON.stringify({ kind: 'call', id: 2, name: 'preferences.get', input: {} }));
    expect(await peer.closed).toBe(code);
    expect(host.ran).toEqual([]);
    expect(peer.messages).toEqual([]);
  });

  it('a ticket is no key, and a key no ticket', async () => {
    const peer = open(host);
    await once(peer.socket, 'open');
    peer.socket.send(JSON.stringify({ kind: 'hello', key: host.keys.issueTicket() }));
    expect(await peer.closed).toBe(closeCodes.keyUnknown);
    const key = host.keys.exchange(host.keys.issueTicket()) ?? '';
    expect(host.keys.exchange(key)).toBeUndefined();
  });

  it('a second hello closes the socket', async () => {
    const peer = await welcomed(host);
    peer.socket.send(JSON.stringify({ kind: 'hello', key: host.keys.exchange(host.keys.issueTicket()) }));
    expect(await peer.closed).toBe(closeCodes.violation);
  });

  it('what is no JSON, no text or no message closes the socket', async () => {
    const wrong = [
      '{',
      '"',
      'null',
      '[]',
      Buffer.from([1, 2, 3]),
      JSON.stringify({ kind: 'call', id: -1, name: 'x' }),
    ];
    for (const each of wrong) {
      const peer = await welcomed(host);
      peer.socket.send(each);
      expect(await peer.closed).toBe(closeCodes.violation);
    }
    expect(host.ran).toEqual([]);
  });

  it('names of the prototype are no calls', async () => {
    const peer = await welcomed(host);
    const names = [
      '__proto__',
      'constructor',
      'toString',
      'hasOwnProperty',
      'valueOf',
      '',
      'app',
      'app.state ',
    ];
    for (const [id, name] of names.entries()) {
      expect(await call(peer, id, name)).toMatchObject({ kind: 'error', error: { code: 'invalid-request' } });
    }
    expect(host.ran).toEqual([]);
    expect(await call(peer, 99, 'preferences.get')).toMatchObject({ kind: 'result' });
  });

  it('before the hello nothing large is taken in', async () => {
    const peer = open(host);
    await once(peer.socket, 'open');
    peer.socket.send(Buffer.alloc(bridgeLimits.helloBytesMax * 2));
    expect(await peer.closed).toBe(1006);
  });

  it('a message that is too large closes the socket, and the next tab is served', async () => {
    const peer = await welcomed(host);
    peer.socket.send(Buffer.alloc(wireLimits.messageBytesMax + 1, 0x20));
    expect([1006, 1009]).toContain(await peer.closed);
    expect(await call(await welcomed(host), 1, 'preferences.get')).toMatchObject({ kind: 'result' });
  });

  it('no more tabs are taken than there can be', async () => {
    const key = host.keys.exchange(host.keys.issueTicket());
    const peers = Array.from({ length: bridgeLimits.socketsMax + 5 }, () => open(host));
    for (const { socket } of peers) {
      socket.once('open', () => socket.send(JSON.stringify({ kind: 'hello', key })));
    }
    let ends = 0;
    const five = new Promise<void>((resolve) => {
      for (const { closed } of peers) {
        void closed.then(() => {
          ends += 1;
          if (ends === 5) resolve();
        });
      }
    });
    await five;
    while (host.dispatcher.windows() < bridgeLimits.socketsMax) await sleep(20);
    expect(ends).toBe(5);
  });
});

describe('requests', () => {
  it('no path leads out of the built files', async () => {
    const paths = [
      '/../secret.txt',
      '/assets/../../secret.txt',
      '/..%2fsecret.txt',
      '/%2e%2e/secret.txt',
      '/..\\secret.txt',
      '//secret.txt',
      '/assets/..%00/secret.txt',
      '/./secret.txt',
      'file:///etc/passwd',
      '/assets',
      '/assets/',
      '/__proto__',
      '/index.html/',
      '/%',
    ];
    for (const path of paths) {
      const answer = await request(host, `GET ${path}`, own(host));
      expect([path, statusOf(answer)]).toEqual([path, 404]);
      expect(answer).not.toContain('outside');
    }
  });

  it('only GET, HEAD and POST are answered, and POST at its two places only', async () => {
    for (const method of ['PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      expect([method, statusOf(await request(host, `${method} /`, own(host)))]).toEqual([method, 405]);
    }
    for (const path of ['/', '/bridge', '/index.html', '/key/']) {
      expect(statusOf(await request(host, `POST ${path}`, own(host), 'x'))).toBe(404);
    }
    expect(statusOf(await request(host, 'CONNECT evil.example:443', own(host)))).toBe(0);
  });

  it('every answer carries the policies, errors too', async () => {
    for (const line of ['GET /', 'GET /assets/main-abcd1234.js', 'GET /no', 'PUT /', 'POST /key']) {
      const answer = await request(host, line, own(host));
      expect(answer).toContain("content-security-policy: default-src 'none'; script-src 'self';");
      expect(answer).toContain('x-content-type-options: nosniff');
      expect(answer).toMatch(/cache-control: (no-store|public, max-age=31536000, immutable)/);
    }
    expect(await request(host, 'GET /', own(host))).toContain('cache-control: no-store');
    expect(await request(host, 'GET /assets/main-abcd1234.js', own(host))).toContain('immutable');
    expect((await request(host, 'HEAD /', own(host))).split('\r\n\r\n')[1]).toBe('');
  });

  it('a request or a body that comes drop by drop is cut off', async () => {
    const { host: name = '', origin = '' } = own(host);
    const post = `POST /key HTTP/1.1\r\nhost: ${name}\r\norigin: ${origin}\r\ncontent-length: 100\r\n\r\n`;
    const answers = await Promise.all([dripping('GET / HTTP/1.1\r\nhost: '), dripping(post)]);
    expect(answers.map(statusOf)).toEqual([408, 408]);
  });

  it('headers without end, and bytes that are no HTTP, are cut off', async () => {
    const long = `GET / HTTP/1.1\r\nhost: 127.0.0.1:${host.port}\r\nx: ${'x'.repeat(64 * 1024)}`;
    expect(statusOf(await raw(host.port, long))).not.toBe(200);
    expect(statusOf(await raw(host.port, '\u0016\u0003\u0001\u0002\u0000\u0001'))).toBe(400);
    expect(statusOf(await raw(host.port, 'GET /\r\n\r\n'))).toBe(421);
  });

  it('two requests in one are not taken for one', async () => {
    const { host: name = '' } = own(host);
    const smuggled = `POST /key HTTP/1.1\r\nhost: ${name}\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nhost: ${name}\r\n\r\n`;
    expect(await raw(host.port, smuggled)).not.toContain('the page');
  });
});

describe('other users and many sockets', () => {
  it.each([
    ['belongs to another user', { kind: 'user', uid: (process.geteuid?.() ?? 0) + 1 }],
    ['belongs to nobody that can be found', { kind: 'unknown' }],
  ] as const)('a socket that %s is reset before a byte of it is read', async (_what, peer) => {
    let asked: Socket | undefined;
    const guarded = await startTestHost({
      lookUp: (socket) => {
        asked = socket;
        return Promise.resolve(peer);
      },
    });
    expect(await request(guarded, 'GET /', own(guarded))).toBe('');
    expect(asked?.bytesRead).toBe(0);
    await guarded.close();
  });

  it('a look-up that breaks lets nobody in', async () => {
    const guarded = await startTestHost({ lookUp: () => Promise.reject(new Error('no table')) });
    expect(await request(guarded, 'GET /', own(guarded))).toBe('');
    await guarded.close();
  });

  it('this user gets in by the kernel’s own tables, and another one by none', async () => {
    expect(statusOf(await request(host, 'GET /', own(host)))).toBe(200);
    // Only root can become somebody else; anybody else has shown above what happens then.
    if (process.getuid?.() !== 0) return;
    const script = `const s=require('net').connect(${host.port},'127.0.0.1');s.on('error',()=>{});s.on('data',()=>{console.log('answered')});s.on('close',()=>console.log('closed'));s.write('GET / HTTP/1.1\\r\\nhost: 127.0.0.1:${host.port}\\r\\n\\r\\n')`;
    const seen = await new Promise<string>((resolve) => {
      setImmediate(() => resolve(runAsNobody(script)));
    });
    expect(seen).toBe('started');
    while (host.reports.length === 0) await sleep(20);
    expect(host.reports[0]).toContain('uid 65534');
  });

  it('ten thousand sockets take nothing from a tab that is open, and later ones are served', async () => {
    const tab = await welcomed(host);
    const held = new Set<Socket>();
    let connected = 0;
    for (let wave = 0; wave < 20; wave += 1) {
      const sockets = Array.from({ length: 500 }, () => connect(host.port, '127.0.0.1'));
      for (const socket of sockets) {
        held.add(socket);
        socket.on('error', () => undefined).once('close', () => held.delete(socket));
        socket.once('connect', () => (connected += 1));
      }
      expect(await call(tab, wave, 'preferences.get')).toMatchObject({ kind: 'result' });
    }
    // More came than it holds; how many of them it has closed by now is its own business.
    await eventually(() => expect(connected).toBeGreaterThan(listenerLimits.socketsMax));
    while (statusOf(await request(host, 'GET /', own(host))) !== 200) await sleep(200);
    expect(await call(tab, 1000, 'preferences.get')).toMatchObject({ kind: 'result' });
    for (const socket of held) socket.destroy();
  });
});

/** Begins with `head`, then goes on with a byte each half second until it is cut off. */
async function dripping(head: string): Promise<string> {
  const socket = connect(host.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(head);
  const drops = setInterval(() => socket.write('x'), 500);
  const answer = await untilClosed(socket);
  clearInterval(drops);
  return answer;
}

/** In a process of its own user, in the background: this one has to answer meanwhile. */
function runAsNobody(script: string): string {
  const command = `setpriv --reuid=65534 --regid=65534 --clear-groups ${process.execPath} -e "$0" >/dev/null 2>&1 &`;
  return spawnSync('sh', ['-c', command, script]).status === 0 ? 'started' : 'failed';
}
