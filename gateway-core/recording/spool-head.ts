import { createHash } from 'node:crypto';
import { spoolHeadStart } from '../contract/local-record.js';

/** The chain over a spool segment's records, as both seats keep it (contract/local-record.ts). 32 bytes. */
export function firstSpoolHead(device: string, segment: number): Buffer {
  return createHash('sha256').update(spoolHeadStart(device, segment)).digest();
}

/** `record`: the record's text, or its UTF-8. */
export function nextSpoolHead(head: Uint8Array, record: string | Uint8Array): Buffer {
  return createHash('sha256').update(head).update(createHash('sha256').update(record).digest()).digest();
}
