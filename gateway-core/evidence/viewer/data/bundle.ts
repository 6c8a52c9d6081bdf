import type { z } from 'zod';
import { BundleManifest, bundlePaths } from '../../../contract/evidence.js';
import { type RandomAccess, ZipError, ZipReader } from '../../zip/read.js';
import { inflate } from '../shims/inflate.js';
import { BlobAccess, HeldFile, HeldMemory } from './held.js';

const manifestBytesMax = 64 * 1024 * 1024;

/** It is no bundle that this page can show; the message is for people. */
export class NotABundle extends Error {
  override readonly name = 'NotABundle';
}

/** A bundle that is open: its manifest, and its files as the browser's own, which it may keep on disk. */
export class Bundle {
  readonly access: RandomAccess;
  readonly archive: ZipReader;
  readonly manifest: BundleManifest;
  /** The page's own copy, which holds the bundle's smaller files alone. */
  readonly embedded: boolean;
  readonly #files = new Map<string, Promise<HeldFile>>();
  readonly #memory = new HeldMemory();

  private constructor(access: RandomAccess, archive: ZipReader, manifest: BundleManifest, embedded: boolean) {
    this.access = access;
    this.archive = archive;
    this.manifest = manifest;
    this.embedded = embedded;
  }

  /** @throws NotABundle */
  static async open(blob: Blob, embedded: boolean): Promise<Bundle> {
    const access = new BlobAccess(blob);
    const archive = await openZip(access);
    if (!archive.has(bundlePaths.manifest)) {
      throw new NotABundle('There is no manifest.json in it: this is no evidence bundle.');
    }
    const content = archive.content(bundlePaths.manifest);
    const file = await HeldFile.of(content, new HeldMemory(), manifestBytesMax).catch((cause: unknown) => {
      throw notABundle(cause);
    });
    return new Bundle(access, archive, manifestIn(await file.text()), embedded);
  }

  has(path: string): boolean {
    return this.archive.has(path);
  }

  /** A file's content, undefined when it is not here. Read once. */
  file(path: string): Promise<HeldFile | undefined> {
    if (!this.archive.has(path)) return Promise.resolve(undefined);
    let file = this.#files.get(path);
    if (file === undefined) {
      file = HeldFile.of(this.archive.content(path), this.#memory);
      this.#files.set(path, file);
      file.catch(() => this.#files.delete(path));
    }
    return file;
  }
}

async function openZip(access: RandomAccess): Promise<ZipReader> {
  try {
    return await ZipReader.open(access, inflate);
  } catch (cause) {
    throw notABundle(cause);
  }
}

function notABundle(cause: unknown): unknown {
  if (cause instanceof RangeError) return new NotABundle('Its manifest.json is too large.');
  if (!(cause instanceof ZipError)) return cause;
  return new NotABundle(`It is not a ZIP as bundles are: ${cause.where}: ${cause.message} (${cause.code}).`);
}

function manifestIn(text: string): BundleManifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotABundle('Its manifest.json is not JSON.');
  }
  const read = BundleManifest.safeParse(value);
  if (!read.success) throw new NotABundle(`Its manifest.json cannot be read: ${firstIssue(read.error)}.`);
  return read.data;
}

function firstIssue({ issues }: z.ZodError): string {
  const [issue] = issues;
  return issue === undefined ? 'it has another form' : `${issue.path.join('.')} ${issue.message}`;
}
