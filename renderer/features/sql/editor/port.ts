import type { RunEntry } from '../runs.js';

/** What is to be run: the statement under the cursor (or what is selected), everything, or what is to be laid out. */
export type PieceKind = 'statement' | 'all' | 'format';

/** A part of the text. */
export interface Piece {
  readonly text: string;
  /** Its place in the whole, in UTF-16 units. */
  readonly start: number;
}

/** What a tab needs of its editor. */
export interface EditorPort {
  text(): string;
  /** undefined: there is nothing there. */
  piece(kind: PieceKind): Piece | undefined;
  replace(piece: Piece, text: string): void;
  replaceAll(text: string): void;
  /** Puts text at the cursor, in place of what is selected. */
  insert(text: string): void;
  /** Follows the place of what is run, while the text around it changes. */
  track(run: string, piece: Piece): void;
  /** Marks the errors of a run where they stand. */
  showProblems(entry: RunEntry): void;
  /** Goes to a place of what was run. */
  reveal(run: string, offset: number): void;
  focus(): void;
  /** Runs one of the editor's own actions: `actions.find`. */
  trigger(action: string): void;
}
