import type { Portal, Prepared } from './prepared.js';
import type { Running } from './running.js';

/**
 * What the target still owes us, in the order in which we asked. A reply is understood by what stands at the head.
 * `execute` and `query` carry the statements whose results they bring.
 */
export type Expected =
  /** A simple Query: results of each statement in turn, then ReadyForQuery. */
  | { readonly kind: 'query'; readonly statements: readonly Running[]; at: number }
  /** A statement that we refused: a text that no target accepts went in its place; `error` replaces its error. */
  | { readonly kind: 'refusal'; readonly error: Uint8Array; readonly simple: boolean }
  | { readonly kind: 'parse'; readonly prepared: Prepared }
  | { readonly kind: 'bind'; readonly name: string; readonly portal: Portal | undefined }
  | {
      readonly kind: 'describe';
      readonly prepared: Prepared;
      readonly portal: Portal | undefined;
      readonly ours: boolean;
      /** Of the verdict that it was asked under: another one's columns say nothing about this one's. */
      readonly epoch: number;
    }
  | { readonly kind: 'execute'; readonly statement: Running; readonly portal: Portal }
  /** `statement`: its name; undefined: a portal. */
  | { readonly kind: 'close'; readonly statement: string | undefined }
  | { readonly kind: 'sync' };

/** A queue whose head is cheap to take: arrays shift in linear time once they are long. */
export class Replies {
  #items: Expected[] = [];
  #head = 0;
  /** An error came before the Sync that ends its segment was sent. */
  #skipping = false;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get head(): Expected | undefined {
    return this.#items[this.#head];
  }

  /** False: nothing will be owed, since the target skips what this stands for. */
  push(expected: Expected): boolean {
    if (expected.kind === 'sync') this.#skipping = false;
    if (this.#skipping) return false;
    this.#items.push(expected);
    return true;
  }

  /** Puts an item at the head: it is owed next. */
  unshift(expected: Expected): void {
    this.#items.splice(this.#head, 0, expected);
  }

  shift(): Expected | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /**
   * After an error in the extended protocol the server skips everything up to Sync, also what is still to be sent.
   * Gives what was sent and is skipped.
   */
  skipToSync(): Expected[] {
    const skipped: Expected[] = [];
    while (this.head !== undefined && this.head.kind !== 'sync') {
      const item = this.shift();
      if (item !== undefined) skipped.push(item);
    }
    this.#skipping = this.head === undefined;
    return skipped;
  }

  /** A COPY FROM reads what the client sends, and passes over every Sync: none that is behind it is answered. */
  dropSyncs(): void {
    this.#items = this.#items.slice(this.#head).filter((item) => item.kind !== 'sync');
    this.#head = 0;
  }

  /** Every statement that has been sent and not ended. */
  running(): Running[] {
    return this.#items.slice(this.#head).flatMap((item) => {
      if (item.kind === 'query') return item.statements.slice(item.at);
      return item.kind === 'execute' ? [item.statement] : [];
    });
  }
}
