import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { spoolLimits } from '../../contract/local-record.js';

/**
 * A segment of the spool as a file: a header, then one frame for each record.
 *
 *     header  magic 8 | u64 segment | u8 length, device 64 | iv 12 | segment's key under the spool's 32 | tag 16
 *     frame   u32 length of what follows the number | u32 crc32 over number and the rest | u64 number |
 *             AES-256-GCM of the record | tag 16
 *
 * A frame's associated data is the chain over all records before it (recording/spool-head.ts), which is what the
 * gateway acknowledges: frames cannot be left out, exchanged or moved. The nonce is the frame's number.
 * INVARIANT: a number is sealed once under one key: a segment that took something back gets no more frames.
 */

const magic = Buffer.from('TLspool\x01', 'latin1');
const deviceBytesMax = 64;
const ivBytes = 12;
const keyBytes = 32;
const tagBytes = 16;
const plainBytes = magic.length + 8 + 1 + deviceBytesMax;
export const headerBytes = plainBytes + ivBytes + keyBytes + tagBytes;
export const frameHeadBytes = 16;
export const frameBytesMax = frameHeadBytes + spoolLimits.recordBytesMax + tagBytes;

export interface SegmentName {
  /** Origin of the gateway that it is for. Not in the file: bound to it. */
  readonly gateway: string;
  readonly device: string;
  readonly segment: number;
}

const boundTo = (gateway: string, plain: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`throughline spool segment\n${gateway}\n`), plain]);

/** A header with a fresh key for the segment, sealed under the spool's. */
export function newHeader(spoolKey: Buffer, name: SegmentName): { bytes: Buffer; key: Buffer } {
  const device = Buffer.from(name.device);
  if (device.length > deviceBytesMax) throw new RangeError('a device has 64 characters at most');
  const plain = Buffer.alloc(plainBytes);
  magic.copy(plain);
  plain.writeBigUInt64BE(BigInt(name.segment), magic.length);
  plain[magic.length + 8] = device.length;
  device.copy(plain, magic.length + 9);
  const key = randomBytes(keyBytes);
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', spoolKey, iv);
  cipher.setAAD(boundTo(name.gateway, plain));
  const sealed = Buffer.concat([cipher.update(key), cipher.final()]);
  return { bytes: Buffer.concat([plain, iv, sealed, cipher.getAuthTag()]), key };
}

/** Undefined: no header of ours, of another gateway, or sealed under another key. */
export function openHeader(
  spoolKey: Buffer,
  gateway: string,
  bytes: Buffer,
): { device: string; segment: number; key: Buffer } | undefined {
  if (bytes.length < headerBytes || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const plain = bytes.subarray(0, plainBytes);
  const sealedAt = plainBytes + ivBytes;
  const tagAt = sealedAt + keyBytes;
  const key = opened(spoolKey, bytes.subarray(plainBytes, sealedAt), boundTo(gateway, plain), {
    sealed: bytes.subarray(sealedAt, tagAt),
    tag: bytes.subarray(tagAt, headerBytes),
  });
  if (key === undefined) return undefined;
  const length = plain[magic.length + 8] ?? 0;
  const device = plain.toString('utf8', magic.length + 9, magic.length + 9 + length);
  return { device, segment: Number(plain.readBigUInt64BE(magic.length)), key };
}

function opened(
  key: Buffer,
  iv: Buffer,
  associated: Uint8Array,
  { sealed, tag }: { sealed: Buffer; tag: Buffer },
): Buffer | undefined {
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
  decipher.setAAD(associated);
  decipher.setAuthTag(tag);
  try {
    return Buffer.concat([decipher.update(sealed), decipher.final()]);
  } catch {
    return undefined;
  }
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(ivBytes);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  return nonce;
}

/** One frame; `head`: the chain before this record. */
export function sealFrame(key: Buffer, number: number, head: Uint8Array, record: Buffer): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, nonceOf(number));
  cipher.setAAD(head);
  const sealed = cipher.update(record);
  // GCM is a stream: nothing is left for `final`.
  cipher.final();
  const frame = Buffer.allocUnsafe(frameHeadBytes + sealed.length + tagBytes);
  frame.writeUInt32BE(sealed.length + tagBytes, 0);
  frame.writeBigUInt64BE(BigInt(number), 8);
  sealed.copy(frame, frameHeadBytes);
  cipher.getAuthTag().copy(frame, frameHeadBytes + sealed.length);
  frame.writeUInt32BE(crc32(frame.subarray(8)), 4);
  return frame;
}

export interface FrameView {
  readonly number: number;
  readonly sealed: Buffer;
  readonly bytes: number;
}

/** The frame at the start of `bytes`; undefined when it is not whole, or not one that was written like this. */
export function frameAt(bytes: Buffer): FrameView | undefined {
  if (bytes.length < frameHeadBytes) return undefined;
  const length = bytes.readUInt32BE(0);
  if (length < tagBytes || length > spoolLimits.recordBytesMax + tagBytes) return undefined;
  const end = frameHeadBytes + length;
  if (bytes.length < end || bytes.readUInt32BE(8) > 0) return undefined;
  if (crc32(bytes.subarray(8, end)) !== bytes.readUInt32BE(4)) return undefined;
  return { number: bytes.readUInt32BE(12), sealed: bytes.subarray(frameHeadBytes, end), bytes: end };
}

/** The record in a frame, or undefined when it was not sealed here, under this key and after this chain. */
export function openFrame(key: Buffer, head: Uint8Array, { number, sealed }: FrameView): Buffer | undefined {
  const cut = sealed.length - tagBytes;
  return opened(key, nonceOf(number), head, { sealed: sealed.subarray(0, cut), tag: sealed.subarray(cut) });
}
