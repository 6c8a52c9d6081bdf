import { AuditEvent, StatementDecision } from '../contract/events.js';
import type { SessionId } from '../contract/ids.js';
import { type ByteReader, ByteWriter, FrameDecodeError, isWellFormed } from './bytes.js';
import { recordingLimits } from './limits.js';

/** An event as a recording holds it: with its payload, and where it stands in journal and log. */
export interface RecordedEvent {
  readonly position: number;
  readonly logIndex: number;
  readonly event: AuditEvent;
}

type Decided = Extract<AuditEvent, { kind: 'statement.decided' }>;
type Ended = Extract<AuditEvent, { kind: 'statement.ended' }>;

/**
 * INVARIANT: the two compact forms below hold every field of their event. A field that is added to the contract
 * makes these lists incomplete, and the build fails until the codec writes and reads it.
 */
const decidedFields: Record<keyof Decided, true> = {
  v: true,
  at: true,
  node: true,
  kind: true,
  session: true,
  seq: true,
  decision: true,
  policy: true,
  policyVersion: true,
  action: true,
  command: true,
  payload: true,
};
const decidedPayloadFields: Record<keyof Decided['payload'], true> = {
  text: true,
  parameters: true,
  message: true,
  exactHash: true,
};
const endedFields: Record<keyof Ended, true> = {
  v: true,
  at: true,
  node: true,
  kind: true,
  session: true,
  seq: true,
  state: true,
  durationUs: true,
  rows: true,
  bytes: true,
  maskedValues: true,
  contentHash: true,
  rest: true,
  error: true,
  payload: true,
};
const restFields: Record<keyof NonNullable<Ended['rest']>, true> = { bytes: true, sha256: true };
const endedPayloadFields: Record<keyof NonNullable<Ended['payload']>, true> = { tag: true, error: true };
void [decidedFields, decidedPayloadFields, endedFields, restFields, endedPayloadFields];

const forms = { json: 0, decided: 1, ended: 2 } as const;
const has = {
  parameters: 1,
  message: 2,
  rows: 1,
  contentHash: 2,
  errorCode: 4,
  payload: 8,
  tag: 16,
  error: 32,
  rest: 64,
};
const digest = /^[0-9a-f]{64}$/;

const lastTime = { minute: '', minuteMs: 0 };
const zero = 48;

/**
 * Milliseconds of an RFC 3339 time; undefined when writing them again would give another text. Times come in order,
 * so all but one in a minute need only their seconds read.
 */
export function timeMs(text: string): number | undefined {
  if (text.length === 24 && text.startsWith(lastTime.minute) && lastTime.minute !== '') {
    const ms = secondsMs(text);
    if (ms !== undefined) return lastTime.minuteMs + ms;
  }
  const ms = Date.parse(text);
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== text) return undefined;
  const inMinute = secondsMs(text);
  if (text.length === 24 && inMinute !== undefined) {
    lastTime.minute = text.slice(0, 17);
    lastTime.minuteMs = ms - inMinute;
  }
  return ms;
}

/** `SS.mmmZ` from the 18th character on. */
function secondsMs(text: string): number | undefined {
  const digit = (at: number): number => text.charCodeAt(at) - zero;
  let ms = 0;
  for (const [at, worth] of secondDigits) {
    const value = digit(at);
    if (value < 0 || value > 9) return undefined;
    ms += value * worth;
  }
  return ms < 60_000 && text.charCodeAt(19) === 46 && text.charCodeAt(23) === 90 ? ms : undefined;
}

const secondDigits = [
  [17, 10_000],
  [18, 1000],
  [20, 100],
  [21, 10],
  [22, 1],
] as const;

/** Gathers the events of one frame. Strings are written once per frame, then referred to by number. */
export class EventFrameWriter {
  readonly #out = new ByteWriter();
  readonly #strings = new Map<string, number>();
  #position = 0;
  #logIndex = 0;
  #atMs = 0;
  #records = 0;
  #firstPosition = 0;

  get length(): number {
    return this.#out.length;
  }
  get records(): number {
    return this.#records;
  }
  get firstPosition(): number {
    return this.#firstPosition;
  }
  get lastPosition(): number {
    return this.#position;
  }
  get lastAtMs(): number {
    return this.#atMs;
  }

  add(position: number, logIndex: number, event: AuditEvent): void {
    const atMs = timeMs(event.at);
    if (this.#records === 0) this.#firstPosition = position;
    const compact = atMs !== undefined && isPlain(event);
    this.#out.byte(!compact ? forms.json : event.kind === 'statement.decided' ? forms.decided : forms.ended);
    this.#out.varint(position - this.#position);
    this.#out.varint(logIndex - this.#logIndex);
    this.#out.signed((atMs ?? this.#atMs) - this.#atMs);
    this.#position = position;
    this.#logIndex = logIndex;
    this.#atMs = atMs ?? this.#atMs;
    this.#records += 1;
    if (!compact) this.#out.text(JSON.stringify(event));
    else if (event.kind === 'statement.decided') this.#decided(event);
    else if (event.kind === 'statement.ended') this.#ended(event);
  }

  #string(text: string): void {
    const known = this.#strings.get(text);
    if (known !== undefined) {
      this.#out.varint(known);
      return;
    }
    this.#out.byte(0);
    this.#out.text(text);
    if (this.#strings.size < recordingLimits.frameStringsMax) this.#strings.set(text, this.#strings.size + 1);
  }

  #decided(event: Decided): void {
    const { payload } = event;
    this.#string(event.node);
    this.#out.varint(event.seq);
    this.#string(event.decision);
    this.#out.varint(event.policy.length);
    for (const policy of event.policy) this.#string(policy);
    this.#string(event.policyVersion);
    this.#string(event.action);
    this.#string(event.command);
    this.#out.byte(
      (payload.parameters === undefined ? 0 : has.parameters) |
        (payload.message === undefined ? 0 : has.message),
    );
    this.#string(payload.text);
    this.#out.hex(payload.exactHash);
    if (payload.parameters !== undefined) {
      this.#out.varint(payload.parameters.length);
      for (const value of payload.parameters) {
        this.#out.byte(value === null ? 0 : 1);
        if (value !== null) this.#out.text(value);
      }
    }
    if (payload.message !== undefined) this.#string(payload.message);
  }

  #ended(event: Ended): void {
    const { payload } = event;
    this.#string(event.node);
    this.#out.varint(event.seq);
    this.#string(event.state);
    this.#out.byte(
      (event.rows === undefined ? 0 : has.rows) |
        (event.contentHash === undefined ? 0 : has.contentHash) |
        (event.error === undefined ? 0 : has.errorCode) |
        (payload === undefined ? 0 : has.payload) |
        (payload?.tag === undefined ? 0 : has.tag) |
        (payload?.error === undefined ? 0 : has.error) |
        (event.rest === undefined ? 0 : has.rest),
    );
    this.#out.varint(event.durationUs);
    this.#out.varint(event.bytes);
    this.#out.varint(event.maskedValues);
    if (event.rows !== undefined) this.#out.varint(event.rows);
    if (event.contentHash !== undefined) this.#out.hex(event.contentHash);
    if (event.rest !== undefined) {
      this.#out.varint(event.rest.bytes);
      this.#out.hex(event.rest.sha256);
    }
    if (event.error !== undefined) this.#string(event.error.code);
    if (payload?.tag !== undefined) this.#string(payload.tag);
    if (payload?.error !== undefined) this.#string(payload.error);
  }

  view(): Buffer {
    return this.#out.view();
  }

  reset(): void {
    this.#out.reset(recordingLimits.bufferBytesKept);
    this.#strings.clear();
    this.#position = 0;
    this.#logIndex = 0;
    this.#atMs = 0;
    this.#records = 0;
  }
}

/** Whether the compact form gives this very event back; what is unusual goes as JSON. */
function isPlain(event: AuditEvent): boolean {
  if (event.kind === 'statement.decided') {
    const { payload } = event;
    return (
      isCount(event.seq) &&
      digest.test(payload.exactHash) &&
      isWellFormed(payload.text) &&
      isWritable(payload.message) &&
      (payload.parameters?.every((value) => value === null || isWellFormed(value)) ?? true) &&
      isWritable(event.node) &&
      isWritable(event.policyVersion) &&
      isWritable(event.action) &&
      isWritable(event.command) &&
      event.policy.every((policy) => isWritable(policy))
    );
  }
  if (event.kind !== 'statement.ended') return false;
  const { payload, rest } = event;
  return (
    isCount(event.seq) &&
    isCount(event.durationUs) &&
    isCount(event.bytes) &&
    isCount(event.maskedValues) &&
    isCount(event.rows ?? 0) &&
    (event.contentHash === undefined || digest.test(event.contentHash)) &&
    (rest === undefined || (isCount(rest.bytes) && digest.test(rest.sha256))) &&
    isWritable(event.node) &&
    isWritable(event.error?.code) &&
    isWritable(payload?.tag) &&
    isWritable(payload?.error)
  );
}

function isWritable(text: string | undefined): boolean {
  return text === undefined || isWellFormed(text);
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/**
 * Decodes an events frame's clear body.
 * @throws FrameDecodeError when the body is not what this codec writes.
 */
export function* decodeEvents(reader: ByteReader, session: SessionId): Generator<RecordedEvent> {
  const strings: string[] = [];
  const string = (): string => {
    const number = reader.varint();
    if (number > 0) {
      const known = strings[number - 1];
      if (known === undefined) throw new FrameDecodeError('unknown string');
      return known;
    }
    const text = reader.text();
    if (strings.length < recordingLimits.frameStringsMax) strings.push(text);
    return text;
  };
  let position = 0;
  let logIndex = 0;
  let atMs = 0;
  while (!reader.atEnd) {
    const form = reader.byte();
    position += reader.varint();
    logIndex += reader.varint();
    atMs += reader.signed();
    const at = new Date(atMs).toISOString();
    let event: AuditEvent;
    if (form === forms.json) event = parseEvent(reader.text());
    else if (form === forms.decided) event = decodeDecided(reader, string, at, session);
    else if (form === forms.ended) event = decodeEnded(reader, string, at, session);
    else throw new FrameDecodeError('unknown form of event');
    yield { position, logIndex, event };
  }
}

/** The parsed text itself, not the schema's copy of it: fields of a newer writer must survive, the leaf counts them. */
function parseEvent(text: string): AuditEvent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FrameDecodeError('not JSON');
  }
  if (!AuditEvent.safeParse(value).success) throw new FrameDecodeError('not an event');
  return value as AuditEvent;
}

function decodeDecided(reader: ByteReader, string: () => string, at: string, session: SessionId): Decided {
  const node = string();
  const seq = reader.varint();
  const decision = StatementDecision.safeParse(string());
  if (!decision.success) throw new FrameDecodeError('unknown decision');
  const policy: string[] = [];
  for (let left = reader.varint(); left > 0; left -= 1) policy.push(string());
  const policyVersion = string();
  const action = string();
  const command = string();
  const flags = reader.byte();
  const text = string();
  const payload: Decided['payload'] = { text, exactHash: reader.hex(32) };
  if ((flags & has.parameters) !== 0) {
    payload.parameters = [];
    for (let left = reader.varint(); left > 0; left -= 1) {
      payload.parameters.push(reader.byte() === 0 ? null : reader.text());
    }
  }
  if ((flags & has.message) !== 0) payload.message = string();
  return {
    v: 1,
    at,
    node,
    kind: 'statement.decided',
    session,
    seq,
    decision: decision.data,
    policy,
    policyVersion,
    action,
    command,
    payload,
  };
}

function decodeEnded(reader: ByteReader, string: () => string, at: string, session: SessionId): Ended {
  const node = string();
  const seq = reader.varint();
  const state = string();
  if (state !== 'ok' && state !== 'error' && state !== 'interrupted')
    throw new FrameDecodeError('unknown state');
  const flags = reader.byte();
  const event: Ended = {
    v: 1,
    at,
    node,
    kind: 'statement.ended',
    session,
    seq,
    state,
    durationUs: reader.varint(),
    bytes: reader.varint(),
    maskedValues: reader.varint(),
  };
  if ((flags & has.rows) !== 0) event.rows = reader.varint();
  if ((flags & has.contentHash) !== 0) event.contentHash = reader.hex(32);
  if ((flags & has.rest) !== 0) event.rest = { bytes: reader.varint(), sha256: reader.hex(32) };
  if ((flags & has.errorCode) !== 0) event.error = { code: string() };
  if ((flags & has.payload) !== 0) {
    event.payload = {};
    if ((flags & has.tag) !== 0) event.payload.tag = string();
    if ((flags & has.error) !== 0) event.payload.error = string();
  }
  return event;
}
