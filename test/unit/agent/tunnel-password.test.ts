import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import * as fc from 'fast-check';
import pg from 'pg';
import { afterEach, describe, expect, test } from 'vitest';
import { passfileText, writePassfile } from '../../../gateway-core/agent/tunnel/passfile.js';
import { passwordLimits } from '../../../gateway-core/agent/tunnel/password.js';
import { openTunnel, type Tunnel, type TunnelEvent } from '../../../gateway-core/agent/tunnel/tunnel.js';
import {
  writeAuthenticationOk,
  writeBackendKeyData,
  writeReadyForQuery,
} from '../../../gateway-core/codec/postgres/backend-writers.js';
import { buildCancelRequest, readFirstPacket } from '../../../gateway-core/codec/postgres/startup.js';
import { MessageWriter } from '../../../gateway-core/codec/postgres/writer.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const cancelKey = { processId: 4711, secretKey: Buffer.from([1, 2, 3, 4]) };

/** A gateway that lets everyone in, and keeps the first packet of each stream. */
async function guarded(refusal?: ThroughlineError) {
  const events: TunnelEvent[] = [];
  const first: ReturnType<typeof readFirstPacket>[] = [];
  const openStream = (): Promise<Duplex> => {
    if (refusal !== undefined) return Promise.reject(refusal);
    const stream: Duplex = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        if (first.length === opened.indexOf(stream)) {
          first.push(readFirstPacket(chunk));
          const writer = new MessageWriter();
          writeAuthenticationOk(writer);
          writeBackendKeyData(writer, cancelKey.processId, cancelKey.secretKey);
          writeReadyForQuery(writer, 'I');
          stream.push(Buffer.from(writer.take()));
        }
        done();
      },
    });
    opened.push(stream);
    return Promise.resolve(stream);
  };
  const opened: Duplex[] = [];
  const tunnel = await openTunnel({
    gateway: { openStream },
    connection: 'shop-db',
    lookUp: 'never',
    report: (event) => events.push(event),
  });
  cleanups.push(() => tunnel.close());
  return { tunnel, events, first, opened };
}

const client = ({ host, port }: Tunnel, password: string | undefined): pg.Client =>
  new pg.Client({ host, port, user: 'anybody', database: 'shop', password, ssl: false });

async function raw({ host, port }: Tunnel): Promise<{ socket: Socket; closed: Promise<Buffer> }> {
  const socket = connect({ host, port });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  const closed = once(socket, 'close').then(() => Buffer.concat(chunks));
  cleanups.push(() => socket.destroy());
  await once(socket, 'connect');
  return { socket, closed };
}

describe('where nobody can tell whose a socket is', () => {
  test('the tunnel has a password of 32 random characters of its own', async () => {
    const [one, other] = [await guarded(), await guarded()];
    expect(one.tunnel.password).toMatch(/^[A-Za-z0-9_-]{32}$/);
    expect(other.tunnel.password).not.toBe(one.tunnel.password);
  });

  test('who knows it is let in, and the gateway gets the client’s own first packet', async () => {
    const { tunnel, first } = await guarded();
    const connected = client(tunnel, tunnel.password);
    connected.on('error', () => undefined);
    await connected.connect();
    expect(first).toMatchObject([{ kind: 'message', message: { kind: 'startup' } }]);
  });

  test('a wrong one is refused late, in the protocol’s words, counted, and nothing reaches the gateway', async () => {
    const { tunnel, events, opened } = await guarded();
    for (const password of ['wrong', `${tunnel.password}x`]) {
      const startedAt = performance.now();
      await expect(client(tunnel, password).connect()).rejects.toMatchObject({ code: '28P01' });
      expect(performance.now() - startedAt).toBeGreaterThanOrEqual(passwordLimits.refusalDelayMs - 50);
    }
    expect(events).toEqual(Array.from({ length: 2 }, () => ({ kind: 'refused', reason: 'wrong-password' })));
    expect(opened).toEqual([]);
  });

  test('whatever a stranger says, nothing reaches the gateway', async () => {
    const { tunnel, opened } = await guarded();
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        const { socket, closed } = await raw(tunnel);
        socket.end(bytes);
        await closed;
      }),
      { numRuns: 100 },
    );
    expect(opened).toEqual([]);
  });

  test('strangers hold no more than their part: the one that waits longest makes room', async () => {
    const { tunnel } = await guarded();
    const [longest, ...others] = await Promise.all(
      Array.from({ length: passwordLimits.strangersMax }, () => raw(tunnel)),
    );
    await expect.poll(() => tunnel.sockets()).toBe(passwordLimits.strangersMax);
    const connected = client(tunnel, tunnel.password);
    connected.on('error', () => undefined);
    await connected.connect();
    // Which of them was accepted first is not known here, but one of them had to leave.
    await Promise.race([longest, ...others].flatMap((each) => (each === undefined ? [] : [each.closed])));
    for (const each of [longest, ...others]) each?.socket.destroy();
  });

  test('a refusal of the gateway is told to who was let in, and to nobody else', async () => {
    const refusal = new ThroughlineError('denied', 'not for you', { action: 'ask' });
    const { tunnel } = await guarded(refusal);
    await expect(client(tunnel, tunnel.password).connect()).rejects.toThrow('not for you');
    await expect(client(tunnel, 'wrong').connect()).rejects.toMatchObject({ code: '28P01' });
  });

  test('a cancel passes with the key of a session from here only', async () => {
    const { tunnel, first, opened } = await guarded();
    const cancel = async (processId: number, secretKey: Uint8Array): Promise<void> => {
      const { socket } = await raw(tunnel);
      socket.write(buildCancelRequest(processId, secretKey));
      await Promise.race([once(socket, 'close'), expect.poll(() => first.length).toBe(2)]);
    };
    await cancel(cancelKey.processId, cancelKey.secretKey);
    expect(opened).toHaveLength(0);
    const connected = client(tunnel, tunnel.password);
    connected.on('error', () => undefined);
    await connected.connect();
    await cancel(cancelKey.processId, Buffer.from([1, 2, 3, 5]));
    expect(opened).toHaveLength(1);
    await cancel(cancelKey.processId, cancelKey.secretKey);
    expect(first[1]).toMatchObject({ kind: 'message', message: { kind: 'cancel' } });
    opened[0]?.destroy();
    await expect.poll(() => tunnel.sockets()).toBeLessThan(2);
    await cancel(cancelKey.processId, cancelKey.secretKey);
    expect(opened).toHaveLength(2);
  });
});

describe('a passfile', () => {
  test('is for its user only, names ports and no program, and is gone afterwards', () => {
    const file = writePassfile([{ host: '127.0.0.1', port: 5433, password: 'p:a\\s' }]);
    expect(statSync(file.path).mode & 0o777).toBe(0o600);
    expect(readFileSync(file.path, 'utf8')).toBe('127.0.0.1:5433:*:*:p\\:a\\\\s\n');
    file.remove();
    expect(() => statSync(file.path)).toThrow();
  });

  test('escapes what separates its fields', () => {
    expect(passfileText([{ host: '::1', port: 1, password: 'x' }])).toBe('\\:\\:1:1:*:*:x\n');
  });
});
