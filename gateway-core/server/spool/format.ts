import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { receiverLimits } from './limits.js';

/**
 * The bytes of a file that holds one segment of a desktop's spool, as it arrived. Numbers are big-endian.
 *
 *     file = header frame*
 *
 *     header (64 bytes)                     frame header (48 bytes), body, tag (16 bytes)
 *      0  8  magic "TLSPOOL1"                0  4  magic "TLSF"
 *      8  8  segment                         4  4  body bytes
 *     16  8  created at, ms                  8  4  number of its first record
 *     24 32  salt                           12  4  records
 *     56  4  zero                           16  8  received at, ms
 *     60  4  CRC-32 of the 60 before        24  1  1: no more will come
 *                                           25  3  zero
 *                                           28 12  nonce
 *                                           40  4  zero
 *                                           44  4  CRC-32 of the 44 before
 *
 * A body is records, each a u32 length and its UTF-8, under AES-256-GCM (NIST SP 800-38D); the key is derived for this
 * device, segment and salt, the additional data is the frame's header and the tag of the frame before (of the first:
 * half of the SHA-256 of the file's header). So no frame can be moved, left out before another or taken from elsewhere.
 * Nonces are random: a frame cut after a crash and written again must not use its nonce twice.
 */
export const fileHeaderBytes = 64;
export const frameHeaderBytes = 48;
export const tagBytes = 16;
const magic = Buffer.from('TLSPOOL1', 'latin1');
const frameMagic = Buffer.from('TLSF', 'latin1');

export interface SegmentPlace {
  /** RFC 7638 thumbprint. */
  readonly device: string;
  readonly segment: number;
}

export interface FileHeader {
  readonly createdAtMs: number;
  /** Of this file alone. */
  readonly key: Buffer;
  /** What the first frame's additional data ends with. */
  readonly tag: Buffer;
}

export interface FrameHeader {
  readonly bodyBytes: number;
  readonly first: number;
  readonly records: number;
  readonly receivedAtMs: number;
  readonly last: boolean;
}

export function newFileHeader(segment: number, createdAtMs: number): Buffer {
  const bytes = Buffer.alloc(fileHeaderBytes);
  magic.copy(bytes);
  bytes.writeBigUInt64BE(BigInt(segment), 8);
  bytes.writeBigUInt64BE(BigInt(createdAtMs), 16);
  randomBytes(32).copy(bytes, 24);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

/** Undefined when these bytes are not the whole header of that segment's file. `masterKey`: 32 bytes. */
export function readFileHeader(
  bytes: Buffer,
  masterKey: Uint8Array,
  { device, segment }: SegmentPlace,
): FileHeader | undefined {
  if (bytes.length < fileHeaderBytes || !bytes.subarray(0, 8).equals(magic)) return undefined;
  if (bytes.readUInt32BE(60) !== crc32(bytes.subarray(0, 60))) return undefined;
  if (bytes.readBigUInt64BE(8) !== BigInt(segment)) return undefined;
  const salt = bytes.subarray(24, 56);
  const info = `throughline spool segment v1 ${device} ${segment}`;
  return {
    createdAtMs: Number(bytes.readBigUInt64BE(16)),
    key: Buffer.from(hkdfSync('sha256', masterKey, salt, info, 32)),
    tag: createHash('sha256').update(bytes.subarray(0, fileHeaderBytes)).digest().subarray(0, tagBytes),
  };
}

/** The frame's parts, to be written one after the other, and its tag. */
export function sealFrame(
  key: Uint8Array,
  previousTag: Uint8Array,
  frame: Omit<FrameHeader, 'bodyBytes' | 'records'>,
  records: readonly Uint8Array[],
): { readonly parts: readonly Buffer[]; readonly tag: Buffer; readonly bytes: number } {
  const body = Buffer.allocUnsafe(records.reduce((sum, record) => sum + 4 + record.length, 0));
  let at = 0;
  for (const record of records) {
    at = body.writeUInt32BE(record.length, at);
    body.set(record, at);
    at += record.length;
  }
  const header = Buffer.alloc(frameHeaderBytes);
  frameMagic.copy(header);
  header.writeUInt32BE(body.length, 4);
  header.writeUInt32BE(frame.first, 8);
  header.writeUInt32BE(records.length, 12);
  header.writeBigUInt64BE(BigInt(frame.receivedAtMs), 16);
  header[24] = frame.last ? 1 : 0;
  const nonce = randomBytes(12);
  nonce.copy(header, 28);
  header.writeUInt32BE(crc32(header.subarray(0, 44)), 44);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.concat([header, previousTag]));
  const sealed = cipher.update(body);
  cipher.final();
  const tag = cipher.getAuthTag();
  return { parts: [header, sealed, tag], tag, bytes: frameHeaderBytes + sealed.length + tagBytes };
}

/** Undefined when these bytes are no frame header. */
export function readFrameHeader(bytes: Buffer): FrameHeader | undefined {
  if (bytes.length < frameHeaderBytes || !bytes.subarray(0, 4).equals(frameMagic)) return undefined;
  if (bytes.readUInt32BE(44) !== crc32(bytes.subarray(0, 44))) return undefined;
  const bodyBytes = bytes.readUInt32BE(4);
  if (bodyBytes > receiverLimits.frameBytesMax) return undefined;
  return {
    bodyBytes,
    first: bytes.readUInt32BE(8),
    records: bytes.readUInt32BE(12),
    receivedAtMs: Number(bytes.readBigUInt64BE(16)),
    last: bytes[24] === 1,
  };
}

/** The records, or undefined when seal or chain do not fit. `sealed`: body and tag. */
export function openFrame(
  key: Uint8Array,
  previousTag: Uint8Array,
  headerBytes: Buffer,
  header: FrameHeader,
  sealed: Buffer,
): Buffer[] | undefined {
  if (sealed.length !== header.bodyBytes + tagBytes) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, headerBytes.subarray(28, 40), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(Buffer.concat([headerBytes.subarray(0, frameHeaderBytes), previousTag]));
  decipher.setAuthTag(sealed.subarray(header.bodyBytes));
  try {
    const body = decipher.update(sealed.subarray(0, header.bodyBytes));
    decipher.final();
    return recordsIn(body, header.records);
  } catch {
    return undefined;
  }
}

function recordsIn(body: Buffer, count: number): Buffer[] | undefined {
  const records: Buffer[] = [];
  let at = 0;
  while (at + 4 <= body.length) {
    const end = at + 4 + body.readUInt32BE(at);
    if (end > body.length) return undefined;
    records.push(body.subarray(at + 4, end));
    at = end;
  }
  return at === body.length && records.length === count ? records : undefined;
}
