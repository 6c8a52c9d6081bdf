import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ZipFile } from 'yazl';

export interface BundleZip {
  /** One after the other: the next may come once this has resolved. `sha256`: of what was added, hex. */
  add(
    path: string,
    content: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): Promise<{ readonly bytes: number; readonly sha256: string }>;
  /** Writes the directory and ends the output. */
  end(): Promise<void>;
}

/** The same bytes for the same files: no time, zone or machine stands in them. */
const options = {
  mtime: new Date(1980, 0, 1),
  forceDosTimestamp: true,
  mode: 0o100644,
  compress: true,
} as const;

/** Writes a ZIP (PKWARE APPNOTE 6.3.10) into `output`, deflated, with back-pressure. */
export function createBundleZip(output: Writable): BundleZip {
  const zip = new ZipFile();
  const piped = pipeline(zip.outputStream, output);
  piped.catch(() => undefined);
  return {
    add: async (path, content) => {
      const hash = createHash('sha256');
      let bytes = 0;
      async function* hashed(): AsyncGenerator<Uint8Array> {
        for await (const piece of content instanceof Uint8Array ? [content] : content) {
          hash.update(piece);
          bytes += piece.length;
          yield piece;
        }
      }
      const source = Readable.from(hashed(), { objectMode: false });
      zip.addReadStream(source, path, options);
      // An output that broke never reads on.
      await Promise.race([once(source, 'end'), piped.then(() => undefined)]);
      return { bytes, sha256: hash.digest('hex') };
    },
    end: async () => {
      zip.end();
      await piped;
    },
  };
}
