import type { AuditEvent } from '../../gateway-core/contract/events.js';
import type { SessionId } from '../../gateway-core/contract/ids.js';
import type { ContentStream, JournalRecord, JournalSource } from '../../gateway-core/contract/recorder.js';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const startMs = Date.parse('2026-11-20T12:00:00.000Z');

export function sessionId(number: number): SessionId {
  let time = '';
  for (let left = startMs, digits = 0; digits < 10; digits += 1, left = Math.floor(left / 32)) {
    time = (alphabet[left % 32] ?? '0') + time;
  }
  return `ses_${time}${String(number).padStart(16, '0')}` as SessionId;
}

type WithoutBase<T> = T extends unknown ? Omit<T, 'v' | 'at' | 'node'> : never;

/** A journal in memory: what is in it stays in it, whatever happens to the sealer. */
export class MemoryJournal {
  readonly records: JournalRecord[] = [];
  released = 0;
  #ms = startMs;

  event(event: WithoutBase<AuditEvent>): number {
    this.#ms += 1;
    const position = this.records.length;
    const whole = { v: 1, at: new Date(this.#ms).toISOString(), node: 'node-1', ...event } as AuditEvent;
    this.records.push({ position, kind: 'event', event: whole });
    return position;
  }

  content(session: SessionId, seq: number, stream: ContentStream, bytes: Buffer): void {
    this.#ms += 1;
    const position = this.records.length;
    this.records.push({ position, kind: 'content', atMs: this.#ms, session, seq, stream, bytes });
  }

  /** Reads what was there when reading began, in order; complains like the real one about what was released. */
  source(): JournalSource {
    return {
      read: (position) => this.#read(position),
      release: (position) => {
        if (position > this.records.length) throw new Error('released what was never there');
        this.released = Math.max(this.released, position);
      },
      close: () => undefined,
    };
  }

  *#read(position: number): Generator<JournalRecord> {
    if (position < this.released) throw new Error(`position ${position} was released`);
    const end = this.records.length;
    for (let at = position; at < end; at += 1) {
      const record = this.records[at];
      if (record !== undefined) yield record;
    }
  }

  started(session: SessionId): void {
    this.event({
      kind: 'session.started',
      session,
      connection: 'shop-db' as never,
      protocol: 'postgres',
      chain: [{ id: 'demo/contractor', kind: 'person', name: 'Contractor', assurance: 'proven' }],
      signIn: 'sgn_1',
      via: 'tunnel',
      durability: 'strict',
      policy: ['p0'],
      policyVersion: '0123456789abcdef',
    });
  }

  decided(
    session: SessionId,
    seq: number,
    text: string,
    more: { parameters?: (string | null)[] } = {},
  ): void {
    this.event({
      kind: 'statement.decided',
      session,
      seq,
      decision: 'allowed',
      policy: ['reads'],
      policyVersion: '0123456789abcdef',
      action: 'sql:read',
      command: 'SELECT',
      payload: { text, ...more, exactHash: 'ab'.repeat(32) },
    });
  }

  ended(session: SessionId, seq: number, more: { rows?: number; bytes?: number } = {}): void {
    this.event({
      kind: 'statement.ended',
      session,
      seq,
      state: 'ok',
      durationUs: 1500,
      rows: more.rows ?? 1,
      bytes: more.bytes ?? 100,
      maskedValues: 0,
      payload: { tag: `SELECT ${more.rows ?? 1}` },
    });
  }

  sessionEnded(session: SessionId, statements: number): void {
    this.event({
      kind: 'session.ended',
      session,
      endCause: 'client',
      statements,
      bytesFromClient: 1,
      bytesToClient: 2,
    });
  }

  /** A whole small session: `rows` rows per statement. */
  session(session: SessionId, texts: readonly string[], rows: readonly string[][] = []): void {
    this.started(session);
    for (const [index, text] of texts.entries()) {
      this.decided(session, index + 1, text);
      if (rows.length > 0) this.content(session, index + 1, 'rows', rowMessages(['a', 'b'], rows));
      this.ended(session, index + 1, { rows: rows.length });
    }
    this.sessionEnded(session, texts.length);
  }
}

/** RowDescription and DataRow messages in text format (PostgreSQL protocol page, "Message Formats"). */
export function rowMessages(
  columns: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): Buffer {
  const described = columns.map((name) => {
    const type = Buffer.alloc(18);
    type.writeUInt32BE(25, 6);
    type.writeInt16BE(-1, 10);
    type.writeInt32BE(-1, 12);
    return Buffer.concat([Buffer.from(`${name}\0`), type]);
  });
  return Buffer.concat([
    message('T', Buffer.concat([uint16(columns.length), ...described])),
    ...rows.map((values) =>
      message('D', Buffer.concat([uint16(values.length), ...values.flatMap((value) => field(value))])),
    ),
  ]);
}

export function errorMessage(text: string): Buffer {
  return message('E', Buffer.from(`SERROR\0VERROR\0C42P01\0M${text}\0\0`));
}

function field(value: string | null): Buffer[] {
  const bytes = value === null ? Buffer.alloc(0) : Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeInt32BE(value === null ? -1 : bytes.length);
  return [length, bytes];
}

function message(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 0, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}
