import { hashesAtLevel, tilePath, tileWidth, widthInTree } from '../../audit/layout.js';
import { type LeafEvent, parseLeaf } from '../../audit/leaf.js';
import {
  type Checkpoint,
  decodeBase64,
  fingerprint,
  noteBytesMax,
  openCheckpoint,
  parseDecimal,
  parseVerifierKey,
  type VerifierKey,
} from '../../audit/note.js';
import { formatProof, parseProof } from '../../audit/proof.js';
import { Frontier, hashBytes, leafHash, rootOf, sameHash, verifyInclusion } from '../../audit/tree.js';
import { bundlePaths, EntryLine } from '../../contract/evidence.js';
import { EntryIndex } from './entry-index.js';
import type { BundleFiles } from './files.js';
import type { Findings } from './findings.js';
import { jsonOf, lineBatches } from './lines.js';

const entriesMax = 10_000_000;
const proofBytesMax = noteBytesMax + 64 * 1024;
const tileFolder = `${bundlePaths.log}tile/`;

/** The key as the reader has it from elsewhere: whole, or what it is known by. */
export interface GivenKey {
  readonly key: VerifierKey | undefined;
  readonly fingerprint: string;
}

/** Undefined when it is neither a verifier key nor a fingerprint of one. */
export function parseGivenKey(text: string): GivenKey | undefined {
  const trimmed = text.trim();
  if (/^sha256:[0-9a-f]{64}$/.test(trimmed)) return { key: undefined, fingerprint: trimmed };
  const key = parseVerifierKey(trimmed);
  return key && { key, fingerprint: fingerprint(key.vkey) };
}

/** An entry of the log that is in the bundle, whatever was found of it. */
export interface BundleEntry {
  readonly index: number;
  readonly event: LeafEvent;
}

/**
 * The log's part of a bundle. Every tile is held against the one above it, up to the signed root, and every entry
 * against its tile: that is its inclusion proof, with the hashes that neighbours share computed once. Memory: one tile
 * of each level, and the index of the entries.
 */
export class LogCheck {
  readonly #files: BundleFiles;
  readonly #findings: Findings;
  readonly entries = new EntryIndex();
  /** The key that the bundle is checked with. */
  key: VerifierKey | undefined;
  checkpoint: Checkpoint | undefined;
  #note = '';
  /** Of each level, the tile at the right edge, if it is not full. */
  readonly #edge = new Map<number, Uint8Array>();
  /** Of each level, the full tile that was used last; undefined: it is not there or not right. */
  readonly #current = new Map<number, { readonly index: number; readonly bytes: Uint8Array | undefined }>();
  readonly #seen = new Set<string>();

  constructor(files: BundleFiles, findings: Findings) {
    this.#files = files;
    this.#findings = findings;
  }

  #problem(code: string, where: string, message: string): void {
    this.#findings.add('log', code, where, message);
  }

  /** Key, checkpoint and the tree's right edge. */
  async open(given: GivenKey | undefined): Promise<void> {
    const text = await this.#text(bundlePaths.vkey, 4096);
    const own = text?.endsWith('\n') === true ? parseVerifierKey(text.slice(0, -1)) : undefined;
    if (own === undefined) this.#problem('key-missing', bundlePaths.vkey, 'there is no verifier key in it');
    else if (given !== undefined && fingerprint(own.vkey) !== given.fingerprint)
      this.#problem('key-changed', bundlePaths.vkey, 'the key in it is not the one that was given');
    this.key = given?.key ?? own;
    const note = await this.#text(bundlePaths.checkpoint, noteBytesMax);
    if (note === undefined) {
      this.#problem('checkpoint-missing', bundlePaths.checkpoint, 'there is no signed checkpoint in it');
      return;
    }
    this.#note = note;
    this.checkpoint = this.key && openCheckpoint(note, this.key);
    if (this.checkpoint === undefined) {
      const message = 'it is not a checkpoint that this key has signed';
      this.#problem('checkpoint-invalid', bundlePaths.checkpoint, message);
    } else if (this.checkpoint.timeSeconds === undefined) {
      this.#problem('time-missing', bundlePaths.checkpoint, 'it does not say, signed, when it was made');
    }
    await this.#readEdge();
  }

  async #text(path: string, bytesMax: number): Promise<string | undefined> {
    const bytes = await this.#files.bytes(path, bytesMax);
    return bytes === undefined || bytes.length === 0 ? undefined : bytes.toString('utf8');
  }

  /** Size of the tree; without a valid signature nothing is proved by it, but what is wrong can still be told apart. */
  get size(): number {
    return this.checkpoint?.size ?? parseDecimal(this.#note.split('\n')[1] ?? '') ?? 0;
  }

  async #readEdge(): Promise<void> {
    const { size } = this;
    let level = 0;
    let complete = true;
    for (; hashesAtLevel(size, level) > 0; level += 1) {
      const index = Math.floor(hashesAtLevel(size, level) / tileWidth);
      const width = widthInTree(size, level, index);
      if (width === 0) continue;
      const bytes = await this.#tileBytes(level, index, width);
      if (bytes === undefined) complete = false;
      else this.#edge.set(level, bytes);
    }
    if (!complete) return;
    const frontier = new Frontier();
    for (level -= 1; level >= 0; level -= 1) {
      for (const hash of hashesOf(this.#edge.get(level))) frontier.push(level * 8, hash);
    }
    const root = this.checkpoint?.root ?? decodeBase64(this.#note.split('\n')[2] ?? '');
    if (root !== undefined && sameHash(frontier.root(), root)) return;
    this.#problem('root-mismatch', tileFolder, 'the tiles do not have the root that the checkpoint says');
  }

  async #tileBytes(level: number, index: number, width: number): Promise<Uint8Array | undefined> {
    const path = `${bundlePaths.log}${tilePath(level, index, width)}`;
    const again = this.#seen.has(path);
    this.#seen.add(path);
    const bytes = await this.#files.bytes(path, tileWidth * hashBytes);
    if (bytes?.length === width * hashBytes) return bytes;
    if (!again) {
      if (bytes === undefined) this.#problem('tile-missing', path, 'a tile that proves entries is not there');
      else this.#problem('tile-altered', path, `it does not hold ${width} hashes`);
    }
    return undefined;
  }

  /** A tile whose hashes lead to the root. */
  async #tile(level: number, index: number): Promise<Uint8Array | undefined> {
    if (widthInTree(this.size, level, index) < tileWidth) return this.#edge.get(level);
    const known = this.#current.get(level);
    if (known?.index === index) return known.bytes;
    const bytes = await this.#tileBytes(level, index, tileWidth);
    const held = bytes !== undefined && (await this.#heldByParent(level, index, bytes)) ? bytes : undefined;
    this.#current.set(level, { index, bytes: held });
    return held;
  }

  async #heldByParent(level: number, index: number, bytes: Uint8Array): Promise<boolean> {
    const parent = await this.#tile(level + 1, Math.floor(index / tileWidth));
    // The problem is the parent's.
    if (parent === undefined) return false;
    if (sameHash(rootOf(hashesOf(bytes)), hashAt(parent, index))) return true;
    const path = `${bundlePaths.log}${tilePath(level, index)}`;
    this.#problem('tile-altered', path, 'it is not the tile that the tree has there');
    return false;
  }

  /** Reads every entry, and tells of it once it was held against the tree. */
  async readEntries(each: (entry: BundleEntry) => void): Promise<void> {
    const path = bundlePaths.entries;
    if (!this.#files.has(path)) {
      this.#problem('entries-missing', path, 'the entries of the log are not there');
      return;
    }
    let before = -1;
    let line = 0;
    for await (const batch of lineBatches(this.#files.pieces(path))) {
      if (batch === undefined) {
        this.#problem('entry-invalid', `${path}:${line + 1}`, 'it is not a line');
        return;
      }
      for (const text of batch) {
        line += 1;
        const where = `${path}:${line}`;
        const read = entryLine(text);
        if (read === undefined) this.#problem('entry-invalid', where, 'it is not an entry');
        else if (read.index <= before)
          this.#problem('entries-reordered', where, `entry ${read.index} comes after entry ${before}`);
        else if (this.entries.size >= entriesMax) {
          this.#problem('too-large', where, `there are more than ${entriesMax} entries`);
          return;
        } else {
          before = read.index;
          await this.#entry(read.index, Buffer.from(read.leaf, 'utf8'), each);
        }
      }
    }
  }

  async #entry(index: number, leaf: Uint8Array, each: (entry: BundleEntry) => void): Promise<void> {
    const where = `entry ${index}`;
    const hash = leafHash(leaf);
    if (index >= this.size) {
      this.#problem('entry-beyond-checkpoint', where, `the checkpoint covers ${this.size} entries`);
    } else {
      const tile = await this.#tile(0, Math.floor(index / tileWidth));
      if (tile !== undefined && !sameHash(hash, hashAt(tile, index)))
        this.#problem('entry-altered', where, 'it is not what the log holds there');
    }
    const event = parseLeaf(leaf);
    if (event === undefined) {
      this.#problem('leaf-invalid', where, 'it is not an event as this version knows them');
      return;
    }
    this.entries.add(index, event.pos, hash, event.payloadHash !== undefined);
    each({ index, event });
  }

  /** The tiles that no entry needed, and the single proofs. What else stands there proves nothing. */
  async readRest(): Promise<void> {
    for (const path of this.#files.paths) {
      if (!path.startsWith(bundlePaths.log) || this.#seen.has(path)) continue;
      if (path === bundlePaths.vkey || path === bundlePaths.checkpoint || path === bundlePaths.entries)
        continue;
      if (path.endsWith('.tlog-proof')) await this.#proof(path);
      else if (!(await this.#otherTile(path)))
        this.#findings.add('files', 'file-unlisted', path, 'no tile of this tree has this name');
    }
  }

  async #otherTile(path: string): Promise<boolean> {
    const place = placeOf(path);
    if (place === undefined) return false;
    const { level, index } = place;
    const width = widthInTree(this.size, level, index);
    if (width === 0 || `${bundlePaths.log}${tilePath(level, index, width)}` !== path) return false;
    if (width === tileWidth) await this.#tile(level, index);
    return true;
  }

  async #proof(path: string): Promise<void> {
    const text = await this.#text(path, proofBytesMax);
    const parsed = text === undefined ? undefined : parseProof(text);
    const row = parsed && this.entries.find(parsed.index);
    const root = this.checkpoint?.root;
    const holds =
      parsed !== undefined &&
      row !== undefined &&
      root !== undefined &&
      // No `extra` line, and the one checkpoint of the bundle: nothing in it goes unlooked at.
      formatProof(parsed) === text &&
      parsed.checkpoint === this.#note &&
      verifyInclusion({
        index: parsed.index,
        size: this.size,
        leafHash: this.entries.leafHash(row),
        proof: parsed.proof,
        root,
      });
    if (!holds) this.#problem('proof-invalid', path, 'it does not prove an entry of this bundle');
  }
}

function hashesOf(tile: Uint8Array | undefined): Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < (tile?.length ?? 0); at += hashBytes)
    hashes.push((tile ?? new Uint8Array()).subarray(at, at + hashBytes));
  return hashes;
}

function hashAt(tile: Uint8Array, index: number): Uint8Array {
  const at = (index % tileWidth) * hashBytes;
  return tile.subarray(at, at + hashBytes);
}

/** Not listed in the manifest, so every byte counts: only the one way to write it is accepted. */
function entryLine(text: string): EntryLine | undefined {
  const read = EntryLine.safeParse(jsonOf(text));
  if (!read.success) return undefined;
  const { index, leaf } = read.data;
  return JSON.stringify({ index, leaf } satisfies EntryLine) === text ? read.data : undefined;
}

/** Level and index in a tile's path (C2SP tlog-tiles), as far as it is one: `x001/234.p/17` is 1234. */
function placeOf(path: string): { readonly level: number; readonly index: number } | undefined {
  const match = /^log\/tile\/(\d)\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/\d{1,3})?$/.exec(path);
  const [, level, digits] = match ?? [];
  return level === undefined || digits === undefined
    ? undefined
    : { level: Number(level), index: Number(digits.replaceAll(/[x/]/g, '')) };
}
