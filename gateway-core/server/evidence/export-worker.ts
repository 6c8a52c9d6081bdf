import { Writable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { nodeDisk } from '../../audit/disk.js';
import { statementContent } from '../../codec/content.js';
import { fromProblem, ThroughlineError, toProblem } from '../../contract/errors.js';
import type { SessionId } from '../../contract/ids.js';
import type { DesktopLine } from '../../contract/local-record.js';
import { buildBundle } from '../../evidence/build/bundle.js';
import { createBundleZip } from '../../evidence/zip/write.js';
import { systemFiles } from '../../recording/files.js';
import { deletedOf } from '../retention.js';
import type { ExportPlaces, ExportQuestions, FromExport, ToExport } from './messages.js';

type Waiting = { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void };

/** A thread for one export: reading and packing a large session goes on beside the data path. `data`: ExportPlaces. */
export async function main(port: MessagePort, data: unknown): Promise<void> {
  const { recordingsDirectory, recordingKey, logDirectory, keptSinceMs, input } = data as ExportPlaces;
  const desk = new Desk(port);
  const zip = createBundleZip(desk.output());
  try {
    await buildBundle(
      {
        ...input,
        place: { files: systemFiles, directory: recordingsDirectory, masterKey: Buffer.from(recordingKey) },
        project: statementContent,
        disk: nodeDisk(logDirectory, 'read'),
        deletedOf: (session, problems) => deletedOf(session, problems, keptSinceMs),
      },
      {
        refs: (keys) => desk.ask('refs', keys),
        policy: (version) => desk.ask('policy', version),
        desktop: (session) => desk.desktop(session),
        exported: (sha256) => desk.ask('exported', sha256),
      },
      zip,
    );
    await zip.end();
    desk.post({ kind: 'done' });
  } catch (error) {
    const known =
      error instanceof ThroughlineError
        ? error
        : new ThroughlineError(
            'internal',
            `the export failed: ${error instanceof Error ? error.name : 'error'}`,
          );
    desk.post({ kind: 'failed', problem: toProblem(known) });
  }
}

/** The thread's side of the port. */
class Desk {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #more: (() => void) | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: ToExport) => {
      if (message.kind === 'more') {
        this.#more?.();
        return;
      }
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.kind === 'answer') waiting?.resolve(message.value as never);
      else waiting?.reject(fromProblem(message.problem));
    });
    // Nobody reads on: whoever waits here ends.
    port.on('close', () => {
      const gone = new ThroughlineError('busy', 'the export was given up');
      for (const { reject } of this.#waiting.values()) reject(gone);
      this.#more?.();
    });
  }

  post(message: FromExport): void {
    this.#port.postMessage(message);
  }

  ask<Q extends keyof ExportQuestions>(
    question: Q,
    argument: Parameters<ExportQuestions[Q]>[0],
  ): Promise<ReturnType<ExportQuestions[Q]>> {
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.post({ kind: 'ask', id, question, argument } as FromExport);
    });
  }

  async *desktop(session: SessionId): AsyncGenerator<DesktopLine> {
    for (;;) {
      const lines = await this.ask('desktop', session);
      if (lines.length === 0) return;
      yield* lines;
    }
  }

  /** One piece on its way at a time: a reader who takes nothing holds up the builder, not memory. */
  output(): Writable {
    return new Writable({
      highWaterMark: 1024 * 1024,
      write: (bytes: Buffer, _encoding, done) => {
        this.#more = () => {
          this.#more = undefined;
          done();
        };
        this.post({ kind: 'bytes', bytes });
      },
    });
  }
}
