import type { ReplayItem } from './api.js';

/**
 * The terminal that a statement is shown on: its own, else the one that was open when it began, unless it shows
 * something itself. So the last picture stays until something else begins.
 */
export function terminalOf<
  T extends { readonly seq: number; readonly fromMs: number; readonly toMs: number },
>(
  terminals: readonly T[],
  statement: { readonly seq: number; readonly atMs: number; readonly shows: boolean },
): T | undefined {
  const { seq, atMs, shows } = statement;
  const own = terminals.find((each) => each.seq === seq);
  if (own !== undefined || shows) return own;
  return terminals.findLast(({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs);
}

/** An emulator, as a replay uses it (xterm.js has this shape). */
export interface Emulator {
  write(data: string, painted: () => void): void;
  resize(columns: number, rows: number): void;
  reset(): void;
}

/** Where a replay's items are. */
export interface ReplayItems {
  readonly length: number;
  /** Items of `[from, to)`, in order; fewer only where there are no more. */
  range(from: number, to: number): Promise<readonly ReplayItem[]>;
}

/** Items that are read at once, and bounds of a size that is believed. */
const itemsAtOnce = 500;
const columnsMax = 500;
const rowsMax = 200;

/**
 * Brings a terminal's screen to what it was after so many items of a replay. Forward it paints what is new; back it
 * begins anew, so that the screen is always the one that the same output has painted from the start.
 */
export class TerminalReplay {
  readonly #emulator: Emulator;
  readonly #items: ReplayItems;
  readonly #seq: number;
  readonly #size: { readonly columns: number; readonly rows: number };
  #painted = 0;
  #wanted = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  /** @param of the statement whose terminal it is, and the size that it begins with */
  constructor(
    emulator: Emulator,
    items: ReplayItems,
    of: { readonly seq: number; readonly columns: number; readonly rows: number },
  ) {
    this.#emulator = emulator;
    this.#items = items;
    this.#seq = of.seq;
    this.#size = of;
    this.#resize(of);
  }

  /** Resolves when the screen is that after the first `count` items, or after those of a later call. */
  show(count: number): Promise<void> {
    this.#wanted = Math.min(Math.max(0, count), this.#items.length);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  close(): void {
    this.#closed = true;
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.#painted !== this.#wanted) {
      if (this.#wanted < this.#painted) {
        this.#emulator.reset();
        this.#resize(this.#size);
        this.#painted = 0;
      }
      const to = Math.min(this.#wanted, this.#painted + itemsAtOnce);
      const items = await this.#items.range(this.#painted, to);
      if (this.#closed) return;
      await this.#paint(items);
      // A source that has less than it said must not be asked for ever.
      this.#painted = to;
    }
  }

  async #paint(items: readonly ReplayItem[]): Promise<void> {
    let text = '';
    for (const item of items) {
      if (item.kind === 'terminal' && item.seq === this.#seq) text += item.data;
      if (item.kind !== 'size' || item.seq !== this.#seq) continue;
      await this.#write(text);
      text = '';
      this.#resize(item);
    }
    await this.#write(text);
  }

  #resize({ columns, rows }: { readonly columns: number; readonly rows: number }): void {
    this.#emulator.resize(within(columns, columnsMax), within(rows, rowsMax));
  }

  #write(text: string): Promise<void> {
    if (text === '' || this.#closed) return Promise.resolve();
    return new Promise((resolve) => this.#emulator.write(text, resolve));
  }
}

function within(value: number, most: number): number {
  return Math.max(2, Math.min(most, Math.trunc(value) || 2));
}
