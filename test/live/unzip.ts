import { buffer } from 'node:stream/consumers';
import yauzl from 'yauzl';

/** Every file of a ZIP by its path: through somebody else's reader. */
export async function unzip(file: string | Buffer): Promise<Map<string, Buffer>> {
  const zip = await (typeof file === 'string' ? yauzl.openPromise(file) : yauzl.fromBufferPromise(file));
  const files = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry()) {
    files.set(entry.fileName, await buffer(await zip.openReadStreamPromise(entry)));
  }
  return files;
}

/** Files by what stands in their path. */
export const below = (files: ReadonlyMap<string, Buffer>, part: string): string[] =>
  [...files.keys()].filter((path) => path.includes(part));
