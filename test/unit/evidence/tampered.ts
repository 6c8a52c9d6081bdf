import { hash } from 'node:crypto';
import { canonicalJson } from '../../../gateway-core/audit/canonical.js';
import { signCheckpoint } from '../../../gateway-core/audit/note.js';
import {
  type BundleManifest,
  type BundleReport,
  bundlePaths,
  type EventLine,
} from '../../../gateway-core/contract/evidence.js';
import type { ContentStream } from '../../../gateway-core/contract/recorder.js';
import { verifyBundle } from '../../../gateway-core/evidence/verify/index.js';
import { bytesAccess, inflate } from '../../../gateway-core/evidence/zip/node.js';
import { ByteReader } from '../../../gateway-core/recording/bytes.js';
import { ContentFrameWriter, decodeContent } from '../../../gateway-core/recording/content-codec.js';
import { sessionId } from '../../sim/sealer-journal.js';
import { agentBundle, BundleWorld } from './bundle-world.js';
import type { Files } from './zip-files.js';

/** The bundle's first two sessions. */
export const one = sessionId(1);
export const two = sessionId(2);

export interface TamperWorld {
  readonly zip: Buffer;
  readonly original: Files;
  readonly foreign: Files;
  readonly older: string;
  /** What a reader says who has the gateway's key from elsewhere. */
  report(bytes: Uint8Array): Promise<BundleReport>;
}

/** A bundle, and one of another gateway. */
export async function tamperWorld(): Promise<TamperWorld> {
  const [world, other] = [new BundleWorld(), new BundleWorld()];
  try {
    const { zip, files: original } = await agentBundle(world);
    const { files: foreign } = await agentBundle(other);
    const tree = { size: 400, root: Buffer.alloc(32, 1) };
    const older = signCheckpoint(world.key, tree, Date.parse('2026-11-20T12:30:00Z'));
    const { vkey } = world.key;
    return {
      zip,
      original,
      foreign,
      older,
      report: (bytes) => verifyBundle(bytesAccess(bytes), { inflate, key: vkey }),
    };
  } finally {
    world.close();
    other.close();
  }
}

export const codesIn = ({ problems }: BundleReport): string[] => [
  ...new Set(problems.map(({ code }) => code)),
];

export type Tampering = readonly [what: string, code: string, act: (bundle: Tampered) => void];

/** A bundle's files, and how they are changed. `foreign`: those of another gateway's bundle. */
export class Tampered {
  readonly files: Map<string, Buffer>;
  readonly foreign: Files;
  /** A checkpoint of the same log, signed before the export. */
  readonly older: string;

  constructor({ original, foreign, older }: Pick<TamperWorld, 'original' | 'foreign' | 'older'>) {
    this.files = new Map([...original].map(([path, bytes]) => [path, Buffer.from(bytes)]));
    this.foreign = foreign;
    this.older = older;
  }

  text(path: string): string {
    return this.bytes(path).toString('utf8');
  }

  bytes(path: string): Buffer {
    const bytes = this.files.get(path);
    if (bytes === undefined) throw new Error(`there is no ${path}`);
    return bytes;
  }

  put(path: string, content: string | Uint8Array): void {
    this.files.set(path, Buffer.from(content as Uint8Array));
  }

  /** The lines of a file, changed. */
  lines<T>(path: string, change: (lines: T[]) => readonly T[]): void {
    const lines = this.text(path)
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as T);
    this.put(
      path,
      change(lines)
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    );
  }

  manifest(change: (manifest: BundleManifest) => void): void {
    const manifest = JSON.parse(this.text(bundlePaths.manifest)) as BundleManifest;
    change(manifest);
    this.put(bundlePaths.manifest, `${canonicalJson(manifest)}\n`);
  }

  /** The manifest as it would have to be for these files: what everybody can do. */
  rehash(): void {
    this.manifest((manifest) => {
      for (const file of manifest.files) {
        const bytes = this.files.get(file.path);
        if (bytes === undefined) continue;
        file.bytes = bytes.length;
        file.sha256 = hash('sha256', bytes, 'hex');
      }
      manifest.files = manifest.files.filter(({ path }) => this.files.has(path));
    });
  }

  /** content.bin, record by record. */
  content(session: string, change: (records: Piece[]) => readonly Piece[]): void {
    const path = bundlePaths.content(session);
    const bytes = this.bytes(path);
    const records: Piece[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at);
      for (const record of decodeContent(new ByteReader(bytes.subarray(at + 4, at + 4 + length))))
        records.push({ ...record, bytes: Buffer.from(record.bytes) });
      at += 4 + length;
    }
    this.put(path, Buffer.concat(change(records).map((record) => frameOf(record))));
  }
}

export interface Piece {
  position: number;
  atMs: number;
  seq: number;
  stream: ContentStream;
  bytes: Buffer;
}

function frameOf({ position, atMs, seq, stream, bytes }: Piece): Buffer {
  const writer = new ContentFrameWriter();
  writer.add(position, atMs, seq, stream, bytes);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(writer.length);
  return Buffer.concat([head, Buffer.from(writer.view())]);
}

export const events = (session: string): string => bundlePaths.events(session);
export const swap = <T>(list: T[], a: number, b: number): T[] => {
  const copy = [...list];
  [copy[a], copy[b]] = [list[b] as T, list[a] as T];
  return copy;
};
export const without = <T>(list: readonly T[], at: number): T[] => list.filter((_, index) => index !== at);
export const changed = <T>(list: readonly T[], at: number, change: (one: T) => T): T[] =>
  list.map((value, index) => (index === at ? change(value) : value));
export const flipped = (bytes: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};
export const withPayload = (line: EventLine, more: object): EventLine => ({
  ...line,
  event: { ...line.event, payload: { ...(line.event['payload'] as object), ...more } },
});
