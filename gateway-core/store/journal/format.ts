import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { ThroughlineError } from '../../contract/errors.js';

/**
 * The journal's files. All integers little-endian, 8-byte ones below 2^53.
 *
 *   header  magic 8 | version u32 | zero u32 | file id 16 | number u64 | first position u64 | durable u64
 *           | previous: number u64, offset u64, batch u64, position u64, file id 16, tag 16 | tag 16
 *   frame   sealed bytes u32 | records u32 | first position u64 | durable u64 | ciphertext | tag 16
 *
 * Every file has its own key, HKDF-SHA-256 of the journal's key over the random file id; the nonce is the batch's
 * number in the file (the header is number 0 with an empty plaintext). A nonce is never used twice: INVARIANT: a
 * file is written by one process, forwards only, and never again after a failure or a restart; what follows goes
 * into a new file. The additional data of a frame are its own header, the file id, the batch's number and the tag
 * before it (the file header's tag for the first): a frame cannot be changed, dropped, repeated or moved, and a file
 * cannot be left out, because each header holds the end of the file before it.
 *
 * `durable` says: when this was written, everything before that position had been synced. It tells a tail that a
 * power cut took (allowed, nobody was promised it) from damage to what was promised (an error).
 *
 * Behind the last frame of a file there may be zeros: space that was prepared for the writer (see Ahead). A frame
 * header of zeros is none, so frames end there for every reader; recovery and `close` cut the zeros off. INVARIANT:
 * nothing but zeros ever stands where no frame was written, so zeros up to the end of the file mean what the end of
 * the file means, and anything else behind the last frame is a tail that was never whole, or damage. A file with one
 * behind it ends where that one's header says, whatever its size.
 *
 * There is no CRC: the tag detects whatever a CRC would, and a tail is only ever cut where the tag fails.
 */
export const format = {
  magic: Buffer.from('TLJOURNL', 'latin1'),
  version: 1,
  headerBytes: 136,
  frameHeaderBytes: 24,
  tagBytes: 16,
  fileIdBytes: 16,
} as const;

export const journalLimits = {
  /** A batch is written at once when it has grown to this, and else at the end of the turn. */
  batchBytes: 256 * 1024,
  /** Longer content is kept in several records. */
  contentRecordBytesMax: 256 * 1024,
  /** An event that is larger as JSON is refused. */
  eventBytesMax: 8 * 1024 * 1024,
  /** Ciphertext and tag of one frame: one batch and the record that crossed its bound. */
  sealedBytesMax: 9 * 1024 * 1024,
  fileBytes: 64 * 1024 * 1024,
  /** Kept back for the closing events of a full disk. */
  reserveBytes: 8 * 1024 * 1024,
  /** Zeros ahead of the writer: so many at the start, and each next file `aheadFactor` times as many, to `fileBytes`. */
  aheadFirstBytes: 1024 * 1024,
  aheadFactor: 4,
  /** Written at once: larger pieces make larger pages in the kernel's cache, and small writes into those cost more. */
  aheadChunkBytes: 64 * 1024,
  /** Zeros that wait for the disk at most. */
  aheadSyncBytes: 4 * 1024 * 1024,
  /**
   * Nothing is prepared for a writer that is faster (once it has used `aheadFirstBytes`): its batches are large, so
   * it waits less per byte, and preparing would take a disk's and a core's time from it. 32 MB per second.
   */
  aheadBytesPerMsMax: 32 * 1000,
  /** Nothing is prepared on a disk with less free space than so many times its size. */
  aheadFreeFactor: 4,
  /** Recorded data is durable this much later at the latest, plus one fdatasync. */
  syncDelayMs: 5,
} as const;

/** A place in a file up to which everything is known, and what is needed to go on from it. */
export interface Mark {
  readonly number: number;
  readonly fileId: Buffer;
  readonly offset: number;
  /** Number of the last batch before it. */
  readonly batch: number;
  /** Tag of that batch. */
  readonly tag: Buffer;
  /** First position that is not before it. */
  readonly position: number;
}

export interface FileHeader {
  readonly fileId: Buffer;
  /** From 1, each new file one more. */
  readonly number: number;
  readonly firstPosition: number;
  readonly durable: number;
  /** Where the file before this one ends; undefined in the first of all. */
  readonly previous: Mark | undefined;
}

export interface FrameHeader {
  readonly sealedBytes: number;
  readonly records: number;
  readonly firstPosition: number;
  readonly durable: number;
}

const suffix = '.journal';
/** Not a journal file yet: see rescue. */
export const temporaryName = 'rescue.tmp';
/** Zeros, not a journal file yet: see Ahead. */
export const aheadTemporaryName = 'next.tmp';
export const reserveName = 'reserve';
export const reserveTemporaryName = 'reserve.tmp';

/** `0000000000000042-00000007.journal`: by first position, and by number where two files begin at one position. */
export function fileName(firstPosition: number, number: number): string {
  return `${String(firstPosition).padStart(16, '0')}-${String(number).padStart(8, '0')}${suffix}`;
}

export function parseFileName(name: string): { number: number; firstPosition: number } | undefined {
  const match = /^(\d{16})-(\d{8,15})\.journal$/.exec(name);
  if (match === null) return undefined;
  return { firstPosition: Number(match[1]), number: Number(match[2]) };
}

export function fileKey(key: Uint8Array, fileId: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', key, fileId, 'throughline journal file 1', 32));
}

/** The mark directly behind a file's header. */
export function startMark(header: FileHeader, bytes: Buffer): Mark {
  return {
    number: header.number,
    fileId: header.fileId,
    offset: format.headerBytes,
    batch: 0,
    tag: Buffer.from(bytes.subarray(format.headerBytes - format.tagBytes)),
    position: header.firstPosition,
  };
}

export function encodeHeader(header: FileHeader, key: Uint8Array): Buffer {
  const bytes = Buffer.alloc(format.headerBytes);
  format.magic.copy(bytes, 0);
  bytes.writeUInt32LE(format.version, 8);
  header.fileId.copy(bytes, 16);
  putInteger(bytes, header.number, 32);
  putInteger(bytes, header.firstPosition, 40);
  putInteger(bytes, header.durable, 48);
  if (header.previous !== undefined) {
    putInteger(bytes, header.previous.number, 56);
    putInteger(bytes, header.previous.offset, 64);
    putInteger(bytes, header.previous.batch, 72);
    putInteger(bytes, header.previous.position, 80);
    header.previous.fileId.copy(bytes, 88);
    header.previous.tag.copy(bytes, 104);
  }
  headerTag(bytes, key).copy(bytes, format.headerBytes - format.tagBytes);
  return bytes;
}

/**
 * `blank`: the header was not written whole, so nothing was written behind it, as `empty` says: there is no frame.
 * Throws `verification-failed` for a header that does not fit with frames behind it: another key, or damage.
 */
export function decodeHeader(
  bytes: Buffer,
  key: Uint8Array,
  name: string,
  empty: boolean,
): FileHeader | 'blank' {
  const wrong = headerFault(bytes, key);
  if (wrong !== undefined && empty) return 'blank';
  if (wrong !== undefined) throw damaged(wrong, name, 0);
  const previousNumber = getInteger(bytes, 56);
  return {
    fileId: Buffer.from(bytes.subarray(16, 32)),
    number: getInteger(bytes, 32),
    firstPosition: getInteger(bytes, 40),
    durable: getInteger(bytes, 48),
    previous:
      previousNumber === 0
        ? undefined
        : {
            number: previousNumber,
            offset: getInteger(bytes, 64),
            batch: getInteger(bytes, 72),
            position: getInteger(bytes, 80),
            fileId: Buffer.from(bytes.subarray(88, 104)),
            tag: Buffer.from(bytes.subarray(104, 120)),
          },
  };
}

function headerFault(bytes: Buffer, key: Uint8Array): string | undefined {
  if (bytes.length < format.headerBytes || !bytes.subarray(0, 8).equals(format.magic)) {
    return 'is not a journal file';
  }
  if (bytes.readUInt32LE(8) !== format.version) return 'was written by another version';
  const tag = bytes.subarray(format.headerBytes - format.tagBytes);
  return headerTag(bytes, key).equals(tag) ? undefined : "does not fit the journal's key";
}

/** The tag over everything in the header before its own tag. */
function headerTag(bytes: Buffer, key: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', fileKey(key, bytes.subarray(16, 32)), Buffer.alloc(12));
  cipher.setAAD(bytes.subarray(0, format.headerBytes - format.tagBytes));
  cipher.final();
  return cipher.getAuthTag();
}

export function decodeFrameHeader(bytes: Buffer, at: number): FrameHeader {
  return {
    sealedBytes: bytes.readUInt32LE(at),
    records: bytes.readUInt32LE(at + 4),
    firstPosition: getInteger(bytes, at + 8),
    durable: getInteger(bytes, at + 16),
  };
}

/** Seals or opens the frames of one file in their order. */
export class Chain {
  readonly #key: Buffer;
  readonly #nonce = Buffer.alloc(12);
  /** Frame header 24 | file id 16 | batch 8 | tag before 16. */
  readonly #additional = Buffer.alloc(format.frameHeaderBytes + format.fileIdBytes + 8 + format.tagBytes);
  readonly #frameHeader = this.#additional.subarray(0, format.frameHeaderBytes);
  #batch: number;
  #tag: Buffer;

  constructor(key: Uint8Array, from: Mark) {
    this.#key = fileKey(key, from.fileId);
    from.fileId.copy(this.#additional, format.frameHeaderBytes);
    this.#batch = from.batch;
    this.#tag = from.tag;
  }

  get batch(): number {
    return this.#batch;
  }

  get tag(): Buffer {
    return this.#tag;
  }

  /**
   * The frame's parts; the first is only good until the next call. Counts as the next batch whatever becomes of the
   * bytes: a number that was used once is never used again.
   */
  seal(plain: Uint8Array, records: number, firstPosition: number, durable: number): Uint8Array[] {
    this.#additional.writeUInt32LE(plain.length + format.tagBytes, 0);
    this.#additional.writeUInt32LE(records, 4);
    putInteger(this.#additional, firstPosition, 8);
    putInteger(this.#additional, durable, 16);
    this.#advance(this.#batch + 1);
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce);
    cipher.setAAD(this.#additional);
    const sealed = cipher.update(plain);
    cipher.final();
    this.#tag = cipher.getAuthTag();
    return [this.#frameHeader, sealed, this.#tag];
  }

  /** The plaintext of the next frame; undefined when its seal does not fit, and then nothing has changed. */
  open(frameHeader: Uint8Array, sealed: Buffer): Buffer | undefined {
    const tag = Buffer.from(sealed.subarray(sealed.length - format.tagBytes));
    this.#additional.set(frameHeader, 0);
    const before = this.#batch;
    this.#advance(before + 1);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce, {
      authTagLength: format.tagBytes,
    });
    decipher.setAAD(this.#additional);
    decipher.setAuthTag(tag);
    const plain = decipher.update(sealed.subarray(0, sealed.length - format.tagBytes));
    try {
      decipher.final();
    } catch {
      this.#batch = before;
      return undefined;
    }
    this.#tag = tag;
    return plain;
  }

  #advance(batch: number): void {
    this.#batch = batch;
    putInteger(this.#nonce, batch, 4);
    putInteger(this.#additional, batch, format.frameHeaderBytes + format.fileIdBytes);
    this.#tag.copy(this.#additional, format.frameHeaderBytes + format.fileIdBytes + 8);
  }
}

/** What is wrong with which file from which byte on. Never holds content. */
export function damaged(what: string, file: string, offset: number, position?: number): ThroughlineError {
  return new ThroughlineError('verification-failed', `journal file ${file} ${what}`, {
    action: 'keep a copy of the journal directory, and restore the file or the key that belongs to it',
    fields: { file, offset, ...(position === undefined ? {} : { position }) },
  });
}

function putInteger(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, at);
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

function getInteger(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
