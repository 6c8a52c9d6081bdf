import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { wireEntries } from '../../../gateway-core/recording/wire-content.js';
import { WireHash } from '../../../gateway-core/recording/wire-sum.js';
import { WireTap } from '../../../gateway-core/server/wire-tap.js';

const salt = Buffer.alloc(32, 3);
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A client's socket, and the tap on the other end of it. */
async function tapped(): Promise<{ client: Socket; under: Socket; tap: WireTap }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  client.on('error', () => undefined);
  const [under] = await accepted;
  closers.push(() => {
    client.destroy();
    under.destroy();
    server.close();
  });
  return { client, under, tap: new WireTap(under, salt) };
}

function sumOf(bytes: Uint8Array) {
  const hash = new WireHash(salt);
  hash.update(bytes);
  return hash.finish();
}

const bytesOf = (length: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, at) => (at * 7) & 0xff));

/** To its end; leaves it open. */
async function read(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks);
}

describe('a tap', () => {
  it('passes both directions on unchanged, and its sums are those of the bytes', async () => {
    const { client, tap } = await tapped();
    const up = bytesOf(3_000_017);
    const down = bytesOf(2_500_003);
    const arrived = read(client);
    client.end(up);
    const seen = read(tap);
    tap.cork();
    for (let at = 0; at < down.length; at += 70_001) tap.write(down.subarray(at, at + 70_001));
    tap.uncork();
    tap.end();
    expect((await seen).equals(up)).toBe(true);
    expect((await arrived).equals(down)).toBe(true);
    expect(tap.finish()).toEqual({ up: sumOf(up), down: sumOf(down) });
  });

  it('holds up a client of which nobody reads, and reads on when somebody does', async () => {
    const { client, tap } = await tapped();
    const up = bytesOf(8_000_000);
    client.end(up);
    await once(tap, 'readable');
    expect(tap.readableLength).toBeLessThan(1_000_000);
    expect((await read(tap)).equals(up)).toBe(true);
  });

  it('says that it is full while the client does not read, and that it is not when the client does', async () => {
    const { client, tap } = await tapped();
    client.pause();
    const chunk = Buffer.alloc(1_000_000);
    while (tap.write(chunk));
    expect(tap.writableNeedDrain).toBe(true);
    client.resume();
    await once(tap, 'drain');
    expect(tap.writableNeedDrain).toBe(false);
  });

  it('hashes what came before somebody listened, what was read and put back counts once', async () => {
    const { client, under, tap } = await tapped();
    const first = bytesOf(100);
    client.write(first);
    await once(tap, 'readable');
    const packet = tap.read() as Buffer;
    tap.unshift(packet.subarray(40));
    client.end(bytesOf(50));
    expect((await read(tap)).length).toBe(110);
    expect(tap.finish().up).toEqual(sumOf(Buffer.concat([first, bytesOf(50)])));
    expect(under.destroyed).toBe(false);
  });

  it('goes with the client, after what the client said last; and takes the client with it', async () => {
    const one = await tapped();
    one.client.write('last words');
    one.client.end();
    expect((await read(one.tap)).toString()).toBe('last words');
    one.tap.destroy();
    await once(one.client, 'close');

    const other = await tapped();
    other.tap.resume();
    other.client.resetAndDestroy();
    await once(other.tap, 'close');
    expect(other.tap.destroyed).toBe(true);
    other.tap.write('nobody hears');
    expect(other.tap.finish().down.bytes).toBe(0);
  });

  it('gives every block once, those from before it was asked first, the cut ones at the end', async () => {
    const { client, tap } = await tapped();
    const up = bytesOf(200_000);
    client.end(up);
    await read(tap);
    const entries: Buffer[] = [];
    tap.keep((entry) => entries.push(Buffer.from(entry)));
    expect(entries).toHaveLength(3);
    tap.write('x');
    tap.finish();
    const kept = [...wireEntries(Buffer.concat(entries))];
    expect(kept.map(({ direction }) => direction)).toEqual(['up', 'up', 'up', 'up', 'down']);
    const expected: Buffer[] = [];
    const hash = new WireHash(salt, (block) => expected.push(block.hash));
    hash.update(up);
    hash.finish();
    expect(kept.slice(0, 4).map((entry) => entry.hash)).toEqual(expected);
    expect(tap.blocks).toBe(5);
  });
});
