import type { Problem } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { DesktopLine, LocalRecord, SpoolAppend } from '../../contract/local-record.js';
import type { DesktopSide } from './desktop-side.js';
import type { SegmentPlace } from './format.js';

/** What the spool's thread is started with. */
export interface SpoolPlaces {
  readonly directory: string;
  /** 32 bytes. */
  readonly masterKey: Uint8Array;
  /** 32 bytes: of `SessionIds`. */
  readonly idKey: Uint8Array;
  readonly bytesPerDeviceMax: number;
}

export type LogConflict = Extract<LocalRecord, { kind: 'log-conflict' }>;

/** What an upload tells the gateway besides that it is kept. */
export interface Arrival {
  /** Sessions of which new records came. */
  readonly sessions: readonly SessionId[];
  /** Of these, those whose end is among them. */
  readonly closed: readonly SessionId[];
  /** Also those that came before: the answer to them may have been lost. */
  readonly conflicts: readonly LogConflict[];
  /** New records that say that others were lost. */
  readonly gaps: number;
  readonly backlog: SpoolAppend['backlog'];
}

export type Upload =
  | { readonly kind: 'kept'; readonly next: number; readonly head: string; readonly arrival: Arrival }
  | {
      readonly kind: 'refused';
      /** What the log calls it; undefined: nothing that somebody has to know. */
      readonly code: 'forked' | 'malformed' | 'unknown-session' | 'too-large' | undefined;
      readonly problem: Problem;
    };

/** What the main thread asks of the spool's. */
export interface SpoolMethods {
  /** `body`: of the request, as it came. */
  upload(place: SegmentPlace, body: Uint8Array): Upload;
  side(device: string, session: SessionId): DesktopSide | undefined;
  lines(
    device: string,
    session: SessionId,
    after: { readonly segment: number; readonly seq: number } | undefined,
  ): DesktopLine[];
  removeBefore(beforeMs: number): { segments: number; bytes: number };
  close(): void;
}

export type SpoolMethod = keyof SpoolMethods;
export type SpoolRequest = {
  [M in SpoolMethod]: {
    readonly id: number;
    readonly method: M;
    readonly args: Parameters<SpoolMethods[M]>;
  };
}[SpoolMethod];

export type SpoolMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly problem: Problem };
