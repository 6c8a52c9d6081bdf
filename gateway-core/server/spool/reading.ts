import type { SessionId } from '../../contract/ids.js';
import type { DesktopLine } from '../../contract/local-record.js';
import { type DesktopSide, SideGatherer } from './desktop-side.js';
import { receiverLimits } from './limits.js';
import { readSegment, type SpoolPlace, segmentPath, segmentsOf } from './segment.js';

const sessionPattern = /ses_[0-9A-HJKMNP-TV-Z]{26}/g;

/**
 * Finds a session's records among a device's segments. Remembers, within bounds, which sessions each segment holds, so
 * that a segment is read again only for a session that is in it, or when it has grown.
 */
export class SpoolReader {
  readonly #place: SpoolPlace;
  readonly #known = new Map<string, { readonly size: number; readonly sessions: ReadonlySet<string> }>();
  #sessionsKnown = 0;

  constructor(place: SpoolPlace) {
    this.#place = place;
  }

  /** What the device has recorded of the session, in order, behind the record `after`; bytes are copies of nobody. */
  *records(
    device: string,
    session: SessionId,
    after?: { readonly segment: number; readonly seq: number },
  ): Generator<{ segment: number; seq: number; receivedAtMs: number; bytes: Buffer }> {
    for (const segment of segmentsOf(this.#place, device)) {
      if (after !== undefined && segment < after.segment) continue;
      if (!this.#holds(device, segment, session)) continue;
      for (const frame of readSegment(this.#place, { device, segment })) {
        for (const [index, bytes] of frame.content.entries()) {
          const seq = frame.first + index;
          if (after?.segment === segment && seq <= after.seq) continue;
          yield { segment, seq, receivedAtMs: frame.receivedAtMs, bytes };
        }
      }
    }
  }

  side(device: string, session: SessionId): DesktopSide | undefined {
    const gatherer = new SideGatherer(device, session);
    for (const { segment, seq, receivedAtMs, bytes } of this.records(device, session))
      gatherer.add(segment, seq, receivedAtMs, bytes);
    return gatherer.side();
  }

  /** A page of the session's records; the next page comes behind its last line. None: there are no more. */
  lines(
    device: string,
    session: SessionId,
    after?: { readonly segment: number; readonly seq: number },
  ): DesktopLine[] {
    const page: DesktopLine[] = [];
    let length = 0;
    for (const { segment, seq, receivedAtMs, bytes } of this.records(device, session, after)) {
      if (!bytes.includes(session)) continue;
      const receivedAt = new Date(receivedAtMs).toISOString();
      page.push({ device, segment, seq, receivedAt, record: bytes.toString('utf8') });
      length += bytes.length;
      if (page.length >= receiverLimits.linesMax || length >= receiverLimits.linesBytesMax) break;
    }
    return page;
  }

  #holds(device: string, segment: number, session: SessionId): boolean {
    const { files } = this.#place;
    const key = `${device} ${segment}`;
    const handle = files.openRead(segmentPath(this.#place, { device, segment }));
    if (handle === undefined) return false;
    const size = files.size(handle);
    files.close(handle);
    let known = this.#known.get(key);
    if (known?.size !== size) {
      const sessions = new Set<string>();
      for (const frame of readSegment(this.#place, { device, segment })) {
        for (const record of frame.content) {
          for (const [name] of record.toString('latin1').matchAll(sessionPattern)) sessions.add(name);
        }
      }
      this.#forget(key);
      known = { size, sessions };
      this.#known.set(key, known);
      this.#sessionsKnown += sessions.size;
      this.#bound(key);
    }
    return known.sessions.has(session);
  }

  #forget(key: string): void {
    this.#sessionsKnown -= this.#known.get(key)?.sessions.size ?? 0;
    this.#known.delete(key);
  }

  #bound(newest: string): void {
    for (const key of this.#known.keys()) {
      if (this.#sessionsKnown <= receiverLimits.sessionsKnownMax) return;
      if (key !== newest) this.#forget(key);
    }
  }
}
