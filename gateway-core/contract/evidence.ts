import { z } from 'zod';
import { SessionView } from './api.js';
import { Chain } from './chain.js';
import { SessionId, Timestamp } from './ids.js';

/**
 * The offline bundle: one ZIP that proves to somebody without gateway and network what was done.
 *
 *     manifest.json               what the bundle is about, and size and SHA-256 of every file but those marked *
 *     README.txt
 *     sessions/ID/events.ndjson   EventLine: the session's events, whole, with what opens their leaves
 *     sessions/ID/content.bin     what came back, masked: frames of u32 length and content records (recording room)
 *     sessions/ID/desktop.ndjson  DesktopLine: the other side's own records, where there are any
 *     sessions/ID/results/...     result sets as NDJSON, CSV or Parquet, projected from content.bin
 *     casts/ID-SEQ.cast           each terminal as an asciicast (version 3), projected from content.bin
 *     context.ndjson              EventLine: events outside of sessions that these rest on (sign-ins, delegations,
 *                                 policies, connections)
 *     policies/VERSION.cedar      the text of each policy version that decided
 *   * log/vkey                    C2SP verifier key; proves nothing by itself
 *   * log/checkpoint              C2SP signed note: the tree under which everything is proved
 *   * log/entries.ndjson          EntryLine: the log's entries for every event above, and `evidence.exported`
 *   * log/tile/...                C2SP tlog-tiles: the hash tiles that lead from these entries to the checkpoint
 *   * log/*.tlog-proof            C2SP tlog-proof of single entries, for tools that know nothing of us
 *   * viewer.html                 opens from disk; holds a copy of the bundle's smaller files
 *
 * What binds it together: the entry `evidence.exported` holds the SHA-256 of manifest.json, the manifest those of the
 * files, and the signed tree holds the entry. So no file can be changed, added, left out or taken from another bundle
 * by whoever lacks the log's key. The files under log/ prove themselves, and viewer.html without its data is known
 * by the manifest's `viewer`.
 */
export const bundleFormat = 'throughline-bundle/1';

export const bundlePaths = {
  manifest: 'manifest.json',
  readme: 'README.txt',
  context: 'context.ndjson',
  vkey: 'log/vkey',
  checkpoint: 'log/checkpoint',
  entries: 'log/entries.ndjson',
  exported: 'log/exported.tlog-proof',
  /** Before a tile's own path (`tile/0/x001/234.p/17`). */
  log: 'log/',
  viewer: 'viewer.html',
  events: (session: string) => `sessions/${session}/events.ndjson`,
  content: (session: string) => `sessions/${session}/content.bin`,
  desktop: (session: string) => `sessions/${session}/desktop.ndjson`,
  result: (session: string, seq: number, part: number, format: string) =>
    `sessions/${session}/results/${String(seq).padStart(4, '0')}-${part}.${format}`,
  cast: (session: string, seq: number) => `casts/${session}-${String(seq).padStart(4, '0')}.cast`,
  policy: (version: string) => `policies/${version}.cedar`,
} as const;

/**
 * Names that a bundle may hold at all: relative, plain ASCII, no dots-only parts, nothing that a file system reads
 * differently: no dot at a part's end, no device of Windows.
 */
export const bundlePathPattern =
  /^(?:(?!(?:aux|con|nul|prn|com\d|lpt\d)(?:[./]|$))\w(?:[\w.-]*[\w-])?(?:\/(?!$)|$))+$/i;

export const resultFormats = ['ndjson', 'csv', 'parquet'] as const;
export type ResultFormat = (typeof resultFormats)[number];

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.number().int().nonnegative();

export const EvidenceSubject = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('session'), id: SessionId }),
  /** A node of the agent tree: everything below it. */
  z.strictObject({ kind: z.literal('agent'), id: z.string().min(1).max(256) }),
]);
export type EvidenceSubject = z.infer<typeof EvidenceSubject>;

/** `POST /v1/evidence`; the answer is the ZIP. */
export const EvidenceRequest = z
  .object({
    subject: EvidenceSubject,
    results: z.array(z.enum(resultFormats)).max(3).default(['ndjson', 'csv']),
    /** Stands in the log. */
    reason: z.string().trim().max(1000).optional(),
  })
  .strict();
export type EvidenceRequest = z.infer<typeof EvidenceRequest>;

export const BundleManifest = z.strictObject({
  format: z.literal(bundleFormat),
  createdAt: Timestamp,
  gateway: z.strictObject({ name: z.string(), version: z.string() }),
  by: Chain,
  reason: z.string().optional(),
  subject: EvidenceSubject,
  /** Newest last. */
  sessions: z.array(SessionView).max(10_000),
  /** What of the recordings is not there any more: retention has deleted it. */
  deleted: z.array(z.strictObject({ session: SessionId, what: z.enum(['whole', 'beginning']) })),
  /** SHA-256 of viewer.html without its data: with nothing but a newline between `viewerDataBegin` and `viewerDataEnd`. */
  viewer: sha256,
  files: z
    .array(z.strictObject({ path: z.string().max(512).regex(bundlePathPattern), bytes: size, sha256 }))
    .max(100_000),
});
export type BundleManifest = z.infer<typeof BundleManifest>;

/** viewer.html holds base64 of a smaller ZIP of the same bundle between these two, each on a line of its own. */
export const viewerDataBegin = '<script type="application/x-throughline-bundle" id="bundle">';
export const viewerDataEnd = '</script><!-- bundle -->';

/** A line of events.ndjson and context.ndjson. `salt`: hex, opens the leaf's payload hash; absent without a payload. */
export const EventLine = z.strictObject({
  index: size,
  salt: z
    .string()
    .regex(/^(?:[0-9a-f]{2}){16,32}$/)
    .optional(),
  /** An AuditEvent with its payload: `audit/leaf.ts` makes the leaf of it and of `pos`. */
  event: z.record(z.string(), z.unknown()),
});
export type EventLine = z.infer<typeof EventLine>;

/** A line of log/entries.ndjson, ascending by index. `leaf`: the entry's bytes, which are UTF-8. */
export const EntryLine = z.strictObject({ index: size, leaf: z.string().max(65_535) });
export type EntryLine = z.infer<typeof EntryLine>;

/** What a check of a bundle says: VerifyReport of api.ts, and what is not proved, in words. */
export interface BundleReport {
  readonly ok: boolean;
  readonly entries: number;
  readonly sessions: number;
  readonly proved: readonly string[];
  /** What a reader could take for proved and is not. */
  readonly notProved: readonly string[];
  readonly problems: readonly { readonly code: string; readonly where: string; readonly message: string }[];
  readonly keyFingerprint: string;
  /** Whose key it is said to be. */
  readonly keyName: string;
  /** RFC 3339; when the log signed that this was its latest tree. */
  readonly signedAt: string | undefined;
}
