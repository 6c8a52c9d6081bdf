import type { DiskReader } from '../../audit/disk.js';
import type { SessionView } from '../../contract/api.js';
import type { BundleManifest, ResultFormat } from '../../contract/evidence.js';
import type { SessionId } from '../../contract/ids.js';
import type { DesktopLine } from '../../contract/local-record.js';
import type { Project } from '../../contract/recorder.js';
import type { RecordingProblem } from '../../recording/reader.js';
import type { RecordingPlace } from '../../recording/segment-file.js';

export type Bytes = Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

/** What is known of a file once it is in the bundle. `sha256`: hex. */
export interface AddedFile {
  readonly bytes: number;
  readonly sha256: string;
}

/** Where the bundle's files go, one after the other. */
export interface BundleSink {
  add(path: string, content: Bytes): Promise<AddedFile>;
}

/** What the builder has to ask the gateway for while it builds. */
export interface BundleQuestions {
  /** Indexes of the log's entries that stand under these keys (`refKeys`), ascending, each once. */
  refs(keys: readonly string[]): Promise<readonly number[]>;
  /** The text of a policy version; undefined when it was never in force here. */
  policy(version: string): Promise<string | undefined>;
  /** What the desktop recorded of a session, oldest first. */
  desktop(session: SessionId): AsyncIterable<DesktopLine>;
  /** Puts `evidence.exported` with the manifest's hash into the log; gives its index and a checkpoint that covers it. */
  exported(manifestSha256: string): Promise<{ readonly index: number; readonly checkpoint: string }>;
}

export interface BundleInput {
  readonly place: RecordingPlace;
  readonly project: Project;
  /** The log's directory. */
  readonly disk: DiskReader;
  readonly vkey: string;
  /** Log entries that count: what came later belongs to a later bundle. */
  readonly logSize: number;
  readonly about: Pick<BundleManifest, 'createdAt' | 'gateway' | 'by' | 'reason' | 'subject' | 'sessions'>;
  /** What of a recording is rightly not there any more, given what could not be read. */
  readonly deletedOf: (
    session: SessionView,
    problems: readonly RecordingProblem[],
  ) => 'whole' | 'beginning' | undefined;
  readonly results: readonly ResultFormat[];
  readonly viewer: { readonly before: string; readonly after: string; readonly sha256: string };
}

/** Keys under which the index keeps the log entries that stand outside of a session's recording. */
export const refKeys = {
  session: (id: string) => `session ${id}`,
  delegation: (id: string) => `delegation ${id}`,
  signIn: (id: string) => `sign-in ${id}`,
  policy: (version: string) => `policy ${version}`,
  connection: (name: string) => `connection ${name}`,
  manifest: (sha256: string) => `manifest ${sha256}`,
} as const;

/** Bytes of many small pieces in chunks worth a call. */
export function* chunked(pieces: Iterable<string | Uint8Array>, chunkBytes = 64 * 1024): Generator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    const one = typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece);
    waiting.push(one);
    bytes += one.length;
    if (bytes < chunkBytes) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
