import type { RecordingNotice } from '../contract/bridge/app.js';
import { rowsKeptBytes } from '../contract/connection.js';
import type { Connection } from './connections.js';

const dayMs = 24 * 3600 * 1000;

/** What is recorded of people who work here, as it is configured now: only what is true. */
export function recordingNotice(
  connections: readonly Connection[],
  retentionMs: number | undefined,
  demo: boolean,
): RecordingNotice {
  const rows = connections.map(({ recording }) => rowsKeptBytes(recording.rows));
  const what = [
    'When you sign in, from which device key, and when that ends.',
    'Every session on a connection: when, how long, through which agents, and why it ended.',
    'Every statement you run, also refused ones, with the decision and its policy. Values that look like e-mail addresses, cards, accounts, phone numbers or keys are masked in it.',
    rowsSentence(rows),
    'Which recordings of other people you look at, and what you search for.',
  ];
  if (demo) what.push('This is the demo: all of it stays in a directory of your own on this machine.');
  return {
    what,
    who: 'You see your own sessions. Admins and auditors see and replay those that policy opens to them, and each look of theirs is recorded too.',
    ...(retentionMs === undefined ? {} : { recordingDays: Math.round(retentionMs / dayMs) }),
  };
}

function rowsSentence(rows: readonly number[]): string {
  if (rows.length > 0 && rows.every((bytes) => bytes === 0))
    return 'Of results: columns, row counts and a hash, not the rows themselves.';
  if (rows.some((bytes) => bytes === Number.POSITIVE_INFINITY))
    return 'What came back, masked as you saw it: all rows on some connections, on others up to a limit for each result.';
  return 'What came back, masked as you saw it, up to a limit for each result; past it counts and a hash.';
}
