import type { Problem } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { DesktopLine } from '../../contract/local-record.js';
import type { BundleInput, BundleQuestions } from '../../evidence/build/input.js';

/** What the export's thread is started with. */
export interface ExportPlaces {
  readonly recordingsDirectory: string;
  /** 32 bytes. */
  readonly recordingKey: Uint8Array;
  readonly logDirectory: string;
  /** Recordings from before may be gone: retention has removed them. */
  readonly keptSinceMs: number;
  readonly input: Omit<BundleInput, 'place' | 'project' | 'disk' | 'deletedOf'>;
}

/** What the thread asks while it builds. */
export interface ExportQuestions {
  refs(keys: readonly string[]): Awaited<ReturnType<BundleQuestions['refs']>>;
  policy(version: string): Awaited<ReturnType<BundleQuestions['policy']>>;
  /** The next lines of that session's; none: there are no more. */
  desktop(session: SessionId): readonly DesktopLine[];
  exported(manifestSha256: string): Awaited<ReturnType<BundleQuestions['exported']>>;
}

export type ExportQuestion = {
  [Q in keyof ExportQuestions]: {
    readonly kind: 'ask';
    readonly id: number;
    readonly question: Q;
    readonly argument: Parameters<ExportQuestions[Q]>[0];
  };
}[keyof ExportQuestions];

export type FromExport =
  | ExportQuestion
  /** Bytes of the ZIP; the next come after `more`. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly problem: Problem };

export type ToExport =
  | { readonly kind: 'more' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly problem: Problem };
