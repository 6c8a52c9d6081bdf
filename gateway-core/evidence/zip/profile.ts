/**
 * The one form of ZIP (PKWARE APPNOTE 6.3.10) in which a bundle comes, as bytes: what yazl makes of `zipOptions` in
 * write.ts. Each header is made here again from what it says and compared, so a field that one program reads and
 * another passes over has nowhere to be. Pure, and without Buffer: a page reads with it too.
 */

export interface ZipEntry {
  readonly path: string;
  /** As written: of the content. */
  readonly bytes: number;
  readonly packedBytes: number;
  readonly crc32: number;
  /** APPNOTE 4.4.5. */
  readonly method: 'stored' | 'deflated';
  /** Of the local header. */
  readonly offset: number;
}

export interface ZipEnd {
  readonly entries: number;
  readonly directoryBytes: number;
  readonly directoryOffset: number;
}

export const zipSizes = {
  localHeader: 30,
  directoryRecord: 46,
  directoryExtra: 28,
  descriptor: 16,
  descriptor64: 24,
  end: 22,
  end64: 98,
} as const;

/** A field of 32 bits that says: look at the one of 64. */
export const saturated = 0xffff_ffff;
export const saturatedCount = 0xffff;

const signatures = {
  local: 0x0403_4b50,
  descriptor: 0x0807_4b50,
  record: 0x0201_4b50,
  end: 0x0605_4b50,
  end64: 0x0606_4b50,
  locator64: 0x0706_4b50,
} as const;
/** Unix, APPNOTE 6.3. */
const madeBy = 0x033f;
const needed = 20;
const needed64 = 45;
/** The name is UTF-8; CRC and sizes stand behind the content. */
const flags = 0x0808;
/** 1980-01-01, midnight. */
const date = 0x0021;
/** A regular file, 0644. */
const attributes = 0x81a4_0000;
const extra64 = { tag: 0x0001, bytes: 24 } as const;

export const methodCodes = { stored: 0, deflated: 8 } as const;

const encoder = new TextEncoder();

/** Little-endian fields, one after the other. */
class Fields {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  u16(...values: readonly number[]): this {
    for (const value of values) {
      this.#view.setUint16(this.#at, value, true);
      this.#at += 2;
    }
    return this;
  }

  u32(...values: readonly number[]): this {
    for (const value of values) {
      this.#view.setUint32(this.#at, value, true);
      this.#at += 4;
    }
    return this;
  }

  u64(...values: readonly number[]): this {
    for (const value of values) this.u32(value % 2 ** 32, Math.floor(value / 2 ** 32));
    return this;
  }

  put(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.#at);
    this.#at += bytes.length;
    return this;
  }
}

/** Whether the entry's numbers need 64 bits. */
export function isLarge({ bytes, packedBytes, offset }: ZipEntry): boolean {
  return bytes >= saturated || packedBytes >= saturated || offset >= saturated;
}

/** All bytes that an entry takes: header, content, descriptor. */
export function spanOf(entry: ZipEntry): number {
  const descriptor = isLarge(entry) ? zipSizes.descriptor64 : zipSizes.descriptor;
  return zipSizes.localHeader + encoder.encode(entry.path).length + entry.packedBytes + descriptor;
}

export function localHeader({ path, method }: ZipEntry): Uint8Array {
  const name = encoder.encode(path);
  return new Fields(zipSizes.localHeader + name.length)
    .u32(signatures.local)
    .u16(needed, flags, methodCodes[method], 0, date)
    .u32(0, 0, 0)
    .u16(name.length, 0)
    .put(name).bytes;
}

export function dataDescriptor(entry: ZipEntry): Uint8Array {
  const { crc32, bytes, packedBytes } = entry;
  const large = isLarge(entry);
  const fields = new Fields(large ? zipSizes.descriptor64 : zipSizes.descriptor);
  fields.u32(signatures.descriptor, crc32);
  return (large ? fields.u64(packedBytes, bytes) : fields.u32(packedBytes, bytes)).bytes;
}

export function directoryRecord(entry: ZipEntry): Uint8Array {
  const { path, bytes, packedBytes, crc32, method, offset } = entry;
  const name = encoder.encode(path);
  const large = isLarge(entry);
  const extra = large ? zipSizes.directoryExtra : 0;
  const fields = new Fields(zipSizes.directoryRecord + name.length + extra)
    .u32(signatures.record)
    .u16(madeBy, large ? needed64 : needed, flags, methodCodes[method], 0, date)
    .u32(crc32, large ? saturated : packedBytes, large ? saturated : bytes)
    .u16(name.length, extra, 0, 0, 0)
    .u32(attributes, large ? saturated : offset)
    .put(name);
  if (large) fields.u16(extra64.tag, extra64.bytes).u64(bytes, packedBytes, offset);
  return fields.bytes;
}

/** Everything behind the directory. */
export function endRecords({ entries, directoryBytes, directoryOffset }: ZipEnd): Uint8Array {
  const large = entries >= saturatedCount || directoryBytes >= saturated || directoryOffset >= saturated;
  const fields = new Fields(large ? zipSizes.end64 : zipSizes.end);
  if (large) {
    fields.u32(signatures.end64).u64(44).u16(madeBy, needed64).u32(0, 0);
    fields.u64(entries, entries, directoryBytes, directoryOffset);
    fields
      .u32(signatures.locator64, 0)
      .u64(directoryOffset + directoryBytes)
      .u32(1);
  }
  const count = Math.min(entries, saturatedCount);
  fields.u32(signatures.end).u16(0, 0, count, count);
  fields.u32(Math.min(directoryBytes, saturated), Math.min(directoryOffset, saturated)).u16(0);
  return fields.bytes;
}
