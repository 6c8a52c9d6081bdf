import type { ReplayItem, SessionDetail, SessionView } from '../contract/api.js';
import type { RecordingProblem } from '../recording/reader.js';
import type { GatewayRecorder } from './recorder.js';
import type { Sealer } from './sealer/index.js';
import type { Spool } from './spool/index.js';

/** How often old recordings are looked for. */
const everyMs = 6 * 3600 * 1000;
const firstMs = 1000;

export interface RetentionOptions {
  readonly sealer: Pick<Sealer, 'removeBefore' | 'caughtUp'>;
  /** What desktops recorded goes with what the gateway did. */
  readonly spool: Pick<Spool, 'removeBefore'>;
  readonly retentionMs: number;
  readonly recorder: Pick<GatewayRecorder, 'record' | 'complain'>;
  readonly now: () => number;
}

/** Removes recordings that are older than `retentionMs`, now and from time to time. Returns how to stop. */
export function keepRetention(options: RetentionOptions): () => void {
  const { recorder } = options;
  const remove = (): void => {
    removeOld(options).catch((error: unknown) =>
      recorder.complain('old recordings could not be removed', error),
    );
  };
  const first = setTimeout(remove, firstMs);
  const timer = setInterval(remove, everyMs);
  return () => {
    clearTimeout(first);
    clearInterval(timer);
  };
}

/** What was removed is known only afterwards. The audit log says it, so that what is missing later has its reason. */
async function removeOld({ sealer, spool, retentionMs, recorder, now }: RetentionOptions): Promise<void> {
  await sealer.caughtUp();
  const beforeMs = now() - retentionMs;
  const own = await sealer.removeBefore(beforeMs);
  const theirs = await spool.removeBefore(beforeMs).catch((error: unknown) => {
    recorder.complain('old records of desktops could not be removed', error);
    return { segments: 0, bytes: 0 };
  });
  const segments = own.segments + theirs.segments;
  if (segments === 0) return;
  await recorder.record({
    kind: 'recordings.removed',
    before: new Date(beforeMs).toISOString(),
    segments,
    bytes: own.bytes + theirs.bytes,
    sessions: own.sessions.length,
  });
}

type Missing = Pick<RecordingProblem, 'code' | 'where'>;

/**
 * What retention has deleted of a session's recording. Undefined when nothing is missing, and when what is missing is
 * younger than retention deletes: then somebody else has deleted it, and nothing here may excuse that.
 */
export function deletedOf(
  session: SessionView,
  problems: readonly Missing[],
  keptSinceMs: number,
): SessionDetail['deleted'] {
  const isOld = (at: string | undefined): boolean => at !== undefined && Date.parse(at) < keptSinceMs;
  for (const { code, where } of problems) {
    if (code === 'recording-missing' && isOld(session.endedAt)) return 'whole';
    const front = code === 'segment-missing' && where === `${session.id} segment 1`;
    if (front && isOld(session.startedAt)) return 'beginning';
  }
  return undefined;
}

const deletedTexts = {
  whole: 'retention has deleted this recording; the audit log still proves that the session was',
  beginning: 'retention has deleted the beginning of this recording',
} as const;

/** A replay that calls what retention has deleted by its name: the reader knows only that it is not there. */
export async function* sayDeleted(
  items: AsyncGenerator<ReplayItem, void, undefined>,
  session: SessionView,
  keptSinceMs: number,
): AsyncGenerator<ReplayItem, void, undefined> {
  for await (const item of items) {
    const problem = item.kind === 'problem' ? asMissing(item) : undefined;
    const deleted = problem === undefined ? undefined : deletedOf(session, [problem], keptSinceMs);
    yield deleted === undefined
      ? item
      : { kind: 'problem', code: 'deleted-by-retention', text: deletedTexts[deleted] };
  }
}

/** A replay's problem is `WHERE: MESSAGE`. */
function asMissing({ code, text }: Extract<ReplayItem, { kind: 'problem' }>): Missing | undefined {
  if (code !== 'recording-missing' && code !== 'segment-missing') return undefined;
  return { code, where: text.slice(0, text.indexOf(': ')) };
}
