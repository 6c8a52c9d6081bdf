import { ThroughlineError } from '../../contract/errors.js';
import { LocalRecord, SpoolAppend, spoolLimits } from '../../contract/local-record.js';
import type { SessionIds } from '../session-ids.js';

/** One record as it came: its bytes are what is kept, hashed and given on. */
export interface CheckedRecord {
  readonly bytes: Buffer;
  readonly record: LocalRecord;
}

export interface CheckedUpload {
  readonly from: number;
  readonly records: readonly CheckedRecord[];
  readonly last: boolean;
  readonly backlog: SpoolAppend['backlog'];
}

/** Why an upload is refused: what the log calls it, and what the desktop is told. */
export interface UploadRefusal {
  readonly code: 'malformed' | 'unknown-session' | 'too-large';
  readonly error: ThroughlineError;
}

/**
 * An upload, or why it is none. INVARIANT: what passes holds nothing but LocalRecords, and of sessions only those that
 * this gateway gave to this device: nobody can put a word into another's record.
 */
export function checkUpload(
  body: Uint8Array,
  device: string,
  ids: Pick<SessionIds, 'isOf'>,
): CheckedUpload | UploadRefusal {
  const value = jsonOf(body);
  const upload = SpoolAppend.safeParse(value);
  if (!upload.success) return malformed(`the upload: ${issueOf(upload.error)}`);
  const { from, records: texts, last, backlog } = upload.data;
  if (from + texts.length > spoolLimits.recordsPerSegmentMax)
    return tooLarge(`a segment has at most ${spoolLimits.recordsPerSegmentMax} records`);
  const records: CheckedRecord[] = [];
  let bytes = 0;
  for (const [index, text] of texts.entries()) {
    const number = from + index;
    // A text that UTF-8 cannot hold would be kept as another than was sent.
    if (!text.isWellFormed()) return malformed(`record ${number} is not text`);
    const one = Buffer.from(text);
    bytes += one.length;
    if (one.length > spoolLimits.recordBytesMax) return tooLarge(`record ${number} is over 64 KiB`);
    const parsed = LocalRecord.safeParse(jsonOf(one));
    if (!parsed.success) return malformed(`record ${number}: ${issueOf(parsed.error)}`);
    const record = parsed.data;
    if ('session' in record) {
      if (!ids.isOf(record.session, device)) return unknownSession(number);
      // Records are found by these letters: JSON knows other ways to write them.
      if (!text.includes(record.session))
        return malformed(`record ${number}: its session is not written plainly`);
    }
    records.push({ bytes: one, record });
  }
  if (bytes > spoolLimits.appendBytesMax) return tooLarge('the records of one upload are over 1 MiB');
  return { from, records, last: last === true, backlog };
}

export function isRefusal(upload: CheckedUpload | UploadRefusal): upload is UploadRefusal {
  return 'error' in upload;
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

function issueOf({
  issues: [issue],
}: {
  readonly issues: readonly { path: PropertyKey[]; message: string }[];
}) {
  const where = issue?.path.map(String).join('.') ?? '';
  return `${where === '' ? '' : `${where.slice(0, 100)}: `}${(issue?.message ?? 'invalid').slice(0, 200)}`;
}

function malformed(what: string): UploadRefusal {
  return {
    code: 'malformed',
    error: new ThroughlineError('invalid-request', `${what}: this is no record that the gateway knows`, {
      action: 'update the gateway if the desktop is newer; the record is kept at the desktop',
    }),
  };
}

function tooLarge(what: string): UploadRefusal {
  return { code: 'too-large', error: new ThroughlineError('too-large', what) };
}

function unknownSession(number: number): UploadRefusal {
  return {
    code: 'unknown-session',
    error: new ThroughlineError(
      'denied',
      `record ${number} is of a session that this gateway did not give to this device`,
      {
        action: 'was the gateway set up anew? then keep the segment for whoever looks into it',
        fields: { record: number },
      },
    ),
  };
}
