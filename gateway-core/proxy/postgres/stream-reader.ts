import type { Duplex } from 'node:stream';

/**
 * Chunk after chunk of a stream, for the phases that go step by step (start-up, signing in to the target). What was
 * not used is handed back with `unread`, and is there for whoever reads next. One reader at a time.
 */
export class StreamReader {
  readonly stream: Duplex;

  constructor(stream: Duplex) {
    this.stream = stream;
  }

  /** The next bytes; undefined at the end of the stream, or when it broke, or when `signal` fires. */
  async read(signal: AbortSignal): Promise<Buffer | undefined> {
    const { stream } = this;
    for (;;) {
      if (signal.aborted || stream.destroyed) return undefined;
      const chunk = stream.read() as Buffer | null;
      if (chunk !== null) return chunk;
      if (stream.readableEnded || stream.closed) return undefined;
      await this.#readable(signal);
    }
  }

  unread(bytes: Uint8Array): void {
    if (bytes.length > 0) this.stream.unshift(bytes);
  }

  #readable(signal: AbortSignal): Promise<void> {
    const { stream } = this;
    return new Promise((resolve) => {
      const done = () => {
        for (const event of ['readable', 'end', 'close', 'error']) stream.off(event, done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      for (const event of ['readable', 'end', 'close', 'error']) stream.on(event, done);
      signal.addEventListener('abort', done);
    });
  }
}

/** Resolves once the bytes are in the kernel's hands, or the stream is gone. */
export function writeAll(stream: Duplex, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.write(bytes, () => resolve());
  });
}
