import { Duplex } from 'node:stream';
import type { SessionWire, WireSums } from '../contract/local-record.js';
import { wireEntry } from '../recording/wire-content.js';
import { WireHash } from '../recording/wire-sum.js';

/**
 * A stream that hashes what passes (contract/local-record.ts): what was read from the client, and what was handed on
 * to it. It stands below everything that the session does, a client's own TLS included, so it sees what the desktop
 * at the other end sees. Bytes are not copied; either end of the stream closes, half-closes and holds up the other as
 * if this were not here.
 */
export class WireTap extends Duplex implements SessionWire {
  readonly #under: Duplex;
  readonly #up: WireHash;
  readonly #down: WireHash;
  #keep: ((entry: Uint8Array) => void) | undefined;
  /** Blocks from before anybody could keep them. Few: nobody reads on before the session is there. */
  #early: Uint8Array[] = [];
  #blocks = 0;
  #written: ((error?: Error) => void) | undefined;
  #clientEnded = false;

  /** `salt`: 32 bytes, of this session alone. */
  constructor(under: Duplex, salt: Uint8Array) {
    super({ allowHalfOpen: true });
    this.#under = under;
    this.#up = new WireHash(salt, ({ hash }) => this.#block(wireEntry('up', hash)));
    this.#down = new WireHash(salt, ({ hash }) => this.#block(wireEntry('down', hash)));
    under.on('data', (chunk: Buffer) => {
      if (this.destroyed) return;
      this.#up.update(chunk);
      if (!this.push(chunk)) under.pause();
    });
    under.on('end', () => {
      this.#clientEnded = true;
      this.push(null);
    });
    under.on('drain', () => this.#drained());
    under.on('error', () => undefined);
    under.on('close', () => {
      this.#drained(new Error('the client is gone'));
      // What it said before it went is read first.
      if (this.#clientEnded && !this.readableEnded) this.once('end', () => this.destroy());
      else this.destroy();
    });
    this.on('error', () => undefined);
  }

  get blocks(): number {
    return this.#blocks;
  }

  keep(sink: (entry: Uint8Array) => void): void {
    this.#keep = sink;
    for (const entry of this.#early.splice(0)) sink(entry);
  }

  #block(entry: Uint8Array): void {
    this.#blocks += 1;
    if (this.#keep === undefined) this.#early.push(entry);
    else this.#keep(entry);
  }

  finish(): WireSums {
    return { up: this.#up.finish(), down: this.#down.finish() };
  }

  override _read(): void {
    this.#under.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    this.#down.update(chunk);
    this.#after(this.#under.write(chunk), done);
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error) => void,
  ): void {
    this.#under.cork();
    let more = true;
    for (const { chunk } of chunks) {
      this.#down.update(chunk);
      more = this.#under.write(chunk);
    }
    this.#under.uncork();
    this.#after(more, done);
  }

  #after(more: boolean, done: (error?: Error) => void): void {
    if (more) done();
    else if (this.#under.destroyed) done(new Error('the client is gone'));
    else this.#written = done;
  }

  #drained(error?: Error): void {
    const done = this.#written;
    this.#written = undefined;
    done?.(error);
  }

  override _final(done: (error?: Error) => void): void {
    if (this.#under.destroyed) done();
    else this.#under.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#under.destroy();
    done(error);
  }
}
