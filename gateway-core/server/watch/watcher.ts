import type { WatchEnd } from '../../contract/events.js';
import { watchLimits } from './limits.js';
import { lineOf } from './session.js';

export interface WatcherOptions {
  /** Undefined while nothing can be shown; then lines that show everything as it stands. */
  readonly snapshot: () => readonly string[] | undefined;
  /** Why it must not go on. Asked at every beat, when rights change, and before anything is told. */
  readonly refusal: (full: boolean) => Extract<WatchEnd, 'rights' | 'signed-out'> | undefined;
  /** Called once, when nothing more will be read. */
  readonly ended: (why: WatchEnd) => void;
  /** Ends the connection of a reader that does not read what it was sent. Does nothing once all was read. */
  readonly drop: () => void;
  readonly now: () => number;
}

const missedLine = lineOf({ kind: 'missed' });

/**
 * One reader's lines as a stream. A reader that is too slow loses what waited, is told so, and gets everything as it
 * stands when it reads again; nothing ever waits for a reader. Hand `stream` to somebody who reads or cancels.
 * INVARIANT: what waits is never more than one line above its limit, a snapshot aside, which is made when it is read.
 */
export class Watcher {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #options: WatcherOptions;
  readonly #timers: NodeJS.Timeout[];
  #lines: string[] = [];
  #characters = 0;
  #behind: 'beginning' | 'missed' | 'no' = 'beginning';
  #last: string[] | undefined;
  #over = false;
  #cancelled = false;
  #wake: (() => void) | undefined;
  /** Somebody waits to read. */
  #pulling = false;
  #pulledMs = performance.now();

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#timers = [
      setInterval(() => this.#beat(), watchLimits.beatMs).unref(),
      setTimeout(() => this.end('time'), watchLimits.lifeMsMax).unref(),
    ];
    this.#sayHello();
    // Nothing is read ahead: what a slow reader has not taken stands here, where it is bounded.
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          this.#cancelled = true;
          this.end('left');
        },
      },
      { highWaterMark: 0 },
    );
  }

  tell(lines: readonly string[]): void {
    if (this.#over || this.#behind !== 'no') return;
    const why = this.#options.refusal(false);
    if (why !== undefined) return this.end(why);
    for (const line of lines) this.#add(line);
    if (this.#characters > watchLimits.waitingCharactersMax) {
      this.#lines = [];
      this.#characters = 0;
      this.#behind = 'missed';
    }
    this.#wake?.();
  }

  /** A snapshot can be taken now. */
  ready(): void {
    if (this.#behind !== 'no') this.#wake?.();
  }

  /** Policies, connections or groups changed. */
  rightsChanged(): void {
    const why = this.#options.refusal(true);
    if (why !== undefined) this.end(why);
  }

  /** What waited for somebody who must not see it any more is dropped. `last`: lines that are told all the same. */
  end(why: WatchEnd, last: readonly string[] = []): void {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) clearTimeout(timer);
    if (why !== 'session-ended') this.#lines = [];
    if (this.#behind !== 'no') this.#lines = [];
    this.#last = [...last, lineOf({ kind: 'closed', why })];
    this.#wake?.();
    if (!this.#cancelled) setTimeout(this.#options.drop, watchLimits.goodbyeMs).unref();
    this.#options.ended(why);
  }

  #add(line: string): void {
    this.#lines.push(line);
    this.#characters += line.length;
  }

  #beat(): void {
    const why = this.#options.refusal(true);
    if (why !== undefined) return this.end(why);
    if (!this.#pulling && performance.now() - this.#pulledMs > watchLimits.stallMsMax)
      return this.end('left');
    // A reader that has not read the last one needs no other.
    if (this.#behind === 'missed' || this.#lines.length > 0) return;
    this.#sayHello();
    this.#wake?.();
  }

  #sayHello(): void {
    this.#add(lineOf({ kind: 'beat', at: new Date(this.#options.now()).toISOString() }));
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#pulling = true;
    try {
      await this.#give(controller);
    } finally {
      this.#pulling = false;
      this.#pulledMs = performance.now();
    }
  }

  async #give(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    for (;;) {
      const chunk = this.#take();
      if (chunk !== undefined) {
        controller.enqueue(Buffer.from(chunk));
        return;
      }
      if (this.#over) {
        if (!this.#cancelled) controller.close();
        return;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }

  #take(): string | undefined {
    if (this.#lines.length === 0 && this.#behind !== 'no' && !this.#over) this.#catchUp();
    if (this.#lines.length === 0 && this.#last !== undefined) {
      this.#lines = this.#last;
      this.#last = undefined;
    }
    if (this.#lines.length === 0) return undefined;
    let count = 0;
    let characters = 0;
    for (const { length } of this.#lines) {
      if (count > 0 && characters + length > watchLimits.chunkCharactersMax) break;
      count += 1;
      characters += length;
    }
    const chunk = this.#lines.splice(0, count).join('');
    this.#characters -= characters;
    return chunk;
  }

  #catchUp(): void {
    const lines = this.#options.snapshot();
    if (lines === undefined) return;
    if (this.#behind === 'missed') this.#add(missedLine);
    this.#behind = 'no';
    for (const line of lines) this.#add(line);
  }
}
