import { Writable } from 'node:stream';
import { deflateRawSync } from 'node:zlib';
import { crc32 } from '../../../gateway-core/evidence/zip/crc32.js';
import { bytesAccess, inflate } from '../../../gateway-core/evidence/zip/node.js';
import {
  dataDescriptor,
  directoryRecord,
  endRecords,
  localHeader,
  type ZipEntry,
} from '../../../gateway-core/evidence/zip/profile.js';
import { ZipError, ZipReader } from '../../../gateway-core/evidence/zip/read.js';
import { createBundleZip } from '../../../gateway-core/evidence/zip/write.js';

export type Files = ReadonlyMap<string, Uint8Array>;

/** As the gateway packs a bundle. */
export async function zipOf(files: Files): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const output = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(Buffer.from(piece));
      done();
    },
  });
  const zip = createBundleZip(output);
  for (const [path, content] of files) await zip.add(path, content);
  await zip.end();
  return Buffer.concat(pieces);
}

/** One entry of a ZIP that is put together by hand. */
export interface RawEntry {
  readonly path: string;
  readonly content: Uint8Array;
  readonly method?: 'stored' | 'deflated';
  /** What the headers say in place of the truth. */
  readonly says?: Partial<ZipEntry>;
}

/** As the gateway packs it too, but nobody objects to a name or number. */
export function rawZip(entries: readonly RawEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  const records: Uint8Array[] = [];
  let offset = 0;
  for (const { path, content, method = 'deflated', says } of entries) {
    const packed = method === 'stored' ? content : deflateRawSync(content);
    const entry: ZipEntry = {
      path,
      method,
      bytes: content.length,
      packedBytes: packed.length,
      crc32: crc32(content),
      offset,
      ...says,
    };
    const span = [localHeader(entry), packed, dataDescriptor(entry)];
    parts.push(...span);
    records.push(directoryRecord(entry));
    offset += Buffer.concat(span).length;
  }
  const directory = Buffer.concat(records);
  const end = { entries: entries.length, directoryBytes: directory.length, directoryOffset: offset };
  return Buffer.concat([...parts, directory, endRecords(end)]);
}

/** Every file, read as the verifier does. Throws ZipError. */
export async function unzipStrict(bytes: Uint8Array): Promise<Map<string, Buffer>> {
  const zip = await ZipReader.open(bytesAccess(bytes), inflate);
  const files = new Map<string, Buffer>();
  for (const path of zip.entries.keys()) {
    const pieces: Uint8Array[] = [];
    for await (const piece of zip.content(path)) pieces.push(Buffer.from(piece));
    files.set(path, Buffer.concat(pieces));
  }
  return files;
}

/** The code with which a ZIP is refused; undefined: it is not. Anything but ZipError is a bug and thrown. */
export async function refusalOf(bytes: Uint8Array): Promise<string | undefined> {
  try {
    await unzipStrict(bytes);
    return undefined;
  } catch (error) {
    if (error instanceof ZipError) return error.code;
    throw error;
  }
}
