import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes, randomFillSync } from 'node:crypto';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import type { SessionId } from '../contract/ids.js';
import { recordingLimits } from './limits.js';

/**
 * The bytes of a segment file. All numbers are big-endian.
 *
 *     segment = header frame* [end frame]
 *
 *     header (132 bytes)                         frame header (68 bytes), body, tag (16 bytes)
 *      0  8  magic "TLSEGMNT"                     0  4  magic "TLFR"
 *      8  4  format version, 2                    4  1  type: 1 events, 2 content, 3 end
 *     12 30  session id, ASCII                    5  1  encoding: 0 raw, 1 brotli
 *     42  2  zero                                 6  2  zero
 *     44  4  segment number, from 1               8  4  body bytes, as stored, without tag
 *     48  8  created at, ms                      12  4  clear bytes
 *     56 16  last tag of the segment before      16  4  frame number, from 0
 *     72 12  key nonce                           20  4  records
 *     84 32  data key, wrapped                   24  8  first position in the journal
 *    116 16  tag of the wrapped key              32  8  last position
 *                                                40  8  weight of this type in this segment, this frame included
 *                                                48  8  time of the last record, ms
 *                                                56 12  nonce
 *
 * Bodies are AES-256-GCM (NIST SP 800-38D) under the session's data key; the additional data is session, segment,
 * the frame's header and the tag of the frame before (of the first: the header's tag), so no frame can be moved,
 * left out before another, or taken from elsewhere. Nonces are random: a frame cut after a crash and written again
 * must not use its nonce twice.
 */
export const segmentHeaderBytes = 132;
export const frameHeaderBytes = 68;
export const tagBytes = 16;
const nonceBytes = 12;
const wrapAt = 72;
const tagAt = 116;
const formatVersion = 2;
const segmentMagic = Buffer.from('TLSEGMNT', 'latin1');
const frameMagic = Buffer.from('TLFR', 'latin1');
const sessionBytes = 30;

export const frameTypes = { events: 1, content: 2, end: 3 } as const;
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

export interface SegmentHeader {
  readonly session: SessionId;
  readonly segment: number;
  readonly createdAtMs: number;
  readonly previousTag: Buffer;
  /** The first frame's additional data ends with it. */
  readonly tag: Buffer;
  readonly keys: SessionKeys;
}

export interface FrameHeader {
  readonly type: FrameType;
  readonly encoding: number;
  readonly bodyBytes: number;
  readonly clearBytes: number;
  readonly number: number;
  readonly records: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly weight: number;
  readonly lastAtMs: number;
}

/** Everything that is derived from one session's data key. It never leaves this module's callers in clear. */
export class SessionKeys {
  readonly frameKey: Buffer;
  readonly #dataKey: Buffer;
  /** The salts' own key, and behind it 8 bytes for a position. */
  readonly #saltInput: Buffer;

  constructor(dataKey: Buffer = randomBytes(32)) {
    this.#dataKey = dataKey;
    this.frameKey = Buffer.from(hkdfSync('sha256', dataKey, '', 'throughline recording frames v1', 32));
    const saltKey = Buffer.from(hkdfSync('sha256', dataKey, '', 'throughline payload salts v2', 32));
    this.#saltInput = Buffer.concat([saltKey, Buffer.alloc(8)]);
  }

  /**
   * The 16-byte salt of the payload at a journal position: the first half of SHA-256 over key and position. All inputs
   * have one length, so it is as good as HMAC here, and a single call. A run after a crash gets the same salt, because
   * a leaf is committed only after the header that wraps this key; once retention deleted the segments the key is gone,
   * and nobody can try guesses against the hash in the log.
   */
  salt(position: number): Buffer {
    const input = this.#saltInput;
    // Without BigInt: they cost more than the hash.
    input.writeUInt32BE(Math.floor(position / 2 ** 32), 32);
    input.writeUInt32BE(position % 2 ** 32, 36);
    return Buffer.from(hash('sha256', input, 'hex').slice(0, 32), 'hex');
  }

  wrap(masterKey: Buffer, additional: Uint8Array): Buffer {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv('aes-256-gcm', wrappingKey(masterKey), nonce);
    cipher.setAAD(additional);
    const wrapped = Buffer.concat([cipher.update(this.#dataKey), cipher.final()]);
    return Buffer.concat([nonce, wrapped, cipher.getAuthTag()]);
  }
}

function wrappingKey(masterKey: Buffer): Buffer {
  if (masterKey.length !== 32) throw new RangeError('the recording master key has 32 bytes');
  return Buffer.from(hkdfSync('sha256', masterKey, '', 'throughline recording key wrap v1', 32));
}

export function encodeSegmentHeader(
  masterKey: Buffer,
  keys: SessionKeys,
  header: { session: SessionId; segment: number; createdAtMs: number; previousTag: Buffer },
): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  segmentMagic.copy(bytes, 0);
  bytes.writeUInt32BE(formatVersion, 8);
  bytes.write(header.session, 12, 'latin1');
  bytes.writeUInt32BE(header.segment, 44);
  bytes.writeBigUInt64BE(BigInt(header.createdAtMs), 48);
  header.previousTag.copy(bytes, 56);
  keys.wrap(masterKey, bytes.subarray(0, wrapAt)).copy(bytes, wrapAt);
  return bytes;
}

/** Undefined when these bytes are not a header of this session's segment that this master key sealed. */
export function decodeSegmentHeader(
  masterKey: Buffer,
  bytes: Buffer,
  expected: { session: SessionId; segment: number },
): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes) return undefined;
  if (!bytes.subarray(0, 8).equals(segmentMagic) || bytes.readUInt32BE(8) !== formatVersion) return undefined;
  if (bytes.toString('latin1', 12, 12 + sessionBytes) !== expected.session) return undefined;
  if (bytes.readUInt32BE(44) !== expected.segment) return undefined;
  const decipher = createDecipheriv(
    'aes-256-gcm',
    wrappingKey(masterKey),
    bytes.subarray(wrapAt, wrapAt + nonceBytes),
    { authTagLength: tagBytes },
  );
  decipher.setAAD(bytes.subarray(0, wrapAt));
  const tag = Buffer.from(bytes.subarray(tagAt, tagAt + tagBytes));
  decipher.setAuthTag(tag);
  try {
    const dataKey = Buffer.concat([
      decipher.update(bytes.subarray(wrapAt + nonceBytes, tagAt)),
      decipher.final(),
    ]);
    return {
      session: expected.session,
      segment: expected.segment,
      createdAtMs: Number(bytes.readBigUInt64BE(48)),
      previousTag: Buffer.from(bytes.subarray(56, 72)),
      tag,
      keys: new SessionKeys(dataKey),
    };
  } catch {
    return undefined;
  }
}

/** What every frame of one segment is bound to. */
function additionalData(session: SessionId, segment: number, header: Uint8Array, previousTag: Uint8Array) {
  const bytes = Buffer.allocUnsafe(sessionBytes + 4 + frameHeaderBytes + tagBytes);
  bytes.write(session, 0, 'latin1');
  bytes.writeUInt32BE(segment, sessionBytes);
  bytes.set(header, sessionBytes + 4);
  bytes.set(previousTag, sessionBytes + 4 + frameHeaderBytes);
  return bytes;
}

export interface FrameInput {
  readonly type: FrameType;
  readonly number: number;
  readonly records: number;
  readonly firstPosition: number;
  readonly lastPosition: number;
  readonly weight: number;
  readonly lastAtMs: number;
}

/** Compresses where it helps, encrypts; the parts are written one after another. `clear` may be reused on return. */
export function sealFrame(
  keys: SessionKeys,
  session: SessionId,
  segment: number,
  previousTag: Buffer,
  frame: FrameInput,
  clear: Buffer,
): { readonly parts: readonly Buffer[]; readonly tag: Buffer; readonly bytes: number } {
  let body = clear;
  let encoding = 0;
  if (clear.length >= recordingLimits.compressBytesMin) {
    const compressed = brotliCompressSync(clear, brotliFast);
    if (compressed.length < clear.length) {
      body = compressed;
      encoding = 1;
    }
  }
  const header = Buffer.alloc(frameHeaderBytes);
  frameMagic.copy(header, 0);
  header[4] = frame.type;
  header[5] = encoding;
  header.writeUInt32BE(body.length, 8);
  header.writeUInt32BE(clear.length, 12);
  header.writeUInt32BE(frame.number, 16);
  header.writeUInt32BE(frame.records, 20);
  header.writeBigUInt64BE(BigInt(frame.firstPosition), 24);
  header.writeBigUInt64BE(BigInt(frame.lastPosition), 32);
  header.writeBigUInt64BE(BigInt(frame.weight), 40);
  header.writeBigUInt64BE(BigInt(frame.lastAtMs), 48);
  const nonce = randomFillSync(header, 56, nonceBytes).subarray(56);
  const cipher = createCipheriv('aes-256-gcm', keys.frameKey, nonce);
  cipher.setAAD(additionalData(session, segment, header, previousTag));
  const sealed = cipher.update(body);
  cipher.final();
  const tag = cipher.getAuthTag();
  return { parts: [header, sealed, tag], tag, bytes: frameHeaderBytes + sealed.length + tagBytes };
}

const brotliFast = {
  params: { [constants.BROTLI_PARAM_QUALITY]: 0, [constants.BROTLI_PARAM_LGWIN]: 18 },
};

/** Undefined when these bytes are no frame header: the walk along the file cannot go on from here. */
export function decodeFrameHeader(bytes: Buffer): FrameHeader | undefined {
  if (bytes.length < frameHeaderBytes || !bytes.subarray(0, 4).equals(frameMagic)) return undefined;
  const type = bytes[4];
  const encoding = bytes[5];
  if (type !== frameTypes.events && type !== frameTypes.content && type !== frameTypes.end) return undefined;
  if (encoding !== 0 && encoding !== 1) return undefined;
  const bodyBytes = bytes.readUInt32BE(8);
  const clearBytes = bytes.readUInt32BE(12);
  if (bodyBytes > clearBytes || clearBytes > recordingLimits.frameBytesMax) return undefined;
  return {
    type,
    encoding,
    bodyBytes,
    clearBytes,
    number: bytes.readUInt32BE(16),
    records: bytes.readUInt32BE(20),
    firstPosition: Number(bytes.readBigUInt64BE(24)),
    lastPosition: Number(bytes.readBigUInt64BE(32)),
    weight: Number(bytes.readBigUInt64BE(40)),
    lastAtMs: Number(bytes.readBigUInt64BE(48)),
  };
}

/** The clear body, or undefined when seal, chain or compression do not fit. `sealed`: body and tag. */
export function openFrame(
  segment: SegmentHeader,
  header: FrameHeader,
  headerBytes: Buffer,
  previousTag: Buffer,
  sealed: Buffer,
): Buffer | undefined {
  const nonce = headerBytes.subarray(56, 56 + nonceBytes);
  const decipher = createDecipheriv('aes-256-gcm', segment.keys.frameKey, nonce, { authTagLength: tagBytes });
  decipher.setAAD(additionalData(segment.session, segment.segment, headerBytes, previousTag));
  decipher.setAuthTag(sealed.subarray(header.bodyBytes, header.bodyBytes + tagBytes));
  try {
    const body = decipher.update(sealed.subarray(0, header.bodyBytes));
    decipher.final();
    if (header.encoding === 0) return body.length === header.clearBytes ? body : undefined;
    const clear = brotliDecompressSync(body, { maxOutputLength: Math.max(1, header.clearBytes) });
    return clear.length === header.clearBytes ? clear : undefined;
  } catch {
    return undefined;
  }
}
