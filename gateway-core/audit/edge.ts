import { encodeEntry, hashesAtLevel, tileLevels, tileWidth } from './layout.js';
import { Frontier, hashBytes } from './tree.js';

/** A hash tile with its place: full or partial, by `width`. */
export interface PlacedTile {
  readonly level: number;
  readonly index: number;
  readonly width: number;
  readonly bytes: Uint8Array;
}

interface OpenTile {
  index: number;
  width: number;
  readonly bytes: Buffer;
}

/**
 * The right edge of the tree as tiles: takes leaf hashes, gives each tile when it is full and the partial ones when
 * asked. Memory: one tile for each level, so at most 7 of them.
 */
export class TileEdge {
  readonly #frontier: Frontier;
  readonly #open: OpenTile[];

  constructor(frontier: Frontier = new Frontier(), open: OpenTile[] = []) {
    this.#frontier = frontier;
    this.#open = open;
  }

  /**
   * The edge of a tree of `size` leaves from its partial tiles: `readPartial` gives `width` hashes of a tile.
   * The caller compares the root with a signed one.
   */
  static restore(
    size: number,
    readPartial: (level: number, index: number, width: number) => readonly Uint8Array[],
  ): TileEdge {
    const frontier = new Frontier();
    const open: OpenTile[] = [];
    let levels = 0;
    while (hashesAtLevel(size, levels) > 0) levels += 1;
    for (let level = levels - 1; level >= 0; level--) {
      const hashes = hashesAtLevel(size, level);
      const tile = { index: Math.floor(hashes / tileWidth), width: hashes % tileWidth, bytes: newTile() };
      open[level] = tile;
      if (tile.width === 0) continue;
      for (const [place, one] of readPartial(level, tile.index, tile.width).entries()) {
        tile.bytes.set(one, place * hashBytes);
        frontier.push(level * tileLevels, one);
      }
    }
    return new TileEdge(frontier, open);
  }

  get size(): number {
    return this.#frontier.size;
  }

  root(): Uint8Array {
    return this.#frontier.root();
  }

  clone(): TileEdge {
    const open = this.#open.map(({ index, width, bytes }) => ({ index, width, bytes: Buffer.from(bytes) }));
    return new TileEdge(this.#frontier.clone(), open);
  }

  /** Appends a leaf hash; `filled` is told of each tile that this filled, lowest level first. */
  push(leafHash: Uint8Array, filled: (tile: PlacedTile) => void): void {
    this.#put(0, leafHash, filled);
    this.#frontier.push(0, leafHash, (level, subtree) => {
      if (level % tileLevels === 0) this.#put(level / tileLevels, subtree, filled);
    });
  }

  /** The partial tiles of the tree as it is now, lowest level first. Their bytes are not to be kept. */
  partials(): PlacedTile[] {
    const tiles: PlacedTile[] = [];
    for (const [level, { index, width, bytes }] of this.#open.entries()) {
      if (width > 0) tiles.push({ level, index, width, bytes: bytes.subarray(0, width * hashBytes) });
    }
    return tiles;
  }

  #put(level: number, one: Uint8Array, filled: (tile: PlacedTile) => void): void {
    let tile = this.#open[level];
    if (tile === undefined) {
      tile = { index: 0, width: 0, bytes: newTile() };
      this.#open[level] = tile;
    }
    tile.bytes.set(one, tile.width * hashBytes);
    tile.width += 1;
    if (tile.width < tileWidth) return;
    filled({ level, index: tile.index, width: tileWidth, bytes: Buffer.from(tile.bytes) });
    tile.index += 1;
    tile.width = 0;
  }
}

function newTile(): Buffer {
  return Buffer.alloc(tileWidth * hashBytes);
}

/** An entry bundle with its place. */
export interface PlacedBundle {
  readonly index: number;
  readonly width: number;
  readonly bytes: Uint8Array;
}

/** The entry bundle at the right edge. Keeps a copy of each entry until its bundle is full. */
export class BundleEdge {
  #index: number;
  #parts: Uint8Array[] = [];

  /** `entries` are those of the partial bundle of a tree of `size` leaves. */
  constructor(size = 0, entries: readonly Uint8Array[] = []) {
    this.#index = Math.floor(size / tileWidth);
    this.#parts = entries.map(encodeEntry);
  }

  push(leaf: Uint8Array, filled: (bundle: PlacedBundle) => void): void {
    this.#parts.push(encodeEntry(leaf));
    if (this.#parts.length < tileWidth) return;
    filled({ index: this.#index, width: tileWidth, bytes: Buffer.concat(this.#parts) });
    this.#index += 1;
    this.#parts = [];
  }

  partial(): PlacedBundle | undefined {
    const width = this.#parts.length;
    return width === 0 ? undefined : { index: this.#index, width, bytes: Buffer.concat(this.#parts) };
  }
}
