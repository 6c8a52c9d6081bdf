import type { AuditEvent } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { ContentStream, JournalRecord } from '../../contract/recorder.js';
import { contentStreams } from '../../contract/recorder.js';
import { journalLimits } from './format.js';

/**
 * Records inside a batch, back to back, integers little-endian:
 *   event    1 u8 | length u32 | JSON
 *   content  2 u8 | length u32 | stream u8 | seq u32 | at, milliseconds, 6 bytes | session id, 30 bytes | bytes
 */
const kindEvent = 1;
const kindContent = 2;
const eventPrefixBytes = 5;
const sessionIdBytes = 30;
const contentPrefixBytes = 16 + sessionIdBytes;
/** UTF-8 takes at most so many bytes for one UTF-16 code unit. */
const utf8BytesPerUnitMax = 3;
const initialBytes = journalLimits.batchBytes + journalLimits.contentRecordBytesMax + contentPrefixBytes;

/** The records of one turn, in one growing buffer: the only copy of content before it is sealed. */
export class Batch {
  #bytes = Buffer.allocUnsafeSlow(initialBytes);
  #used = 0;
  #records = 0;
  /** The content record at the end of the batch, if one is: what follows of the same content joins it. */
  #open:
    | {
        readonly start: number;
        readonly session: SessionId;
        readonly seq: number;
        readonly stream: ContentStream;
      }
    | undefined;

  get used(): number {
    return this.#used;
  }

  get records(): number {
    return this.#records;
  }

  /** The bytes so far; good until the next call. */
  get plain(): Buffer {
    return this.#bytes.subarray(0, this.#used);
  }

  /**
   * Adds an event: `json` is a non-empty object, `ending` replaces its closing brace. Returns false, and adds
   * nothing, when the event is too large to keep.
   */
  addEvent(json: string, ending: Buffer): boolean {
    let room = json.length * utf8BytesPerUnitMax;
    if (room > journalLimits.eventBytesMax - ending.length) {
      room = Buffer.byteLength(json);
      if (room > journalLimits.eventBytesMax - ending.length) return false;
    }
    this.#reserve(eventPrefixBytes + room + ending.length);
    this.#open = undefined;
    const start = this.#used + eventPrefixBytes;
    const brace = start + this.#bytes.write(json, start, 'utf8') - 1;
    ending.copy(this.#bytes, brace);
    const end = brace + ending.length;
    this.#bytes[this.#used] = kindEvent;
    this.#bytes.writeUInt32LE(end - start, this.#used + 1);
    this.#used = end;
    this.#records += 1;
    return true;
  }

  /**
   * Adds content of at most `contentRecordBytesMax` bytes, copied. Returns false when it joined the record before it: a
   * result's description and its rows are one record, mostly.
   */
  addContent(
    atMs: number,
    session: SessionId,
    seq: number,
    stream: ContentStream,
    bytes: Uint8Array,
  ): boolean {
    if (this.#join(session, seq, stream, bytes)) return false;
    this.#reserve(contentPrefixBytes + bytes.length);
    const start = this.#used;
    const buffer = this.#bytes;
    buffer[start] = kindContent;
    buffer.writeUInt32LE(contentPrefixBytes - eventPrefixBytes + bytes.length, start + 1);
    buffer[start + 5] = contentStreams[stream];
    buffer.writeUInt32LE(seq, start + 6);
    buffer.writeUIntLE(atMs, start + 10, 6);
    if (buffer.write(session, start + 16, 'latin1') !== sessionIdBytes) throw new Error('not a session id');
    buffer.set(bytes, start + contentPrefixBytes);
    this.#used = start + contentPrefixBytes + bytes.length;
    this.#records += 1;
    this.#open = { start, session, seq, stream };
    return true;
  }

  #join(session: SessionId, seq: number, stream: ContentStream, bytes: Uint8Array): boolean {
    const open = this.#open;
    if (open?.session !== session || open.seq !== seq || open.stream !== stream) return false;
    const length = this.#used - open.start - contentPrefixBytes + bytes.length;
    if (length > journalLimits.contentRecordBytesMax) return false;
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#used);
    this.#bytes.writeUInt32LE(contentPrefixBytes - eventPrefixBytes + length, open.start + 1);
    this.#used += bytes.length;
    return true;
  }

  clear(): void {
    this.#used = 0;
    this.#records = 0;
    this.#open = undefined;
    if (this.#bytes.length > initialBytes) this.#bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  #reserve(more: number): void {
    const needed = this.#used + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }
}

const streamsByNumber = new Map<number, ContentStream>(
  Object.entries(contentStreams).map(([name, number]) => [number, name as ContentStream]),
);

/**
 * The records of an opened batch from position `from` on. Their bytes are views into `plain`.
 * Undefined when the batch is not what this version writes; its seal did fit, so that is another version's journal.
 */
export function decodeRecords(
  plain: Buffer,
  firstPosition: number,
  records: number,
  from: number,
): JournalRecord[] | undefined {
  const found: JournalRecord[] = [];
  let at = 0;
  for (let position = firstPosition; position < firstPosition + records; position += 1) {
    if (at + eventPrefixBytes > plain.length) return undefined;
    const end = at + eventPrefixBytes + plain.readUInt32LE(at + 1);
    if (end > plain.length) return undefined;
    if (position >= from) {
      const record = decodeRecord(plain, at, end, position);
      if (record === undefined) return undefined;
      found.push(record);
    }
    at = end;
  }
  return at === plain.length ? found : undefined;
}

function decodeRecord(plain: Buffer, at: number, end: number, position: number): JournalRecord | undefined {
  if (plain[at] === kindEvent) {
    // The seal proved that these are our own bytes, so the schema is not checked again, only its version.
    const event = JSON.parse(plain.toString('utf8', at + eventPrefixBytes, end)) as AuditEvent;
    return event.v === 1 ? { position, kind: 'event', event } : undefined;
  }
  const stream = streamsByNumber.get(plain[at + 5] ?? 0);
  if (plain[at] !== kindContent || end - at < contentPrefixBytes || stream === undefined) return undefined;
  return {
    position,
    kind: 'content',
    atMs: plain.readUIntLE(at + 10, 6),
    session: plain.toString('latin1', at + 16, at + contentPrefixBytes) as SessionId,
    seq: plain.readUInt32LE(at + 6),
    stream,
    bytes: plain.subarray(at + contentPrefixBytes, end),
  };
}
