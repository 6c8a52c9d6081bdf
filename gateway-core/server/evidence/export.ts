import { fromProblem, ThroughlineError, toProblem } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { DesktopLine } from '../../contract/local-record.js';
import { type StartedWorker, startWorker } from '../../store/worker.js';
import type { ExportPlaces, ExportQuestion, FromExport, ToExport } from './messages.js';

/** What an export asks of the gateway. */
export interface ExportAnswers {
  refs(keys: readonly string[]): Promise<readonly number[]>;
  policy(version: string): Promise<string | undefined>;
  desktop(session: SessionId): AsyncIterable<DesktopLine>;
  exported(manifestSha256: string): Promise<{ readonly index: number; readonly checkpoint: string }>;
}

const linesAtOnce = 500;

/**
 * The ZIP of one export, as it is read. Ends with an error when the bundle could not be finished: a reader sees a
 * broken answer, never a short one that looks whole.
 */
export async function* exportBundle(
  places: ExportPlaces,
  answers: ExportAnswers,
): AsyncGenerator<Uint8Array, void, undefined> {
  const worker = startWorker(new URL('./export-worker.js', import.meta.url), {
    name: 'export',
    data: places,
  });
  try {
    yield* bytesOf(worker, answers);
  } finally {
    await worker.stop();
  }
}

async function* bytesOf(worker: StartedWorker, answers: ExportAnswers): AsyncGenerator<Uint8Array> {
  const inbox: FromExport[] = [];
  let wake: (() => void) | undefined;
  let ended: Error | undefined;
  const desktops = new Map<SessionId, AsyncIterator<DesktopLine>>();
  const post = (message: ToExport): void => worker.port.postMessage(message);
  worker.port.on('message', (message: FromExport) => {
    if (message.kind === 'ask') {
      answer(answers, desktops, message).then(
        (value) => post({ kind: 'answer', id: message.id, value }),
        (error: unknown) => post({ kind: 'error', id: message.id, problem: problemOf(error) }),
      );
      return;
    }
    inbox.push(message);
    wake?.();
  });
  void worker.ended.then((error) => {
    ended = error ?? new ThroughlineError('internal', 'the export ended before its end');
    wake?.();
  });
  for (;;) {
    const message = inbox.shift();
    if (message?.kind === 'done') return;
    if (message?.kind === 'failed') throw fromProblem(message.problem);
    if (message?.kind === 'bytes') {
      yield message.bytes;
      post({ kind: 'more' });
    } else if (ended !== undefined) {
      throw ended;
    } else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      wake = undefined;
    }
  }
}

async function answer(
  answers: ExportAnswers,
  desktops: Map<SessionId, AsyncIterator<DesktopLine>>,
  message: ExportQuestion,
): Promise<unknown> {
  switch (message.question) {
    case 'refs':
      return answers.refs(message.argument);
    case 'policy':
      return answers.policy(message.argument);
    case 'exported':
      return answers.exported(message.argument);
    case 'desktop': {
      const lines =
        desktops.get(message.argument) ?? answers.desktop(message.argument)[Symbol.asyncIterator]();
      desktops.set(message.argument, lines);
      const page: DesktopLine[] = [];
      while (page.length < linesAtOnce) {
        const step = await lines.next();
        if (step.done === true) break;
        page.push(step.value);
      }
      return page;
    }
  }
}

function problemOf(error: unknown) {
  if (error instanceof ThroughlineError) return toProblem(error);
  return toProblem(new ThroughlineError('internal', 'the gateway could not answer the export'));
}
