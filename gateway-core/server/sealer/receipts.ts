import type { Log } from '../../audit/log.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { ReceiptResponse } from '../../contract/local-record.js';
import type { IndexDatabase } from './index-database.js';

/**
 * What proves to a desktop that the log holds its sessions, and all that it held when that desktop kept a checkpoint
 * of `kept` entries. `checkpoint` is of the log as it is now. Throws `conflict` when the log is shorter than that: then
 * it is not the log that the desktop knows.
 */
export function receipts(
  index: IndexDatabase,
  log: Pick<Log, 'size' | 'entry' | 'inclusionProof' | 'consistencyProof'>,
  checkpoint: string,
  kept: number,
  sessions: readonly SessionId[],
): ReceiptResponse {
  const { size } = log;
  if (kept > size) {
    throw new ThroughlineError(
      'conflict',
      `the log has ${size} entries, and you keep a checkpoint of ${kept}`,
      {
        action:
          'this is not the log that you knew, or it was rolled back: tell those who look after the gateway',
        fields: { size },
      },
    );
  }
  const base64 = (hash: Uint8Array): string => Buffer.from(hash).toString('base64');
  const entries = sessions.flatMap((session) => {
    const place = index.place(session);
    const indexes = [place?.startedEntry, place?.endedEntry].filter((entry) => entry !== undefined);
    return indexes.map((entry) => ({
      session,
      index: entry,
      leaf: Buffer.from(log.entry(entry)).toString('utf8'),
      proof: log.inclusionProof(entry, size).map(base64),
    }));
  });
  const consistency = kept === 0 || kept === size ? [] : log.consistencyProof(kept, size).map(base64);
  return { checkpoint, consistency, entries };
}
