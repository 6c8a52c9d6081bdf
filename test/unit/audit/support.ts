import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { generateLogKey } from '../../../gateway-core/audit/keys.js';
import { toLeaf } from '../../../gateway-core/audit/leaf.js';
import type { LogKey } from '../../../gateway-core/audit/note.js';
import { nodeHash } from '../../../gateway-core/audit/tree.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { AuditEvent } from '../../../gateway-core/contract/events.js';

export const origin = 'gateway.example/log';
export const nowMs = Date.UTC(2026, 10, 20, 12);
export const salt = Buffer.alloc(16, 7);

const directories: string[] = [];
afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

/** A directory that is removed after the file's tests. */
export function scratchDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'throughline-audit-'));
  directories.push(directory);
  return directory;
}

export function newKey(name = origin): LogKey {
  return generateLogKey({ file: join(scratchDirectory(), 'log.key'), origin: name });
}

const base = { v: 1, at: '2026-11-20T12:00:00.000Z', node: 'a' };
const grounds = { policy: ['p'], policyVersion: '0123456789abcdef' };

export function event(input: Record<string, unknown>): AuditEvent {
  return AuditEvent.parse({ ...base, ...input });
}

export function sessionId(number: number): string {
  return `ses_${String(number).padStart(26, '0')}`;
}

export function started(session: number): AuditEvent {
  const chain = [{ id: 'demo/contractor', kind: 'person', name: 'Contractor', assurance: 'proven' }];
  return event({
    ...grounds,
    kind: 'session.started',
    session: sessionId(session),
    connection: 'shop-db',
    protocol: 'postgres',
    chain,
    signIn: 'sgn_1',
    via: 'tunnel',
    durability: 'grouped',
  });
}

export function decided(session: number, seq: number, decision = 'allowed'): AuditEvent {
  const payload = { text: `select ${seq}`, exactHash: 'ab' };
  return event({
    ...grounds,
    kind: 'statement.decided',
    session: sessionId(session),
    seq,
    decision,
    action: 'sql:read',
    command: 'SELECT',
    payload,
  });
}

export function outcome(session: number, seq: number): AuditEvent {
  const result = {
    state: 'ok',
    durationUs: 10,
    rows: 1,
    bytes: 20,
    maskedValues: 0,
    payload: { tag: 'SELECT 1' },
  };
  return event({ kind: 'statement.ended', session: sessionId(session), seq, ...result });
}

export function ended(session: number, statements: number): AuditEvent {
  const counts = { statements, bytesFromClient: 1, bytesToClient: 2 };
  return event({ kind: 'session.ended', session: sessionId(session), endCause: 'client', ...counts });
}

export function stopped(): AuditEvent {
  return event({ kind: 'gateway.stopped' });
}

/** At least `count` events of whole sessions of three statements each. */
export function sessionEvents(count: number): AuditEvent[] {
  const events: AuditEvent[] = [];
  for (let session = 1; events.length < count; session++) {
    events.push(started(session));
    for (let seq = 1; seq <= 3; seq++) events.push(decided(session, seq), outcome(session, seq));
    events.push(ended(session, 3));
  }
  return events;
}

export function leafOf(one: AuditEvent, position: number | undefined): Uint8Array {
  const made = toLeaf(one, { position, salt });
  if (made instanceof ThroughlineError) throw made;
  return made.leaf;
}

export function leavesOf(events: readonly AuditEvent[]): Uint8Array[] {
  return events.map((one, position) => leafOf(one, position));
}

/** The stable `problem` of a refusal, or what else happened. */
export function problemOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error instanceof ThroughlineError ? (error.fields['problem'] ?? error.code) : error;
  }
  return 'nothing was thrown';
}

/**
 * MTH, PATH and PROOF of RFC 6962 section 2.1 over D[start:end], word for word, written apart from the product's
 * code on purpose. MTH is remembered, nothing else is clever.
 */
export class ReferenceTree {
  readonly #leafHashes: readonly Uint8Array[];
  readonly #known = new Map<number, Uint8Array>();

  constructor(leafHashes: readonly Uint8Array[]) {
    this.#leafHashes = leafHashes;
  }

  mth(start: number, end: number): Uint8Array {
    const place = start * 1_000_000 + end;
    const known = this.#known.get(place) ?? this.#mth(start, end);
    this.#known.set(place, known);
    return known;
  }

  #mth(start: number, end: number): Uint8Array {
    if (end - start === 1) return this.#leafHashes[start] ?? Buffer.alloc(0);
    const k = start + split(end - start);
    return nodeHash(this.mth(start, k), this.mth(k, end));
  }

  path(m: number, start: number, end: number): Uint8Array[] {
    if (end - start === 1) return [];
    const k = start + split(end - start);
    return m < k
      ? [...this.path(m, start, k), this.mth(k, end)]
      : [...this.path(m, k, end), this.mth(start, k)];
  }

  subproof(m: number, start: number, end: number, known = true): Uint8Array[] {
    if (m === end) return known ? [] : [this.mth(start, end)];
    const k = start + split(end - start);
    return m <= k
      ? [...this.subproof(m, start, k, known), this.mth(k, end)]
      : [...this.subproof(m, k, end, false), this.mth(start, k)];
  }
}

/** The largest power of two smaller than n. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
