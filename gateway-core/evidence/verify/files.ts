import { createHash } from 'node:crypto';
import type { BundleManifest } from '../../contract/evidence.js';
import type { ZipReader } from '../zip/read.js';
import type { Findings } from './findings.js';

type Listed = BundleManifest['files'][number];

/** The bundle's files, each held against the manifest as it is read. What the ZIP says wrongly becomes a problem. */
export class BundleFiles {
  readonly #zip: ZipReader;
  readonly #findings: Findings;
  #listed: ReadonlyMap<string, Listed> = new Map();
  /** Hex SHA-256 of those that were read to their end. */
  readonly #read = new Map<string, string>();

  constructor(zip: ZipReader, findings: Findings) {
    this.#zip = zip;
    this.#findings = findings;
  }

  /** From now on. */
  expect(listed: ReadonlyMap<string, Listed>): void {
    this.#listed = listed;
  }

  get paths(): IterableIterator<string> {
    return this.#zip.entries.keys();
  }

  /** What the manifest lists. */
  get listed(): Iterable<string> {
    return this.#listed.keys();
  }

  has(path: string): boolean {
    return this.#zip.has(path);
  }

  /** As the ZIP says: what it is will not be longer. */
  size(path: string): number {
    return this.#zip.entries.get(path)?.bytes ?? 0;
  }

  /** Hex; undefined until it was read to its end. */
  sha256(path: string): string | undefined {
    return this.#read.get(path);
  }

  /** The file in pieces; nothing when it is not there. Ends early, with a problem, when the ZIP breaks off. */
  async *pieces(path: string): AsyncGenerator<Uint8Array> {
    if (!this.#zip.has(path)) return;
    const hash = createHash('sha256');
    let bytes = 0;
    try {
      for await (const piece of this.#zip.content(path)) {
        hash.update(piece);
        bytes += piece.length;
        yield piece;
      }
    } catch (error) {
      if (!this.#read.has(path)) this.#findings.addZip(error);
      this.#read.set(path, '');
      return;
    }
    this.#ended(path, bytes, hash.digest('hex'));
  }

  #ended(path: string, bytes: number, sha256: string): void {
    if (this.#read.has(path)) return;
    this.#read.set(path, sha256);
    const listed = this.#listed.get(path);
    if (listed === undefined || (listed.bytes === bytes && listed.sha256 === sha256)) return;
    const message = 'it has not the size and SHA-256 that manifest.json says';
    this.#findings.add('files', 'file-altered', path, message);
  }

  /** The whole file; undefined when it is not there, broken, or larger than `bytesMax`: the last is a problem of `code`. */
  async bytes(path: string, bytesMax: number): Promise<Buffer | undefined> {
    if (!this.#zip.has(path)) return undefined;
    if (this.size(path) > bytesMax) {
      this.#findings.add(
        'files',
        'file-too-large',
        path,
        `it is larger than the ${bytesMax} bytes that it can be`,
      );
      return undefined;
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of this.pieces(path)) pieces.push(Buffer.from(piece));
    return this.#read.get(path) === '' ? undefined : Buffer.concat(pieces);
  }

  /** Reads what nobody has read to its end. */
  async readRest(): Promise<void> {
    for (const path of this.#listed.keys()) {
      if (this.#read.has(path)) continue;
      const pieces = this.pieces(path);
      while ((await pieces.next()).done !== true);
    }
  }
}
