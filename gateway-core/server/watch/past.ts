import type { ReplayItem } from '../../contract/api.js';
import type { WatchItem } from '../../contract/watch.js';
import { watchLimits } from './limits.js';
import type { PastPiece } from './terminal.js';

interface PastTerminal {
  readonly seq: number;
  /** That its first piece was written to. */
  size: { readonly columns: number; readonly rows: number };
  pieces: PastPiece[];
  characters: number;
  whole: boolean;
}

type StatementItem = Extract<WatchItem, { kind: 'statement' }>;

/** What is open at the end of a recording, as its items go by: statements without an outcome, and terminals' last output. */
export class Past {
  readonly #statements = new Map<number, StatementItem>();
  readonly #terminals = new Map<number, PastTerminal>();
  readonly #sizes = new Map<number, PastTerminal['size']>();

  /** In the order in which they began. */
  get statements(): readonly StatementItem[] {
    return [...this.#statements.values()].slice(-watchLimits.statementsMax);
  }

  /** Those that showed something last stand last. */
  get terminals(): readonly PastTerminal[] {
    return [...this.#terminals.values()];
  }

  /** Of every terminal that is open, the latest. */
  get sizes(): ReadonlyMap<number, { readonly columns: number; readonly rows: number }> {
    return this.#sizes;
  }

  add(item: ReplayItem): void {
    switch (item.kind) {
      case 'statement': {
        const { seq, atMs, text, decision, message } = item;
        if (decision !== 'allowed' && decision !== 'approved') return;
        // A replay does not tell which command it was.
        const told = { kind: 'statement' as const, seq, atMs, command: '', text, decision };
        this.#statements.set(seq, message === undefined ? told : { ...told, message });
        return;
      }
      case 'outcome':
        this.#statements.delete(item.seq);
        this.#terminals.delete(item.seq);
        this.#sizes.delete(item.seq);
        return;
      case 'size': {
        const { columns, rows } = item;
        const terminal = this.#terminal(item.seq, { columns, rows });
        this.#sizes.set(item.seq, { columns, rows });
        terminal.pieces.push({ columns, rows });
        return this.#bound(terminal);
      }
      case 'terminal': {
        const terminal = this.#terminal(item.seq, undefined);
        terminal.pieces.push({ text: item.data });
        terminal.characters += item.data.length;
        return this.#bound(terminal);
      }
      case 'session':
      case 'columns':
      case 'row':
      case 'data':
      case 'message':
      case 'output':
      case 'end':
      case 'problem':
        return;
    }
  }

  #terminal(seq: number, size: PastTerminal['size'] | undefined): PastTerminal {
    const known = this.#terminals.get(seq);
    this.#terminals.delete(seq);
    const before = this.#sizes.get(seq);
    const terminal = known ?? {
      seq,
      size: before ?? size ?? { columns: 80, rows: 24 },
      pieces: [],
      characters: 0,
      whole: size !== undefined && before === undefined,
    };
    this.#terminals.set(seq, terminal);
    const [oldest] = this.#terminals.keys();
    if (this.#terminals.size > watchLimits.terminalsMax && oldest !== undefined)
      this.#terminals.delete(oldest);
    return terminal;
  }

  /** Twice what is painted is held, so that dropping is seldom; the last size of what goes stays. */
  #bound(terminal: PastTerminal): void {
    const { pieces } = terminal;
    const tooMany = terminal.characters > 2 * watchLimits.pastCharactersMax || pieces.length > piecesMax;
    if (!tooMany) return;
    let dropped = 0;
    while (terminal.characters > watchLimits.pastCharactersMax || pieces.length - dropped > piecesMax / 2) {
      const piece = pieces[dropped];
      if (piece === undefined) break;
      if ('text' in piece) terminal.characters -= piece.text.length;
      else terminal.size = piece;
      terminal.whole &&= !('text' in piece);
      dropped += 1;
    }
    terminal.pieces = pieces.slice(dropped);
  }
}

/** A terminal that writes a letter at a time has a piece for each. */
const piecesMax = 200_000;
