import { fingerprint } from '../../audit/note.js';
import { type BundleManifest, bundlePaths } from '../../contract/evidence.js';
import type { RecordingProblem } from '../../recording/reader.js';
import type { BundleInput } from './input.js';

interface Left {
  /** Result sets without a file of their own. */
  readonly resultsLeft: number;
  readonly deleted: BundleManifest['deleted'];
  readonly unread: readonly RecordingProblem[];
}

/** README.txt of a bundle: how to look at it and how to check it, also without us. */
export function readme(input: BundleInput, { resultsLeft, deleted: gone, unread }: Left): string {
  const { about, vkey } = input;
  const what = about.subject.kind === 'session' ? 'session' : 'everything below agent';
  const deleted = gone.map(({ session, what: part }) =>
    part === 'whole' ? `the recording of ${session}` : `the beginning of the recording of ${session}`,
  );
  return `Evidence: ${what} ${about.subject.id}
${about.sessions.length} session${about.sessions.length === 1 ? '' : 's'}, exported ${about.createdAt} by ${about.by[0].name} (${about.by[0].id})
from ${about.gateway.name}, Throughline ${about.gateway.version}

To look at it
  Open ${bundlePaths.viewer} in a browser, from the unpacked folder. It needs no network and no server.

To check it
  throughline verify FILE.zip --key VKEY        exit status 5 on any problem
  The key that signed is in ${bundlePaths.vkey}; its fingerprint is
    ${fingerprint(vkey)}
  A key inside the bundle proves nothing by itself: compare it with the one that the operator of the gateway
  published, on another way than the one on which this bundle came.

To check it without us
  ${bundlePaths.checkpoint} is a signed note (C2SP tlog-checkpoint), log/tile/ holds tiles (C2SP tlog-tiles), and
  ${bundlePaths.exported} proves (C2SP tlog-proof) that the log holds the entry which binds ${bundlePaths.manifest},
  and with it each file here, by its SHA-256. ${bundlePaths.entries} holds the entries as they were logged.

What is in it
  sessions/ID/events.ndjson    what was asked, decided and done, with policy and time
  sessions/ID/content.bin      what came back, masked, as it was recorded
  sessions/ID/results/         result sets; values are text as recorded, with their masks
  casts/ID-SEQ.cast            terminals as asciicasts, for any player of these; only what paints is in them
  sessions/ID/desktop.ndjson   what the person's own machine recorded of the same session
  ${bundlePaths.context}               sign-ins, delegations, policies and connections that it rests on
  policies/                    the policies that decided
${resultsLeft === 0 ? '' : `\n${resultsLeft} further result sets have no file of their own: they stand in content.bin, the viewer shows them.\n`}${deleted.length === 0 ? '' : `\nRetention has deleted ${deleted.join(', ')} before this export. The log still proves that it was.\n`}${unread.length === 0 ? '' : `\nNot readable at the export: ${unread.map(({ where, message }) => `${where}: ${message}`).join('; ')}.\n`}`;
}
