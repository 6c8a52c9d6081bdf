import { createHash } from 'node:crypto';
import type { SessionId } from '../../../../gateway-core/contract/ids.js';
import type { LocalRecord, WireSum } from '../../../../gateway-core/contract/local-record.js';
import { type WireBlock, WireHash } from '../../../../gateway-core/recording/wire-sum.js';
import { SessionIds } from '../../../../gateway-core/server/session-ids.js';
import { type DesktopSide, SideGatherer } from '../../../../gateway-core/server/spool/desktop-side.js';

export const device = 'd'.repeat(43);
export const ids = new SessionIds(Buffer.alloc(32, 4));
export const at = '2026-11-21T12:00:00.000Z';
const salt = Buffer.alloc(32, 1);
const clocks = { at, monoMs: 1, boot: 'boot' };

/** A stream's sum and the hashes of its blocks, hex. */
export function hashed(bytes: Uint8Array): { sum: WireSum; hashes: string[] } {
  const blocks: WireBlock[] = [];
  const hash = new WireHash(salt, (block) => blocks.push(block));
  hash.update(bytes);
  return { sum: hash.finish(), hashes: blocks.map((block) => block.hash.toString('hex')) };
}

export const opened = (session: SessionId): LocalRecord => ({
  ...clocks,
  kind: 'opened',
  session,
  connection: 'shop',
  by: 'tunnel',
  lineage: 'attributed',
  version: '1',
});

export const wire = (
  session: SessionId,
  direction: 'up' | 'down',
  from: number,
  hashes: string[],
): LocalRecord => ({ ...clocks, kind: 'wire', session, direction, from, hashes });

export const closed = (
  session: SessionId,
  up: WireSum,
  down: WireSum,
  cause: 'client' | 'gateway' | 'fault' = 'client',
): LocalRecord => ({ ...clocks, kind: 'closed', session, up, down, cause });

export const shown = (
  session: SessionId,
  result: number,
  rows: readonly Uint8Array[],
  more: { columns?: number; complete?: boolean } = {},
): LocalRecord => ({
  ...clocks,
  kind: 'shown',
  session,
  result,
  columns: more.columns ?? 1,
  rows: rows.length,
  sha256: createHash('sha256').update(Buffer.concat(rows)).digest('hex'),
  complete: more.complete ?? true,
});

export const gap = (lost: number): LocalRecord => ({
  ...clocks,
  kind: 'gap',
  lost,
  since: at,
  reason: 'the disk was full',
});

/** What a desktop's records of a session say, all of them in one segment. */
export function sideOf(session: SessionId, records: readonly LocalRecord[]): DesktopSide | undefined {
  const gatherer = new SideGatherer(device, session);
  for (const [seq, record] of records.entries())
    gatherer.add(3, seq, Date.parse(at) + 500, Buffer.from(JSON.stringify(record)));
  return gatherer.side();
}
