import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Gateway, openGateway } from '../../../gateway-core/agent/client/gateway.js';
import { lookUpPeer, ownerInTables, type Peer } from '../../../gateway-core/agent/tunnel/peer.js';
import { refusePostgres } from '../../../gateway-core/agent/tunnel/refusals.js';
import {
  openTunnel,
  type Tunnel,
  type TunnelEvent,
  type TunnelOptions,
} from '../../../gateway-core/agent/tunnel/tunnel.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { type FakeGateway, startFakeGateway } from './fake-gateway.js';
import { asRoot, demoLogin, onLinux, remove, temporaryHome } from './support.js';

const open: Tunnel[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((tunnel) => tunnel.close()));
});

async function tunnelTo(
  stream: (connection: string) => Duplex | Promise<Duplex>,
  more: Partial<TunnelOptions> = {},
): Promise<{ tunnel: Tunnel; events: TunnelEvent[]; opened: () => number }> {
  const events: TunnelEvent[] = [];
  let opened = 0;
  const gateway = {
    openStream: async (connection: string) => {
      opened += 1;
      return stream(connection);
    },
  };
  const tunnel = await openTunnel({
    gateway,
    connection: 'shop-db',
    report: (event) => events.push(event),
    ...more,
  });
  open.push(tunnel);
  return { tunnel, events, opened: () => opened };
}

/** A stream that gives back what it gets, and ends when its writer does. */
function echo(): Duplex {
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => {
      stream.push(chunk);
      done();
    },
    final: (done) => {
      stream.push(null);
      done();
    },
  });
  return stream;
}

function refusing(refusal: ThroughlineError): () => Promise<Duplex> {
  return async () => {
    throw refusal;
  };
}

async function client(tunnel: Tunnel, allowHalfOpen = false): Promise<Socket> {
  const socket = connect({ port: tunnel.port, host: tunnel.host, allowHalfOpen });
  await once(socket, 'connect');
  return socket;
}

/** Resolves when a socket that is not let in is gone, which may be before it knew that it was connected. */
async function turnedAway(tunnel: Tunnel): Promise<void> {
  const socket = connect(tunnel.port, tunnel.host);
  socket.on('error', () => undefined);
  socket.write('x');
  socket.on('data', () => expect.unreachable('nothing is answered'));
  await new Promise((resolve) => socket.once('close', resolve));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

describe('who may use the tunnel', () => {
  asRoot?.('a socket of another user is refused before a byte of it is read', async () => {
    const { tunnel, events, opened } = await tunnelTo(echo);
    const code = `
      const socket = require('node:net').connect(${tunnel.port}, '127.0.0.1', () => socket.write('SECRET'));
      socket.on('data', (bytes) => console.log('got', bytes.toString()));
      socket.on('error', () => undefined);
      socket.on('close', () => console.log('closed'));`;
    const child = spawn(process.execPath, ['-e', code], { uid: 65_534, gid: 65_534, cwd: '/' });
    expect(await text(child.stdout)).toBe('closed\n');
    expect(events).toEqual([{ kind: 'refused', reason: 'other-user', uid: 65_534 }]);
    expect(opened()).toBe(0);
  });

  test.each<[string, Peer, TunnelEvent]>([
    ['another user', { kind: 'user', uid: 4242 }, { kind: 'refused', reason: 'other-user', uid: 4242 }],
    ['nobody knows whom', { kind: 'unknown' }, { kind: 'refused', reason: 'unknown-user' }],
    ['a platform that cannot tell', { kind: 'unsupported' }, { kind: 'refused', reason: 'unknown-user' }],
  ])('a socket of %s is closed without a session', async (_, peer, expected) => {
    const { tunnel, events, opened } = await tunnelTo(echo, { lookUp: () => Promise.resolve(peer) });
    await turnedAway(tunnel);
    expect(events).toEqual([expected]);
    expect(opened()).toBe(0);
  });

  test('nothing is read while the user is being looked up', async () => {
    let read = -1;
    const { tunnel } = await tunnelTo(echo, {
      lookUp: async (accepted) => {
        await sleep(50);
        read = accepted.bytesRead;
        return { kind: 'user', uid: process.geteuid?.() ?? 0 };
      },
    });
    const socket = await client(tunnel);
    socket.end('early');
    expect(await text(socket)).toBe('early');
    expect(read).toBe(0);
  });

  test('a look-up that fails lets nobody in and ends nothing else', async () => {
    let fail = true;
    const { tunnel, events } = await tunnelTo(echo, {
      lookUp: async () => {
        if (fail) throw new Error('broken');
        return { kind: 'user', uid: process.geteuid?.() ?? 0 };
      },
    });
    await turnedAway(tunnel);
    fail = false;
    const second = await client(tunnel);
    second.end('still here');
    expect(await text(second)).toBe('still here');
    expect(events).toMatchObject([{ kind: 'failed' }]);
  });

  onLinux?.('the kernel names this user for sockets of this process', async () => {
    for (const family of ['127.0.0.1', '::ffff:127.0.0.1']) {
      const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      if (address === null || typeof address === 'string') throw new Error('TCP');
      const socket = connect(address.port, family);
      const [accepted] = (await once(server, 'connection')) as [Socket];
      expect(await lookUpPeer(accepted)).toEqual({ kind: 'user', uid: process.geteuid?.() });
      socket.destroy();
      accepted.destroy();
      server.close();
    }
  });

  onLinux?.('a peer that has closed its socket already counts as unknown', async () => {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('TCP');
    const socket = connect(address.port, '127.0.0.1');
    const [accepted] = (await once(server, 'connection')) as [Socket];
    socket.destroy();
    await once(socket, 'close');
    expect(await lookUpPeer(accepted)).toEqual({ kind: 'unknown' });
    accepted.destroy();
    server.close();
  });
});

describe("the kernel's tables", () => {
  const ends = {
    local: { address: '127.0.0.1', port: 0x93d3 },
    remote: { address: '127.0.0.1', port: 0xc4b0 },
    inode: '12940',
  };
  const row = (local: string, remote: string, uid: number, inode: string, state = '01'): string =>
    `   2: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 2 00000000ec590c72 20 0 0 10 -1\n`;
  const own = row('0100007F:93D3', '0100007F:C4B0', 0, '12940');
  const peer = (uid: number, inode = '12939'): string => row('0100007F:C4B0', '0100007F:93D3', uid, inode);

  test('the owner is the uid of the row that mirrors our own socket', () => {
    expect(ownerInTables([own + peer(1000)], ends)).toBe(1000);
    expect(ownerInTables([peer(1000) + own], ends)).toBe(1000);
  });

  test('an IPv6 socket that reached us by a mapped address is found in the other table', () => {
    const mapped = '0000000000000000FFFF00000100007F';
    const peer6 = row(`${mapped}:C4B0`, `${mapped}:93D3`, 7, '5');
    expect(ownerInTables([own, peer6], ends)).toBe(7);
  });

  test('no answer without our own row: the ports may belong to a later connection', () => {
    expect(ownerInTables([peer(1000)], ends)).toBeUndefined();
    expect(
      ownerInTables([row('0100007F:93D3', '0100007F:C4B0', 0, '999') + peer(1000)], ends),
    ).toBeUndefined();
  });

  test('a socket without a process (inode 0, shown as uid 0) belongs to nobody', () => {
    expect(ownerInTables([own + peer(0, '0')], ends)).toBeUndefined();
  });

  test('two candidates are none', () => {
    const mapped = '0000000000000000FFFF00000100007F';
    expect(
      ownerInTables([own + peer(1), row(`${mapped}:C4B0`, `${mapped}:93D3`, 2, '6')], ends),
    ).toBeUndefined();
  });

  test('no text makes it throw or name a user', () => {
    fc.assert(
      fc.property(fc.array(fc.string()), fc.nat(500), (lines, cut) => {
        expect(ownerInTables([lines.join('\n')], ends)).toBeUndefined();
        const whole = own + peer(1000);
        expect([undefined, 1000, 100, 10, 1]).toContain(ownerInTables([whole.slice(0, cut)], ends));
      }),
    );
  });
});

describe('bytes', () => {
  test('each side can end on its own and the other goes on', async () => {
    const received: Buffer[] = [];
    let finish: () => void = () => undefined;
    const stream = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        received.push(chunk);
        done();
      },
      final: (done) => {
        finish();
        done();
      },
    });
    const ended = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const { tunnel } = await tunnelTo(() => stream);
    const socket = await client(tunnel, true);
    socket.end('all I have');
    await ended;
    stream.push('and still ');
    stream.push('an answer');
    stream.push(null);
    expect(await text(socket)).toBe('and still an answer');
    expect(Buffer.concat(received).toString()).toBe('all I have');
  });

  test('the gateway can end first and the client still sends', async () => {
    const stream = echoless();
    const { tunnel } = await tunnelTo(() => stream.duplex);
    const socket = await client(tunnel, true);
    let goodbye = '';
    socket.on('data', (bytes) => {
      goodbye += String(bytes);
    });
    stream.duplex.push('goodbye');
    stream.duplex.push(null);
    await once(socket, 'end');
    expect(goodbye).toBe('goodbye');
    socket.end('late');
    await until(() => stream.received() === 'late');
  });

  function echoless(): { duplex: Duplex; received: () => string } {
    let received = '';
    const duplex = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        received += chunk.toString();
        done();
      },
    });
    return { duplex, received: () => received };
  }

  test('a slow reader holds the sender back: what is under way stays bounded', async () => {
    let taken = 0;
    let release: () => void = () => undefined;
    const stream = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        taken += chunk.length;
        release = done;
      },
    });
    const { tunnel } = await tunnelTo(() => stream);
    const socket = await client(tunnel);
    const block = Buffer.alloc(1024 * 1024);
    let sent = 0;
    while (sent < 64 && socket.write(block)) sent += 1;
    const pump = (): void => {
      while (sent < 64 && socket.write(block)) sent += 1;
    };
    socket.on('drain', pump);
    await sleep(300);
    expect(sent).toBeLessThan(64);
    expect(taken).toBeLessThan(1024 * 1024);
    release();
    socket.destroy();
  });

  test('a gateway that breaks off ends the client, not the tunnel', async () => {
    const streams: Duplex[] = [];
    const { tunnel } = await tunnelTo(() => {
      const stream = echo();
      streams.push(stream);
      return stream;
    });
    const socket = await client(tunnel);
    socket.write('x');
    await once(socket, 'data');
    socket.on('error', () => undefined);
    streams[0]?.destroy(new Error('reset'));
    await once(socket, 'close');
    const again = await client(tunnel);
    again.end('again');
    expect(await text(again)).toBe('again');
  });

  test('a client that breaks off ends its stream', async () => {
    const stream = echo();
    const { tunnel } = await tunnelTo(() => stream);
    const socket = await client(tunnel);
    socket.write('x');
    await once(socket, 'data');
    socket.resetAndDestroy();
    await once(stream, 'close');
    await until(() => tunnel.sockets() === 0);
  });

  test('closing gives sockets their time and then cuts them', async () => {
    const { tunnel } = await tunnelTo(echo);
    const socket = await client(tunnel);
    socket.on('error', () => undefined);
    socket.write('x');
    await once(socket, 'data');
    const closed = once(socket, 'close');
    socket.resume();
    await tunnel.close(50);
    await closed;
    await until(() => tunnel.sockets() === 0);
  });
});

describe('refusals that PostgreSQL clients can read', () => {
  const denied = new ThroughlineError('denied', 'policy "no-contractors" says no', {
    action: 'ask an admin',
  });
  const int32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  };
  const startup = Buffer.concat([int32(4 + 4 + 14), int32(196_608), Buffer.from('user\0someone\0\0')]);
  const ssl = Buffer.concat([int32(8), int32(80_877_103)]);
  const gssapi = Buffer.concat([int32(8), int32(80_877_104)]);

  /** Sends pieces, waits for each answer byte where asked, returns all bytes. */
  async function exchange(bytes: Buffer): Promise<Buffer> {
    const { tunnel } = await tunnelTo(refusing(denied));
    const socket = await client(tunnel);
    socket.on('error', () => undefined);
    socket.write(bytes);
    return buffer(socket).catch(() => Buffer.alloc(0));
  }

  test('encryption is declined, then one FATAL error names reason and way out', async () => {
    const answer = await exchange(Buffer.concat([ssl, gssapi, startup]));
    expect(answer.subarray(0, 3).toString('latin1')).toBe('NNE');
    expect(answer.readInt32BE(3)).toBe(answer.length - 3);
    const fields = answer.subarray(7).toString().split('\0').filter(Boolean);
    expect(fields).toEqual([
      'SFATAL',
      'VFATAL',
      'C42501',
      'Mthroughline: policy "no-contractors" says no',
      'Hask an admin',
    ]);
  });

  test('however the start-up packet is cut, the answer is the same', async () => {
    const whole = await exchange(Buffer.concat([ssl, startup]));
    const { tunnel } = await tunnelTo(refusing(denied));
    const socket = await client(tunnel);
    socket.setNoDelay(true);
    const answer = buffer(socket);
    for (const byte of Buffer.concat([ssl, startup])) {
      socket.write(Buffer.of(byte));
      await sleep(1);
    }
    expect(await answer).toEqual(whole);
  });

  test.each<[string, Buffer]>([
    ['a cancel request', Buffer.concat([int32(16), int32(80_877_102), int32(1), int32(2)])],
    ['a negative length', Buffer.concat([int32(-1), int32(196_608)])],
    ['an absurd length', Buffer.concat([int32(2_000_000_000), int32(196_608)])],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['an SSLRequest with a tail', Buffer.concat([int32(12), int32(80_877_103), int32(0)])],
  ])('%s gets no answer but the end', async (_, bytes) => {
    expect(await exchange(bytes)).toEqual(Buffer.alloc(0));
  });

  test('endless requests for encryption are ended', async () => {
    const answer = await exchange(Buffer.concat(Array.from({ length: 50 }, () => ssl)));
    expect(answer.length).toBeLessThanOrEqual(4);
  });

  test('a client that says nothing is not waited for forever', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('TCP');
    const socket = connect(address.port, '127.0.0.1');
    const [accepted] = (await once(server, 'connection')) as [Socket];
    await refusePostgres(accepted, denied, 30);
    expect(accepted.destroyed).toBe(true);
    socket.destroy();
    server.close();
  });

  test('control characters of the gateway do not reach the client', async () => {
    const hostile = new ThroughlineError('denied', 'no\u001b[2J\0\nSFATAL', { action: 'x' });
    const { tunnel } = await tunnelTo(refusing(hostile));
    const socket = await client(tunnel);
    socket.write(startup);
    const answer = (await buffer(socket)).subarray(5).toString();
    expect(answer.split('\0').filter(Boolean)).toContain('Mthroughline: no [2J SFATAL');
  });

  test('random bytes never make it answer with more than a refusal, nor fall over', async () => {
    const { tunnel } = await tunnelTo(refusing(denied));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        const socket = await client(tunnel, true);
        socket.on('error', () => undefined);
        socket.end(bytes);
        const answer = await buffer(socket).catch(() => Buffer.alloc(0));
        expect([undefined, 'N'.charCodeAt(0), 'E'.charCodeAt(0)]).toContain(answer[0]);
      }),
      {
        numRuns: 50,
        ...(process.env['FUZZ_SEED'] === undefined ? {} : { seed: Number(process.env['FUZZ_SEED']) }),
      },
    );
  });
});

describe('with a gateway', () => {
  let fake: FakeGateway;
  let home: string;
  let gateway: Gateway;

  beforeAll(async () => {
    fake = await startFakeGateway();
    const made = await temporaryHome();
    home = made.home;
    await demoLogin(fake, made.state);
    gateway = await openGateway(fake.url, { state: made.state });
  });
  afterAll(async () => {
    gateway.close();
    await fake.kill().catch(() => undefined);
    await remove(home);
    await remove(fake.directory);
  });

  test('many sockets at once each get a stream of their own, whole and in order', async () => {
    const tunnel = await openTunnel({ gateway, connection: 'shop-db' });
    open.push(tunnel);
    await Promise.all(
      Array.from({ length: 12 }, async (_, at) => {
        const socket = await client(tunnel, true);
        const sent = Buffer.alloc(300_000, at + 1);
        socket.end(sent);
        expect((await buffer(socket)).equals(sent)).toBe(true);
      }),
    );
  });

  test('through TLS too each side ends on its own', async () => {
    fake.behaviour.stream = (stream) => {
      stream.once('end', () => stream.end('you are done, I was not'));
      stream.resume();
    };
    const tunnel = await openTunnel({ gateway, connection: 'shop-db' });
    open.push(tunnel);
    const socket = await client(tunnel, true);
    socket.end('done');
    expect(await text(socket)).toBe('you are done, I was not');
  });

  test('a taken port is told, with what to do', async () => {
    const tunnel = await openTunnel({ gateway, connection: 'shop-db' });
    open.push(tunnel);
    await expect(openTunnel({ gateway, connection: 'shop-db', port: tunnel.port })).rejects.toMatchObject({
      code: 'conflict',
    });
  });

  test('a killed gateway ends the sessions; the tunnel then refuses readably', async () => {
    fake.behaviour.stream = (stream) => stream.pipe(stream);
    const events: TunnelEvent[] = [];
    const tunnel = await openTunnel({
      gateway,
      connection: 'shop-db',
      report: (event) => events.push(event),
    });
    open.push(tunnel);
    const socket = await client(tunnel);
    socket.on('error', () => undefined);
    socket.write('x');
    await once(socket, 'data');
    const ended = once(socket, 'end');
    socket.resume();
    await fake.kill();
    await ended;
    const late = await client(tunnel);
    late.write(Buffer.from('0000002200030000757365720073006f6d656f6e65000000000000000000000000', 'hex'));
    late.on('error', () => undefined);
    late.resume();
    await until(() => events.length > 0);
    expect(events).toMatchObject([{ kind: 'failed', error: { code: 'gateway-unreachable' } }]);
    late.destroy();
  });
});
