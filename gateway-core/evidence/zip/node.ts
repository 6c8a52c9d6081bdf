import type { FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { createInflateRaw, inflateRawSync } from 'node:zlib';
import type { Inflate, RandomAccess } from './read.js';

/** Below these a file is unpacked in one go: most are tiles, for which a stream costs more than the work. */
const smallPackedBytes = 64 * 1024;
const smallBytes = 1024 * 1024;
const pieceBytes = 256 * 1024;

/** What a zlib stream has consumed says whether bytes stand behind its end; the types do not know it. */
interface Unpacked {
  readonly buffer: Buffer;
  readonly engine: { readonly bytesWritten: number };
}

/** node:zlib as the ZIP reader wants it. */
export const inflate: Inflate = async function* (packed, { packedBytes, bytes }) {
  if (packedBytes <= smallPackedBytes && bytes <= smallBytes) {
    const pieces: Uint8Array[] = [];
    for await (const piece of packed) pieces.push(piece);
    const options = { maxOutputLength: Math.max(1, bytes), info: true };
    const { buffer, engine } = inflateRawSync(Buffer.concat(pieces), options) as unknown as Unpacked;
    if (engine.bytesWritten !== packedBytes) throw new Error('bytes stand behind the stream');
    yield buffer;
    return;
  }
  const stream = createInflateRaw({ chunkSize: pieceBytes });
  const source = Readable.from(packed, { objectMode: false, highWaterMark: pieceBytes });
  source.on('error', (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
    if (stream.bytesWritten !== packedBytes) throw new Error('bytes stand behind the stream');
  } finally {
    stream.destroy();
    source.destroy();
  }
};

/** An open file; the caller closes it. Its size is that of now. */
export async function fileAccess(file: FileHandle): Promise<RandomAccess> {
  const { size } = await file.stat();
  return {
    size,
    read: async (offset, length) => {
      const bytes = Buffer.allocUnsafeSlow(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
  };
}

/** Bytes in memory. */
export function bytesAccess(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}
