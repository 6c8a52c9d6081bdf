import { createHash, type Hash } from 'node:crypto';
import { leafOf } from '../../audit/leaf-of.js';
import { leafHash, sameHash } from '../../audit/tree.js';
import type { SessionView } from '../../contract/api.js';
import type { AuditEvent } from '../../contract/events.js';
import { bundlePaths, EventLine } from '../../contract/evidence.js';
import type { RecordedContent } from '../../recording/content-codec.js';
import { wireEntries, wireEntryBytes } from '../../recording/wire-content.js';
import { ContentCursor } from './content.js';
import type { EntryIndex } from './entry-index.js';
import type { BundleFiles } from './files.js';
import type { Findings } from './findings.js';
import { jsonOf, lineBatches } from './lines.js';
import { type Deleted, differences, type EventOf, emptySums, type SessionSums } from './session-view.js';

export interface EventChecks {
  readonly files: BundleFiles;
  readonly findings: Findings;
  readonly entries: EntryIndex;
  /** False when entries are missing altogether: then events have nothing to be held against. */
  readonly logged: boolean;
}

/** A line of events that fits its entry. */
export interface CheckedEvent {
  readonly index: number;
  readonly position: number | undefined;
  readonly event: AuditEvent;
}

/** Kinds that stand in a session's recording, and so in its file and nowhere else. */
const recordedKinds: ReadonlySet<unknown> = new Set<AuditEvent['kind']>([
  'session.started',
  'session.ended',
  'session.revoked',
  'session.watched',
  'session.unwatched',
  'statement.decided',
  'statement.ended',
]);

/**
 * The events of one file, each held against its entry of the log. Those that do not fit become problems and are not
 * given: nothing further is concluded from them. `session`: whose they must be; undefined: of no recording.
 */
export async function* eventsOf(
  { files, findings, entries, logged }: EventChecks,
  path: string,
  session: string | undefined,
): AsyncGenerator<readonly CheckedEvent[]> {
  const problem = (code: string, where: string, message: string): void =>
    findings.add('events', code, where, message);
  let line = 0;
  let before = -1;
  const check = (text: string): CheckedEvent | undefined => {
    const where = `${path}:${line}`;
    const read = EventLine.safeParse(jsonOf(text));
    if (!read.success) {
      problem('event-invalid', where, 'it is not a line of an event');
      return undefined;
    }
    const { index, salt } = read.data;
    const event = read.data.event as unknown as AuditEvent;
    if (index <= before) problem('events-reordered', where, `entry ${index} comes after entry ${before}`);
    before = Math.max(before, index);
    if (!logged) return undefined;
    const row = entries.find(index);
    if (row === undefined) {
      problem('event-not-logged', where, `the bundle has no entry ${index} of the log`);
      return undefined;
    }
    if (!entries.mark(row)) problem('event-repeated', where, `entry ${index} has an event already`);
    const position = entries.position(row);
    if (!makesLeaf(event, position, salt, entries.leafHash(row))) {
      problem('event-altered', where, `it is not the event that entry ${index} of the log holds`);
      return undefined;
    }
    if (entries.hasPayload(row) && !('payload' in event)) {
      problem('payload-missing', where, 'what the log holds the hash of is not there');
      return undefined;
    }
    const own = 'session' in event ? event.session : undefined;
    const misplaced = session === undefined ? recordedKinds.has(event.kind) : own !== session;
    if (misplaced) {
      problem('event-misplaced', where, 'it belongs to another session');
      return undefined;
    }
    return { index, position, event };
  };
  for await (const batch of lineBatches(files.pieces(path))) {
    if (batch === undefined) {
      line += 1;
      problem('event-invalid', `${path}:${line}`, 'it is not a line');
      return;
    }
    const events: CheckedEvent[] = [];
    for (const text of batch) {
      line += 1;
      const event = check(text);
      if (event !== undefined) events.push(event);
    }
    yield events;
  }
}

/** Whether the event, with what opens its payload, makes exactly this leaf. */
function makesLeaf(
  event: AuditEvent,
  position: number | undefined,
  salt: string | undefined,
  expected: Uint8Array,
): boolean {
  // The bundle's line has the payload itself, or none: its hash is the leaf's alone.
  const opened = !('payload' in event) || !('payloadHash' in event);
  if (!opened || 'pos' in event) return false;
  try {
    const leaf = leafOf(event, position, () => Buffer.from(salt ?? '', 'hex'));
    return sameHash(leafHash(leaf), expected);
  } catch {
    // A salt or a value that no leaf is made of.
    return false;
  }
}

/** One session: its events against the log, its content against the events, and what the manifest says of it. */
export class SessionCheck {
  readonly #checks: EventChecks;
  readonly #view: SessionView;
  readonly #deleted: Deleted | undefined;
  readonly #cursor: ContentCursor;
  readonly #open = new Map<number, { readonly hash: Hash; bytes: number }>();
  /** Over the hashes of the raw stream's blocks. */
  readonly #wire = { up: createHash('sha256'), down: createHash('sha256') };
  readonly #sums: SessionSums = emptySums();
  /** Statements whose decision is there: of one before a deleted beginning, part of the content may be gone too. */
  readonly #decided = new Set<number>();
  constructor(checks: EventChecks, view: SessionView, deleted: Deleted | undefined) {
    this.#checks = checks;
    this.#view = view;
    this.#deleted = deleted;
    this.#cursor = new ContentCursor(checks.files.pieces(bundlePaths.content(view.id)));
  }

  #problem(area: 'events' | 'content', code: string, where: string, message: string): void {
    this.#checks.findings.add(area, code, where, message);
  }

  async run(): Promise<SessionSums> {
    const { id } = this.#view;
    const content = this.#cursor;
    for await (const events of eventsOf(this.#checks, bundlePaths.events(id), id)) {
      for (const { position, event } of events) {
        if (position !== undefined) await this.#contentBefore(position);
        this.#event(event);
      }
    }
    await this.#contentBefore(Number.POSITIVE_INFINITY);
    await content.finish();
    if (content.problem !== undefined) {
      this.#problem('content', content.problem.code, bundlePaths.content(id), content.problem.message);
    }
    this.#leftOver();
    this.#wireSums();
    for (const { code, message } of differences(this.#view, this.#sums, this.#deleted))
      this.#problem('events', code, `session ${id}`, message);
    return this.#sums;
  }

  #event(event: AuditEvent): void {
    const sums = this.#sums;
    if ('policyVersion' in event && typeof event.policyVersion === 'string')
      sums.policyVersions.add(event.policyVersion);
    if (event.kind === 'session.started') sums.started ??= event;
    else if (event.kind === 'session.ended') sums.ended ??= event;
    else if (event.kind === 'session.compared') sums.compared.push(event);
    else if (event.kind === 'statement.decided') {
      sums.statements = Math.max(sums.statements, event.seq);
      if (this.#deleted !== undefined) this.#decided.add(event.seq);
    } else if (event.kind === 'statement.ended') this.#outcome(event);
  }

  async #contentBefore(position: number): Promise<void> {
    for (;;) {
      const record = await this.#cursor.next(position);
      if (record === undefined) return;
      this.#content(record);
    }
  }

  #content({ seq, stream, bytes }: RecordedContent): void {
    if (stream === 'wire') {
      let left = bytes.length;
      for (const { direction, hash } of wireEntries(bytes)) {
        this.#wire[direction].update(hash);
        left -= wireEntryBytes;
      }
      if (left !== 0)
        this.#problem(
          'content',
          'content-invalid',
          bundlePaths.content(this.#view.id),
          'blocks cannot be read',
        );
      return;
    }
    let open = this.#open.get(seq);
    if (open === undefined) {
      open = { hash: createHash('sha256'), bytes: 0 };
      this.#open.set(seq, open);
    }
    open.hash.update(bytes);
    open.bytes += bytes.length;
    this.#sums.contentBytes += bytes.length;
  }

  #outcome({ seq, contentHash }: EventOf<'statement.ended'>): void {
    const open = this.#open.get(seq);
    this.#open.delete(seq);
    if (this.#deleted !== undefined && !this.#decided.has(seq)) {
      this.#sums.unboundBytes += open?.bytes ?? 0;
      return;
    }
    // Behind a hole nobody can say which bytes are missing: the hole itself is the problem.
    if (this.#cursor.problem !== undefined) return;
    // A file that is not there is a problem of its own, or is not in the viewer's copy.
    if (!this.#checks.files.has(bundlePaths.content(this.#view.id))) return;
    if (contentHash === open?.hash.digest('hex')) {
      if (open !== undefined) this.#sums.results += 1;
      return;
    }
    const where = `${bundlePaths.content(this.#view.id)} statement ${seq}`;
    this.#problem('content', 'content-altered', where, 'what it returned is not what was logged');
  }

  /** The blocks that say where two sides differ are those whose sum was logged. */
  #wireSums(): void {
    const logged = this.#sums.ended?.wire;
    if (logged === undefined || this.#deleted !== undefined || this.#cursor.problem !== undefined) return;
    for (const direction of ['up', 'down'] as const) {
      if (this.#wire[direction].digest('hex') === logged[direction].blocks) continue;
      const where = `${bundlePaths.content(this.#view.id)} ${direction}`;
      this.#problem('content', 'content-altered', where, 'its blocks do not have the sum that was logged');
    }
  }

  /** Content that no outcome followed. Only a live session has such, and one whose beginning is gone. */
  #leftOver(): void {
    for (const [seq, { bytes }] of this.#open) {
      this.#sums.unboundBytes += bytes;
      const excused = this.#sums.ended === undefined || this.#deleted !== undefined;
      if (excused && seq <= this.#sums.statements) continue;
      const where = `${bundlePaths.content(this.#view.id)} statement ${seq}`;
      this.#problem('content', 'content-unbound', where, 'no statement that was logged returned this');
    }
  }
}
