import { Writable } from 'node:stream';
import { viewerDataBegin, viewerDataEnd } from '../../contract/evidence.js';
import { createBundleZip } from '../zip/write.js';
import type { BundleInput } from './input.js';

/** A ZIP of a few files, in memory. */
export async function deflatedZip(files: readonly (readonly [string, Buffer])[]): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const zip = createBundleZip(
    new Writable({
      write(piece: Buffer, _encoding, done) {
        pieces.push(piece);
        done();
      },
    }),
  );
  for (const [path, content] of files) await zip.add(path, content);
  await zip.end();
  return Buffer.concat(pieces);
}

/** Bytes of the ZIP in one line of base64. */
const lineBytes = 57 * 1024;

/** viewer.html: the template, and between its halves the copy of the bundle. */
export function* viewerText(viewer: BundleInput['viewer'], zip: Buffer): Generator<Buffer> {
  yield Buffer.from(`${viewer.before}${viewerDataBegin}\n`);
  for (let at = 0; at < zip.length; at += lineBytes) {
    yield Buffer.from(`${zip.subarray(at, at + lineBytes).toString('base64')}\n`);
  }
  yield Buffer.from(`${viewerDataEnd}${viewer.after}`);
}
