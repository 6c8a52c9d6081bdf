import { parseLeaf } from '../../audit/leaf.js';
import type { AuditEvent } from '../../contract/events.js';
import type { EventLine } from '../../contract/evidence.js';
import type { SessionId } from '../../contract/ids.js';
import { ContentFrameWriter } from '../../recording/content-codec.js';
import { type RecordedEvent, type RecordingProblem, RecordingReader } from '../../recording/reader.js';
import { type BundleInput, refKeys } from './input.js';
import type { LogEntries } from './log-entries.js';

const contentFrameBytes = 256 * 1024;

/** What one result of a session stands on in its recording. */
export interface ResultPlace {
  readonly seq: number;
  /** Journal positions of the statement's first and last piece of content. */
  readonly from: number;
  readonly to: number;
  /** It is a terminal's output. */
  readonly terminal: boolean;
}

/** What the events of a session said, for the files that come after them. */
export interface SessionFacts {
  /** Keys of the entries outside of the session that it rests on. */
  readonly rests: Set<string>;
  readonly policyVersions: Set<string>;
  /** Journal position of the last event that is in the bundle; -1: none. */
  lastPosition: number;
  /** Statements as marks of a terminal's recording: milliseconds since 1970, and the beginning of the text. */
  readonly commands: { readonly atMs: number; readonly seq: number; readonly text: string }[];
  /** How statements said that they ended. */
  readonly tags: Map<number, { readonly atMs: number; readonly text: string }>;
  /** What of the recording could not be read. */
  problems: readonly RecordingProblem[];
}

export function emptyFacts(): SessionFacts {
  return {
    rests: new Set(),
    policyVersions: new Set(),
    lastPosition: -1,
    commands: [],
    tags: new Map(),
    problems: [],
  };
}

function note(facts: SessionFacts, event: AuditEvent): void {
  if ('policyVersion' in event && typeof event.policyVersion === 'string') {
    facts.policyVersions.add(event.policyVersion);
    facts.rests.add(refKeys.policy(event.policyVersion));
  }
  noteCommand(facts, event);
  if (event.kind !== 'session.started') return;
  facts.rests.add(refKeys.signIn(event.signIn));
  facts.rests.add(refKeys.connection(event.connection));
  const delegations = new Set([...(event.delegations ?? []), ...event.chain.map((hop) => hop.id)]);
  for (const id of delegations) facts.rests.add(refKeys.delegation(id));
}

/** Marks that a cast has room for, and how long each is. */
const commandsMax = 20_000;
const commandCharactersMax = 500;

function noteCommand(facts: SessionFacts, event: AuditEvent): void {
  if (event.kind === 'statement.decided' && facts.commands.length < commandsMax) {
    const text = event.payload.text.slice(0, commandCharactersMax);
    facts.commands.push({ atMs: Date.parse(event.at), seq: event.seq, text });
  }
  if (event.kind !== 'statement.ended' || event.payload?.tag === undefined) return;
  if (facts.tags.size < commandsMax)
    facts.tags.set(event.seq, { atMs: Date.parse(event.at), text: event.payload.tag });
}

/**
 * A session's events as lines, in the log's order: those of its recording, and among them what the log alone holds
 * (sealed segments, comparisons, who read it).
 */
export function* eventLines(
  input: BundleInput,
  session: SessionId,
  alone: readonly number[],
  log: LogEntries,
  facts: SessionFacts,
): Generator<string> {
  const reader = new RecordingReader(input.place, session);
  const salt = reader.salts();
  const waiting = alone.filter((index) => index < input.logSize);
  const line = (value: EventLine): string => `${JSON.stringify(value)}\n`;
  for (const recorded of reader.events()) {
    if (recorded.logIndex >= input.logSize) break;
    while (waiting[0] !== undefined && waiting[0] < recorded.logIndex) {
      const index = waiting.shift() ?? 0;
      yield line({ index, event: entryEvent(log, index) });
    }
    facts.lastPosition = recorded.position;
    note(facts, recorded.event);
    log.want(recorded.logIndex);
    yield line(recordedLine(recorded, salt));
  }
  for (const index of waiting) yield line({ index, event: entryEvent(log, index) });
  facts.problems = reader.problems;
}

function recordedLine(
  { logIndex, position, event }: RecordedEvent,
  salt: ((position: number) => Buffer) | undefined,
): EventLine {
  const hasPayload = 'payload' in event && event.payload !== undefined;
  return {
    index: logIndex,
    ...(hasPayload && salt !== undefined ? { salt: salt(position).toString('hex') } : {}),
    event,
  };
}

/** An event that stands in the log alone: its leaf is all there is of it. */
export function entryEvent(log: LogEntries, index: number): Record<string, unknown> {
  log.want(index);
  const event = parseLeaf(log.entry(index));
  if (event === undefined) throw new Error(`entry ${index} of the log is not an event`);
  const { pos: _, ...rest } = event as Record<string, unknown>;
  return rest;
}

/** content.bin: frames of u32 length (big-endian) and body. `places` gets where each statement's content stands. */
export function* contentFrames(
  input: BundleInput,
  session: SessionId,
  to: number,
  places: Map<number, ResultPlace>,
): Generator<Buffer> {
  const frame = new ContentFrameWriter();
  const reader = new RecordingReader(input.place, session);
  for (const { position, atMs, seq, stream, bytes } of reader.content({ to })) {
    if (stream !== 'wire') {
      const place = places.get(seq);
      const terminal = place?.terminal === true || stream === 'terminal';
      places.set(seq, { seq, from: place?.from ?? position, to: position, terminal });
    }
    frame.add(position, atMs, seq, stream, bytes);
    if (frame.length >= contentFrameBytes) yield framed(frame);
  }
  if (frame.records > 0) yield framed(frame);
}

function framed(frame: ContentFrameWriter): Buffer {
  const body = frame.view();
  const bytes = Buffer.alloc(4 + body.length);
  bytes.writeUInt32BE(body.length);
  body.copy(bytes, 4);
  frame.reset();
  return bytes;
}
