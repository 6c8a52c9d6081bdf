import type { MessagePort } from 'node:worker_threads';
import { ThroughlineError, toProblem } from '../../contract/errors.js';
import { systemFiles } from '../../recording/files.js';
import { spoolDesk } from './desk.js';
import type { SpoolMessage, SpoolPlaces, SpoolRequest } from './messages.js';

/** The spool's thread: uploads are read, checked, sealed and synced beside the data path. `data`: SpoolPlaces. */
export function main(port: MessagePort, data: unknown): void {
  const desk = spoolDesk(data as SpoolPlaces, systemFiles, () => Date.now());
  port.on('message', (request: SpoolRequest) => {
    const { id } = request;
    // By the request's own method: a name that came as data never reaches anything but these functions.
    const act = desk[request.method] as (...args: readonly unknown[]) => unknown;
    const post = (message: SpoolMessage): void => port.postMessage(message);
    Promise.resolve()
      .then(() => act(...request.args))
      .then(
        (value) => post({ id, value }),
        (error: unknown) => post({ id, problem: toProblem(known(error)) }),
      );
  });
  port.on('close', () => void desk.close());
}

/** Never an error's own text: it may hold a path or a record. */
function known(error: unknown): ThroughlineError {
  if (error instanceof ThroughlineError) return error;
  const name = error instanceof Error ? error.name : 'error';
  const code = error instanceof Error && 'code' in error ? ` ${String(error.code)}` : '';
  return new ThroughlineError('internal', `the spool of desktops failed: ${name}${code}`);
}
