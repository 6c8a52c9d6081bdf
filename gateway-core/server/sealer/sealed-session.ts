import { createHash, type Hash, hash } from 'node:crypto';
import type { AuditEvent } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { ContentStream } from '../../contract/recorder.js';
import { type RecordedItem, RecordingReader } from '../../recording/reader.js';
import type { Committed } from '../../recording/recovery.js';
import type { RecordingPlace } from '../../recording/segment-file.js';
import { RecordingWriter } from '../../recording/writer.js';
import { sealerLimits } from './limits.js';
import { SearchChunk } from './search-chunk.js';

/** SHA-256 over one statement's content. Most results are short: they are hashed in one call at the end. */
class ContentDigest {
  #pieces: Buffer[] = [];
  #bytes = 0;
  #hash: Hash | undefined;
  searchBytesLeft: number = sealerLimits.searchContentBytesMax;

  add(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    if (this.#hash === undefined && this.#bytes <= sealerLimits.singleHashBytesMax) {
      this.#pieces.push(Buffer.from(bytes));
      return;
    }
    this.#hash ??= createHash('sha256');
    for (const piece of this.#pieces) this.#hash.update(piece);
    this.#pieces = [];
    this.#hash.update(bytes);
  }

  digest(): string {
    if (this.#hash !== undefined) return this.#hash.digest('hex');
    const [first] = this.#pieces;
    const whole = first !== undefined && this.#pieces.length === 1 ? first : Buffer.concat(this.#pieces);
    return hash('sha256', whole, 'hex');
  }
}

/**
 * What the sealer knows of one session between its records: the recording's writer, the hashes of open results, and
 * the words that are not in the index yet. Opening reads all of it back from the recording.
 */
export class SealedSession {
  readonly id: SessionId;
  readonly writer: RecordingWriter;
  readonly salt = (position: number): Buffer => this.writer.keys.salt(position);
  /**
   * Position of the last record that was read back. Until the journal was read past it, records before it may be
   * missing, and a document that reached it would hide them from the next search for where to go on.
   */
  recoveredTo = -1;
  /** Stands on the events that the sealer makes itself. */
  node = '';
  #chunk: SearchChunk | undefined;
  readonly #open = new Map<number, ContentDigest>();

  /** `indexed`: journal position of the session's last record in the search index; -1 for none. */
  constructor(
    place: RecordingPlace,
    id: SessionId,
    at: {
      readonly committed: Committed;
      readonly indexed: number;
      readonly nowMs: number;
      readonly logSize: number;
    },
  ) {
    this.id = id;
    this.writer = new RecordingWriter(place, id, at.committed);
    const reader = new RecordingReader(place, id);
    const openSince = new Map<number, number>();
    for (const { position, event } of reader.events()) {
      this.node = event.node;
      if (event.kind === 'statement.decided' && !openSince.has(event.seq)) openSince.set(event.seq, position);
      if (event.kind === 'statement.ended') openSince.delete(event.seq);
    }
    const from = Math.min(at.indexed + 1, ...openSince.values());
    for (const item of reader.items({ from })) this.#recover(item, openSince, at);
  }

  #recover(
    item: RecordedItem,
    openSince: ReadonlyMap<number, number>,
    at: { readonly indexed: number; readonly nowMs: number; readonly logSize: number },
  ): void {
    this.recoveredTo = item.position;
    if (item.kind === 'content' && openSince.has(item.seq)) this.#digest(item.seq).add(item.bytes);
    if (item.position <= at.indexed) return;
    if (item.kind === 'event') this.#searchEvent(item.position, item.event, at.nowMs, at.logSize);
    else this.#searchContent(item.position, item.seq, item.stream, item.bytes, at.nowMs, at.logSize);
  }

  /** The event as it is logged and recorded: with the hash of what its statement returned. */
  complete(event: AuditEvent): AuditEvent {
    if (event.kind !== 'statement.ended') return event;
    const digest = this.#open.get(event.seq);
    if (digest === undefined) return event;
    this.#open.delete(event.seq);
    return { ...event, contentHash: digest.digest() };
  }

  event(position: number, logIndex: number, event: AuditEvent, nowMs: number): void {
    this.node = event.node;
    this.writer.event(position, logIndex, event);
    this.#searchEvent(position, event, nowMs, logIndex);
  }

  content(
    record: { position: number; atMs: number; seq: number; stream: ContentStream; bytes: Uint8Array },
    logIndex: number,
    nowMs: number,
  ): void {
    const { position, atMs, seq, stream } = record;
    const bytes = Buffer.isBuffer(record.bytes) ? record.bytes : Buffer.from(record.bytes);
    this.writer.content(position, atMs, seq, stream, bytes);
    // Belongs to no statement: the session's end holds the hash over all of it.
    if (stream !== 'wire') this.#digest(seq).add(bytes);
    this.#searchContent(position, seq, stream, bytes, nowMs, logIndex);
  }

  #digest(seq: number): ContentDigest {
    let digest = this.#open.get(seq);
    if (digest === undefined) {
      digest = new ContentDigest();
      this.#open.set(seq, digest);
    }
    return digest;
  }

  #searchEvent(position: number, event: AuditEvent, nowMs: number, logIndex: number): void {
    this.#chunk ??= new SearchChunk(nowMs, logIndex);
    this.#chunk.event(position, event);
  }

  #searchContent(
    position: number,
    seq: number,
    stream: ContentStream,
    bytes: Buffer,
    nowMs: number,
    logIndex: number,
  ): void {
    this.#chunk ??= new SearchChunk(nowMs, logIndex);
    const digest = this.#open.get(seq);
    const left = digest?.searchBytesLeft ?? sealerLimits.searchContentBytesMax;
    if (digest !== undefined) digest.searchBytesLeft = Math.max(0, left - bytes.length);
    this.#chunk.content(position, seq, stream, bytes.subarray(0, left));
  }

  get pendingChunk(): SearchChunk | undefined {
    return this.#chunk;
  }

  chunkWritten(): void {
    this.#chunk = undefined;
  }
}
