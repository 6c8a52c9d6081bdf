import { fingerprint } from '../../audit/note.js';
import type { BundleManifest } from '../../contract/evidence.js';
import type { Findings } from './findings.js';
import type { LogCheck } from './log.js';

/** What was looked at, in numbers. */
export interface Totals {
  sessions: number;
  statements: number;
  results: number;
  contentBytes: number;
  unboundBytes: number;
  /** Records of desktops, and those of them that a logged comparison vouches for. */
  desktopRecords: number;
  corroborated: number;
  policies: number;
}

const plural = (count: number, one: string, many = `${one}s`): string =>
  `${count} ${count === 1 ? one : many}`;

/** What holds, in words. Nothing that rests on something that was found wrong. */
export function provedIn(
  findings: Findings,
  log: LogCheck,
  manifest: BundleManifest,
  totals: Totals,
  { absent, copy }: { readonly absent: number; readonly copy: boolean },
): string[] {
  const { key, checkpoint } = log;
  // Without the log nothing is proved: everything hangs on its signature.
  if (key === undefined || checkpoint === undefined || !findings.holds('log')) return [];
  const proved = [
    `the audit log ${key.name}, whose key has the fingerprint ${fingerprint(key.vkey)}, holds the ${plural(log.entries.size, 'entry', 'entries')} of this bundle in a tree of ${checkpoint.size}, signed ${timeOf(checkpoint.timeSeconds)}`,
  ];
  if (!findings.holds('files')) return proved;
  proved.push(
    absent === 0
      ? `the ${plural(manifest.files.length, 'file')} are, to the byte, those that the gateway exported and entered into that log`
      : `the ${plural(manifest.files.length - absent, 'file')} that are here are, to the byte, those that the gateway exported and entered into that log`,
  );
  const whole = totals.sessions - manifest.deleted.length;
  if (findings.holds('events') && whole > 0)
    proved.push(
      `the events of ${plural(whole, 'session')} with ${plural(totals.statements, 'statement')} are those that were logged when they happened, in that order, none missing in between`,
    );
  if (findings.holds('events', 'content') && totals.results > 0)
    proved.push(
      `${plural(totals.results, 'result')} have the bytes that were logged when they were returned`,
    );
  if (findings.holds('policies') && totals.policies > 0)
    proved.push(
      `the texts of the ${plural(totals.policies, 'policy version')} that decided are those that decided`,
    );
  if (findings.holds('events', 'desktop') && totals.corroborated > 0)
    proved.push(
      `in ${plural(totals.corroborated, 'session')} the person's own desktop recorded the same bytes on the wire`,
    );
  // A copy cannot speak for the page that carries it.
  if (findings.holds('viewer') && !copy)
    proved.push('viewer.html is the page of that gateway, and shows files of this bundle');
  return proved;
}

/** Of what is not proved: gone once the reader has the gateway's key from elsewhere. */
export const keyNotCompared =
  "that the key is the gateway's: whoever made a bundle can put a key into it; compare the fingerprint with the one that the operator published";

/** What a reader could take for proved and is not. */
export function notProvedIn(input: {
  readonly findings: Findings;
  readonly manifest: BundleManifest;
  readonly totals: Totals;
  readonly absent: number;
  readonly keyGiven: boolean;
  readonly copy: boolean;
}): string[] {
  const { manifest, totals, absent, keyGiven, copy } = input;
  const not: string[] = [];
  if (!keyGiven) not.push(keyNotCompared);
  if (!input.findings.holds('log')) not.push('anything below the audit log: see the problems');
  if (copy) not.push('the page that shows this: check the ZIP with `throughline verify`');
  if (absent > 0) not.push(`${plural(absent, 'file')} that this copy does not hold: open the ZIP itself`);
  const { deleted, sessions } = manifest;
  const whole = deleted.filter(({ what }) => what === 'whole').length;
  if (whole > 0)
    not.push(
      `what was done in ${plural(whole, 'session')}: retention had deleted the recordings before the export`,
    );
  if (deleted.length > whole)
    not.push(
      `the beginning of ${plural(deleted.length - whole, 'session')}: retention had deleted it before the export`,
    );
  const live = sessions.filter(({ state }) => state === 'live').length;
  if (live > 0) not.push(`the end of ${plural(live, 'session')} that still ran at the export`);
  if (totals.unboundBytes > 0)
    not.push(
      `when ${totals.unboundBytes} bytes of results without an outcome were returned: only the export vouches for them`,
    );
  const alone = sessions.length - totals.corroborated;
  if (alone > 0)
    not.push(
      `what ${plural(alone, 'session')} put on the wire, by a second witness: the gateway alone says it`,
    );
  not.push(
    'that nothing happened outside of the gateway, or in sessions that are not in this bundle',
    'that masks hid the right things: the bundle holds what was shown, masked, and never what stood behind it',
    'that the people were who the identity provider said, and the clocks of gateway and desktop right',
  );
  return not;
}

function timeOf(timeSeconds: number | undefined): string {
  return timeSeconds === undefined ? 'at an unknown time' : new Date(timeSeconds * 1000).toISOString();
}
