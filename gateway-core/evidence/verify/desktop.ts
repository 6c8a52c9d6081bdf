import { createHash, type Hash } from 'node:crypto';
import { bundlePaths } from '../../contract/evidence.js';
import {
  DesktopLine,
  LocalRecord,
  type WireDirection,
  type WireSum,
  wireBlockBytes,
} from '../../contract/local-record.js';
import type { BundleFiles } from './files.js';
import type { Findings } from './findings.js';
import { jsonOf, lineBatches } from './lines.js';
import type { EventOf, SessionSums } from './session-view.js';

/** No honest session was compared as often: each comparison of more has a hash of its own. */
const comparisonsMax = 256;

interface Comparison {
  readonly event: EventOf<'session.compared'>;
  readonly records: NonNullable<EventOf<'session.compared'>['records']>;
  /** SHA-256 over the SHA-256 of each record of the session so far; undefined: compared by now. */
  hash: Hash | undefined;
}

type Closed = Extract<LocalRecord, { kind: 'closed' }>;

/** The blocks of one direction, as the desktop noted them one after the other. */
class Blocks {
  readonly hash = createHash('sha256');
  next = 0;
  whole = true;
}

/**
 * The desktop's own records of one session: those that a comparison was made of are the ones that it logged the hash
 * of, and where the log says that both sides agree, they do. Gives the number of records that a comparison vouches for.
 */
export async function checkDesktop(
  files: BundleFiles,
  findings: Findings,
  session: string,
  sums: SessionSums,
): Promise<number> {
  const path = bundlePaths.desktop(session);
  const problem = (code: string, where: string, message: string): void =>
    findings.add('desktop', code, where, message);
  const comparisons = comparisonsOf(sums);
  const blocks: Record<WireDirection, Blocks> = { up: new Blocks(), down: new Blocks() };
  let closed: Closed | undefined;
  let line = 0;
  let vouched = 0;
  for await (const batch of lineBatches(files.pieces(path))) {
    if (batch === undefined) {
      problem('desktop-invalid', `${path}:${line + 1}`, 'it is not a line');
      break;
    }
    for (const text of batch) {
      line += 1;
      const read = recordIn(text);
      if (read === undefined) {
        problem('desktop-invalid', `${path}:${line}`, 'it is not a record of a desktop');
        continue;
      }
      const { at, record } = read;
      if (!('session' in record)) continue;
      if (record.session !== session) {
        problem('desktop-invalid', `${path}:${line}`, 'it is a record of another session');
        continue;
      }
      if (record.kind === 'closed') closed ??= record;
      if (record.kind === 'wire') addBlocks(blocks[record.direction], record);
      const digest = createHash('sha256').update(at.record, 'utf8').digest();
      for (const comparison of comparisons) {
        if (comparison.event.device !== at.device || comparison.hash === undefined) continue;
        comparison.hash.update(digest);
        if (comparison.records.segment !== at.segment || comparison.records.last !== at.seq) continue;
        const same = comparison.hash.digest('hex') === comparison.records.sha256;
        comparison.hash = undefined;
        if (same) vouched = line;
        else
          problem(
            'desktop-altered',
            `${path}:${line}`,
            'up to here they are not the records that were compared',
          );
      }
    }
  }
  if (comparisons.some(({ hash }) => hash !== undefined))
    problem('desktop-altered', path, 'records that were compared are not there');
  const last = sums.compared.at(-1);
  if (last?.verdict === 'corroborated')
    for (const message of disagreements(sums, closed, blocks)) problem('desktop-differs', path, message);
  return vouched;
}

function comparisonsOf({ compared }: SessionSums): Comparison[] {
  return compared.slice(-comparisonsMax).flatMap((event) => {
    const { records } = event;
    return records === undefined ? [] : [{ event, records, hash: createHash('sha256') }];
  });
}

function recordIn(text: string): { readonly at: DesktopLine; readonly record: LocalRecord } | undefined {
  const line = DesktopLine.safeParse(jsonOf(text));
  if (!line.success) return undefined;
  const record = LocalRecord.safeParse(jsonOf(line.data.record));
  return record.success ? { at: line.data, record: record.data } : undefined;
}

function addBlocks(blocks: Blocks, { from, hashes }: Extract<LocalRecord, { kind: 'wire' }>): void {
  // Some were lost, or came twice: then the end's sum says it all.
  if (from !== blocks.next) blocks.whole = false;
  for (const hash of hashes) blocks.hash.update(Buffer.from(hash, 'hex'));
  blocks.next = from + hashes.length;
}

/**
 * Where both sides are said to agree. A stream that was cut at its end may be longer where it was sent from than where
 * it came to; the gateway has compared the blocks before that.
 */
function* disagreements(
  { ended }: SessionSums,
  closed: Closed | undefined,
  blocks: Readonly<Record<WireDirection, Blocks>>,
): Generator<string> {
  // Deleted by retention, or missing, which is a problem of its own.
  if (ended === undefined) return;
  if (closed === undefined || ended.wire === undefined) {
    yield 'the log says that both sides agree, and the sums of one of them are not there';
    return;
  }
  for (const direction of ['up', 'down'] as const) {
    const [desktop, gateway] = [closed[direction], ended.wire[direction]];
    const [sent, came] = direction === 'up' ? [desktop, gateway] : [gateway, desktop];
    if (!sameSum(desktop, gateway) && sent.bytes <= came.bytes)
      yield `the log says that both sides agree, and they do not (${direction})`;
    const { whole, next, hash } = blocks[direction];
    // Blocks that the desktop could not keep are missing; the end's sum is over all of them.
    if (whole && next >= Math.ceil(desktop.bytes / wireBlockBytes) && hash.digest('hex') !== desktop.blocks)
      yield `the desktop's blocks do not have the sum that it says (${direction})`;
  }
}

const sameSum = (one: WireSum, other: WireSum): boolean =>
  one.bytes === other.bytes && one.blocks === other.blocks;
