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
    'When you look at the recordings or the live statements of other people, and what you search for when that finds theirs.',
    'Connections that were refused to you, the handles you make, and what you change as an admin.',
  ];
  if (demo) what.push('This is the demo: all of it stays in a directory of your own on this machine.');
  return {
    what,
    who: 'Whom policy lets: it says who sees and replays your sessions, you included. When others look at your statements, that is recorded too.',
    ...(retentionMs === undefined ? {} : { recordingDays: Math.round(retentionMs / dayMs) }),
  };
}

/** The connections differ, and who reads this may not know which they will use: what holds for all of them. */
function rowsSentence(rows: readonly number[]): string {
  const some = rows.filter((bytes) => bytes > 0);
  const none = some.length < rows.length;
  if (none && some.length === 0)
    return 'Of results: columns, row counts and a hash, not the rows themselves.';
  const all = some.filter((bytes) => bytes === Number.POSITIVE_INFINITY).length;
  const wholes = some.length > 0 && all === some.length;
  const kinds = [
    ...(all > 0 ? ['all rows'] : []),
    ...(wholes ? [] : ['rows up to a limit for each result, past it counts and a hash']),
    ...(none ? ['no rows, only counts and a hash'] : []),
  ];
  const [first = '', ...others] = kinds;
  const where =
    others.length === 0 ? first : [`${first} on some connections`, ...others.map(onOthers)].join('; ');
  return `What comes back, masked as you see it, and what you send with COPY: ${where}.`;
}

function onOthers(kind: string): string {
  return `on others ${kind}`;
}
