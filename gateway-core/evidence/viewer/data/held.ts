import type { RandomAccess } from '../../zip/read.js';

/** Files up to this are held in the page's memory, where reading them costs nothing; larger ones in blobs. */
const heldBytesMax = 256 * 1024;
/** Of all files together: a bundle of a hundred thousand small files must not fill the memory. */
const heldInAllMax = 192 * 1024 * 1024;
const partBytes = 8 * 1024 * 1024;

type Bytes = Uint8Array<ArrayBuffer>;

/** A file's content: bytes in memory, or a blob, which a browser may keep on its disk. */
export class HeldFile {
  readonly #content: Blob | Bytes;

  private constructor(content: Blob | Bytes) {
    this.#content = content;
  }

  static readonly empty = new HeldFile(new Uint8Array());

  /** @throws RangeError beyond `bytesMax`, and what the pieces throw */
  static async of(
    pieces: AsyncIterable<Uint8Array>,
    memory: HeldMemory,
    bytesMax = Number.POSITIVE_INFINITY,
  ): Promise<HeldFile> {
    const parts: Blob[] = [];
    let part: Bytes[] = [];
    let inPart = 0;
    let bytes = 0;
    for await (const piece of pieces) {
      part.push(piece as Bytes);
      inPart += piece.length;
      bytes += piece.length;
      if (bytes > bytesMax) throw new RangeError('the file is too large');
      if (inPart < partBytes) continue;
      parts.push(new Blob(part));
      part = [];
      inPart = 0;
    }
    if (bytes > heldBytesMax || !memory.take(bytes)) return new HeldFile(new Blob([...parts, ...part]));
    return new HeldFile(joined(part, bytes));
  }

  get size(): number {
    return this.#content instanceof Blob ? this.#content.size : this.#content.length;
  }

  /** Fewer bytes at the end of the file. */
  async read(from: number, to: number): Promise<Bytes> {
    if (!(this.#content instanceof Blob)) return this.#content.subarray(from, to);
    return new Uint8Array(await this.#content.slice(from, to).arrayBuffer());
  }

  async text(from = 0, to = this.size): Promise<string> {
    return new TextDecoder().decode(await this.read(from, to));
  }
}

/** What all held files of a bundle take together. */
export class HeldMemory {
  #left = heldInAllMax;

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }
}

function joined(pieces: readonly Bytes[], length: number): Bytes {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

const windowBytes = 1024 * 1024;

/** A file of the reader's own, or what the page carries: read ahead, because asking a browser takes a millisecond. */
export class BlobAccess implements RandomAccess {
  readonly #blob: Blob;
  #from = 0;
  #window: Promise<Bytes> = Promise.resolve(new Uint8Array());
  #to = 0;

  constructor(blob: Blob) {
    this.#blob = blob;
  }

  get size(): number {
    return this.#blob.size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (length > windowBytes) return this.#read(offset, offset + length);
    if (offset < this.#from || offset + length > this.#to) {
      this.#from = offset;
      this.#to = Math.min(offset + windowBytes, this.size);
      this.#window = this.#read(this.#from, this.#to);
    }
    const at = offset - this.#from;
    return (await this.#window).slice(at, at + length);
  }

  async #read(from: number, to: number): Promise<Bytes> {
    return new Uint8Array(await this.#blob.slice(from, to).arrayBuffer());
  }
}
