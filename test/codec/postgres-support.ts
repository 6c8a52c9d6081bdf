import type { MessageView } from '../../gateway-core/codec/postgres/bytes.js';
import { MessageFramer } from '../../gateway-core/codec/postgres/framer.js';
import type { Direction } from '../../gateway-core/codec/postgres/messages.js';
import { MessageWriter } from '../../gateway-core/codec/postgres/writer.js';

export const wide = { messageBytesMax: () => 1 << 30 };

/** What one writer call makes, as a view for a reader. */
export function written(
  write: (writer: MessageWriter) => void,
): MessageView & { bytes: Buffer; type: number } {
  const writer = new MessageWriter();
  write(writer);
  const bytes = writer.take();
  return { buffer: bytes, bodyStart: 5, end: bytes.length, bytes, type: bytes[0] ?? -1 };
}

/** Everything a framer says of a stream that comes in these chunks: whole messages in hex, or the malformed reason. */
export function framed(
  direction: Direction,
  chunks: readonly Uint8Array[],
  options: { runs?: boolean; bounds?: ConstructorParameters<typeof MessageFramer>[1] } = {},
): string[] {
  const framer = new MessageFramer(direction, options.bounds ?? wide);
  const seen: string[] = [];
  let partial: Uint8Array[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    for (;;) {
      const event = options.runs === true ? framer.nextRun() : framer.next();
      if (event === 'more') break;
      if (event === 'malformed') return [...seen, `malformed: ${framer.malformed?.reason}`];
      if (event === 'piece') {
        partial.push(framer.buffer.slice(framer.start, framer.end));
        if (!framer.pieceLast) continue;
        seen.push(Buffer.concat(partial).toString('hex'));
        partial = [];
        continue;
      }
      seen.push(...splitRun(framer));
    }
  }
  if (!framer.atBoundary) seen.push('truncated');
  return seen;
}

function splitRun(framer: MessageFramer): string[] {
  const found: string[] = [];
  const bytes = Buffer.from(framer.buffer.subarray(framer.start, framer.end));
  for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
    found.push(bytes.toString('hex', at, at + 1 + bytes.readInt32BE(at + 1)));
  }
  if (found.length !== framer.count) throw new Error('count does not fit the region');
  return found;
}

/** Cuts bytes at the places given, in any order. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [...new Set(places.map((place) => Math.min(bytes.length, place)))].sort((a, b) => a - b);
  const chunks: Uint8Array[] = [];
  let from = 0;
  for (const place of [...sorted, bytes.length]) {
    chunks.push(bytes.slice(from, place));
    from = place;
  }
  return chunks;
}

/** A generator of numbers below `n`, its seed from FUZZ_SEED or the one given; printed so that a failure can be run again. */
export function fuzzer(name: string, seed = 20_251_121): (n: number) => number {
  let state = Number(process.env.FUZZ_SEED ?? seed) >>> 0;
  console.log(`${name}: FUZZ_SEED=${state}`);
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % n;
  };
}

const nasty = [0, 1, 0x7f, 0x80, 0xff];

/** A copy with a few bytes flipped, cut out or doubled. */
export function mutate(bytes: Uint8Array, random: (n: number) => number): Buffer {
  let result = Buffer.from(bytes);
  for (let times = 1 + random(4); times > 0 && result.length > 0; times -= 1) {
    const at = random(result.length);
    const kind = random(5);
    if (kind === 0) result[at] = random(256);
    else if (kind === 1) result[at] = nasty[random(nasty.length)] ?? 0;
    else if (kind === 2)
      result = Buffer.concat([result.subarray(0, at), result.subarray(at + 1 + random(4))]);
    else if (kind === 3)
      result = Buffer.concat([result.subarray(0, at), result.subarray(random(result.length))]);
    else if (result.length >= at + 4)
      result.writeInt32BE(random(2) === 0 ? -random(9) : 0x7fff_ffff - random(9), at);
  }
  return result;
}
