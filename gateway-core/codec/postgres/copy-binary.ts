import { int32At, uint16At } from './bytes.js';
import { CopyBase, type CopyMask, unitMalformed, unitOpen } from './copy-base.js';
import { codecLimits } from './limits.js';

/** COPY page, "Binary Format": PGCOPY\n\377\r\n\0, Int32 flags, Int32 length of the header's extension. */
const signature = Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1');
const headerBytes = signature.length + 8;
const trailerCount = 0xffff;

/** COPY's binary format: header, tuples of Int16 count and Int32-counted values, trailer of count -1. */
export class BinaryCopyTransformer extends CopyBase {
  readonly #tupleBytesMax: number;
  #state: 'header' | 'tuples' | 'ended' = 'header';
  /** Values of the open tuple whose length has not been read; -1: the count has not. */
  #valuesLeft = -1;

  constructor(tupleBytesMax: number, mask: CopyMask) {
    super(tupleBytesMax, mask);
    this.#tupleBytesMax = tupleBytesMax;
  }

  protected override findEnd(work: Uint8Array, start: number): number {
    if (this.#state === 'tuples') return this.#tupleEnd(work, start);
    return this.#state === 'header' ? headerEnd(work, start) : unitMalformed;
  }

  protected override maskUnit(work: Uint8Array, start: number): boolean {
    if (this.#state === 'header') {
      this.#state = 'tuples';
      return true;
    }
    this.#valuesLeft = -1;
    const count = uint16At(work, start);
    if (count === trailerCount) {
      this.#state = 'ended';
      return true;
    }
    this.rows += 1;
    let at = start + 2;
    for (let column = 0; column < count; column += 1) {
      const length = int32At(work, at);
      const end = at + 4 + Math.max(0, length);
      const found = length < 0 ? undefined : this.mask(work, at + 4, end, column);
      if (found === null) this.replace(at, end).int32(-1);
      else if (found !== undefined) this.replace(at, end).int32(found.length).bytes(found);
      at = end;
    }
    return true;
  }

  protected override endsEarly(): string | undefined {
    return this.#state === 'ended' ? undefined : 'binary COPY data without its trailer';
  }

  #tupleEnd(work: Uint8Array, start: number): number {
    let at = start + this.scanned;
    if (this.#valuesLeft < 0) {
      if (work.length - start < 2) return unitOpen;
      const count = uint16At(work, start);
      if (count !== trailerCount && count > 0x7fff) return unitMalformed;
      this.#valuesLeft = count === trailerCount ? 0 : count;
      at = start + 2;
    }
    while (this.#valuesLeft > 0) {
      if (work.length - at < 4) return this.#stopAt(at - start);
      const length = int32At(work, at);
      if (length < -1 || length > this.#tupleBytesMax) return unitMalformed;
      const end = at + 4 + Math.max(0, length);
      if (end > work.length) return this.#stopAt(at - start);
      at = end;
      this.#valuesLeft -= 1;
    }
    return at;
  }

  #stopAt(scanned: number): number {
    this.scanned = scanned;
    return unitOpen;
  }
}

function headerEnd(work: Uint8Array, start: number): number {
  const given = Math.min(signature.length, work.length - start);
  for (let at = 0; at < given; at += 1) if (work[start + at] !== signature[at]) return unitMalformed;
  if (work.length - start < headerBytes) return unitOpen;
  // Bits 16 to 31 change the format in ways that a reader must know; bit 16 (row oids) went with PostgreSQL 12.
  if (int32At(work, start + signature.length) >>> 16 !== 0) return unitMalformed;
  const extension = int32At(work, start + signature.length + 4);
  if (extension < 0 || extension > codecLimits.copyHeaderExtensionBytesMax) return unitMalformed;
  const end = start + headerBytes + extension;
  return end > work.length ? unitOpen : end;
}
