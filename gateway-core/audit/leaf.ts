import { hash } from 'node:crypto';
import { z } from 'zod';
import { ThroughlineError } from '../contract/errors.js';
import { AuditEvent } from '../contract/events.js';
import { canonicalJson, canonicalJsonWith, parseJson } from './canonical.js';
import { entryBytesMax } from './layout.js';

/**
 * One event as the log holds it: canonical JSON of the event, its journal position as `pos`, and in place of its
 * `payload` the hash `payloadHash`. The payload can be deleted later; what the log proves stays. Pure.
 */

const saltBytesMin = 16;
const saltBytesMax = 32;

type Sealed<E> = E extends unknown ? Omit<E, 'payload'> & { pos?: number; payloadHash?: string } : never;
/** What stands in a leaf. `pos` is absent for events that the sealer made itself. */
export type LeafEvent = Sealed<AuditEvent>;

export interface Leaf {
  /** At most 65,535 bytes. */
  readonly leaf: Uint8Array;
  /** The payload's canonical bytes: what has to be kept, with the salt, to open `payloadHash` later. */
  readonly payload: Uint8Array | undefined;
}

/** The event does not fit a leaf. Nothing was cut: the caller decides what is logged in its place. */
export type LeafFailure = ThroughlineError & { readonly code: 'too-large' };

function checkSalt(salt: Uint8Array): void {
  if (salt.length < saltBytesMin || salt.length > saltBytesMax)
    throw new RangeError('a salt has 16 to 32 bytes');
}

const hashScratch = Buffer.alloc(4096);

function payloadHashOf(salt: Uint8Array, payload: Uint8Array): string {
  const bytes = salt.length + payload.length;
  if (bytes > hashScratch.length) return hash('sha256', Buffer.concat([salt, payload]), 'hex');
  hashScratch.set(salt);
  hashScratch.set(payload, salt.length);
  return hash('sha256', hashScratch.subarray(0, bytes), 'hex');
}

/**
 * The leaf of an event. `payloadHash` is the hex SHA-256 of salt and canonical payload bytes; an event without a
 * payload has none and needs no salt. `position` is undefined for events that are not from the journal.
 * Throws (a bug of the caller) on a missing or ill-sized salt and on values that JSON cannot carry.
 */
export function toLeaf(
  event: AuditEvent,
  { position, salt }: { readonly position: number | undefined; readonly salt?: Uint8Array | undefined },
): Leaf | LeafFailure {
  if (salt !== undefined) checkSalt(salt);
  let payload: Uint8Array | undefined;
  let payloadHash: string | undefined;
  if ('payload' in event && event.payload !== undefined) {
    if (salt === undefined) throw new TypeError('an event with a payload needs a salt');
    payload = Buffer.from(canonicalJson(event.payload));
    payloadHash = payloadHashOf(salt, payload);
  }
  const changes =
    payloadHash === undefined
      ? { pos: position, payload: undefined }
      : { pos: position, payload: undefined, payloadHash };
  const leaf = Buffer.from(canonicalJsonWith(event, changes));
  if (leaf.length > entryBytesMax) {
    return new ThroughlineError('too-large', 'the event does not fit an entry of the audit log', {
      fields: { kind: event.kind, bytes: leaf.length, bytesMax: entryBytesMax },
    }) as LeafFailure;
  }
  return { leaf, payload };
}

const hexHash = z.string().regex(/^[0-9a-f]{64}$/);

function leafSchema(option: z.ZodObject): z.ZodObject {
  const { payload, ...rest } = option.shape;
  const pos = z.number().int().nonnegative().optional();
  if (payload === undefined) return z.strictObject({ ...rest, pos });
  const optional = z.safeParse(payload, undefined).success;
  return z.strictObject({ ...rest, pos, payloadHash: optional ? hexHash.optional() : hexHash });
}

function kindOf(option: z.ZodObject): unknown {
  const { kind } = option.shape;
  return kind instanceof z.ZodLiteral ? kind.value : undefined;
}

const leafSchemas: ReadonlyMap<unknown, z.ZodObject> = new Map(
  (AuditEvent.options as readonly z.ZodObject[]).map((option) => [kindOf(option), leafSchema(option)]),
);

/**
 * The event in a leaf. Undefined unless the bytes are the canonical form of exactly one known kind of event, with no
 * field too many: what two readers could read differently is not accepted.
 */
export function parseLeaf(bytes: Uint8Array): LeafEvent | undefined {
  if (bytes.length > entryBytesMax) return undefined;
  const { text, value } = parseJson(bytes) ?? {};
  if (typeof value !== 'object' || value === null || !('kind' in value)) return undefined;
  const result = leafSchemas.get(value.kind)?.safeParse(value);
  // Comparing the checked value's own form refuses white space, order, repeated keys and nested unknown fields at once.
  return result?.success === true && canonicalJson(result.data) === text
    ? (result.data as LeafEvent)
    : undefined;
}

/**
 * Whether `payload` is what the leaf's `payloadHash` was made of with this salt. False for anything malformed.
 * The payload must be a JSON object, so no part of it can pass as salt.
 */
export function verifyPayload(leaf: Uint8Array, salt: Uint8Array, payload: Uint8Array): boolean {
  if (salt.length < saltBytesMin || salt.length > saltBytesMax) return false;
  const event = parseLeaf(leaf);
  if (event?.payloadHash === undefined) return false;
  const value = parseJson(payload)?.value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return payloadHashOf(salt, payload) === event.payloadHash;
}
