import { useEffect, useState } from 'react';
import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../../bridge/index.js';
import type { GridModel } from '../grid/model.js';

/** Characters of a long value that are shown at once. */
export const pieceCharacters = 64_000;

export interface CellPiece {
  readonly text: string | null;
  /** Characters of the whole value. */
  readonly characters: number;
  readonly from: number;
}

export type CellState =
  | { readonly state: 'none' }
  | { readonly state: 'reading' }
  | { readonly state: 'failed'; readonly problem: BridgeError }
  | { readonly state: 'read'; readonly piece: CellPiece };

/** A part of the value with the cursor: what the grid has of it, or what is fetched because the grid has only its beginning. */
export function useCell(model: GridModel, row: number, column: number, from: number): CellState {
  const read = model.pages.row(row);
  const shown = read?.cells[column];
  const length = read?.cutOf(column);
  const number = read?.number;
  const [fetched, setFetched] = useState<CellState>({ state: 'reading' });
  useEffect(() => {
    if (number === undefined || length === undefined) return undefined;
    let gone = false;
    setFetched({ state: 'reading' });
    call('sql.cell', { result: model.result, number, column, from, count: pieceCharacters }).then(
      ({ text, characters }) => {
        if (!gone) setFetched({ state: 'read', piece: { text, characters, from } });
      },
      (cause: unknown) => {
        if (!gone) setFetched({ state: 'failed', problem: failureOf(cause) });
      },
    );
    return () => {
      gone = true;
    };
  }, [model, number, column, from, length]);
  if (read === undefined) return { state: model.rows === 0 ? 'none' : 'reading' };
  if (shown === undefined) return { state: 'none' };
  if (length !== undefined) return fetched;
  const text = shown === null ? null : shown.slice(from, from + pieceCharacters);
  return { state: 'read', piece: { text, characters: shown?.length ?? 0, from } };
}
