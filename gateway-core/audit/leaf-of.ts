import { ThroughlineError } from '../contract/errors.js';
import type { AuditEvent } from '../contract/events.js';
import { type Leaf, toLeaf } from './leaf.js';

/**
 * Strings longer and lists with more entries than this are cut, one step after the other, until the leaf fits.
 * INVARIANT: no name with a form of its own (session, connection, time) is as long as the shortest text here.
 */
const steps = [
  { textMax: 512, entriesMax: 32 },
  { textMax: 128, entriesMax: 8 },
] as const;
const cutMark = '…';

/**
 * The leaf of an event, whatever its size: an event that does not fit an entry of the log (65,535 bytes) is logged
 * with its longest strings and lists cut, `…` at the end of each. A pure function, so the same event always gives the
 * same leaf. The recording keeps the whole event.
 */
export function leafOf(
  event: AuditEvent,
  position: number | undefined,
  salt: (position: number) => Uint8Array,
): Uint8Array {
  const payload = 'payload' in event && event.payload !== undefined;
  if (payload && position === undefined) throw new TypeError('only events of the journal have payloads');
  const place = { position, salt: payload && position !== undefined ? salt(position) : undefined };
  let made = toLeaf(event, place);
  for (const step of steps) {
    if (isLeaf(made)) break;
    made = toLeaf(cut(event, step), place);
  }
  if (!isLeaf(made)) throw made;
  return made.leaf;
}

function isLeaf(made: Leaf | ThroughlineError): made is Leaf {
  return !(made instanceof ThroughlineError);
}

function cut(event: AuditEvent, step: (typeof steps)[number]): AuditEvent {
  const fields = Object.entries(event).map(([name, value]: [string, unknown]) =>
    // The payload is not in the leaf, and its hash is over all of it.
    name === 'payload' ? [name, value] : [name, cutValue(value, step)],
  );
  return Object.fromEntries(fields) as AuditEvent;
}

function cutValue(value: unknown, step: (typeof steps)[number]): unknown {
  if (typeof value === 'string') {
    return value.length > step.textMax ? `${value.slice(0, step.textMax)}${cutMark}` : value;
  }
  if (Array.isArray(value)) {
    const kept = value.slice(0, step.entriesMax).map((one: unknown) => cutValue(one, step));
    return kept.length < value.length && kept.every((one) => typeof one === 'string')
      ? [...kept, cutMark]
      : kept;
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, one]: [string, unknown]) => [name, cutValue(one, step)]),
  );
}
