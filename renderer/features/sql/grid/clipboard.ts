import { call, failureOf } from '../../../bridge/index.js';
import { workbench } from '../../../ui/workbench.js';
import { type CopyFormat, copyCellsMax, copyCharactersMax, copyText } from './copy.js';
import type { GridModel } from './model.js';
import type { Row } from './pages.js';
import { type Bounds, bounds } from './selection.js';

/** Copies the selected cells. What is too much for a clipboard is refused, and the export offered. */
export async function copySelection(
  model: GridModel,
  format: CopyFormat,
  offerExport: () => void,
): Promise<void> {
  const { selection } = model;
  if (selection === undefined) return;
  const box = bounds(selection);
  const cells = (box.bottom - box.top + 1) * (box.right - box.left + 1);
  try {
    const text = cells > copyCellsMax ? undefined : await selectedText(model, box, format);
    if (text === undefined) return tooMuch(offerExport);
    await navigator.clipboard.writeText(text);
    const what = cells === 1 ? 'the value' : `${cells.toLocaleString()} cells`;
    workbench().notify({ level: 'success', title: `Copied ${what}` });
  } catch (cause) {
    workbench().notify({ level: 'error', title: 'Not copied', text: failureOf(cause).message });
  }
}

function tooMuch(offerExport: () => void): void {
  workbench().notify({
    level: 'warning',
    title: 'Too much for the clipboard',
    text: `More than ${copyCellsMax.toLocaleString()} cells or ${(copyCharactersMax / 1e6).toFixed(0)} million characters are exported to a file.`,
    action: { title: 'Export', run: offerExport },
  });
}

/** @returns undefined when it is too much, or the view changed under it */
async function selectedText(model: GridModel, box: Bounds, format: CopyFormat): Promise<string | undefined> {
  const rows = await model.pages.range(box.top, box.bottom + 1);
  if (rows === undefined) return undefined;
  const columns = model.columns.slice(box.left, box.right + 1);
  const values: (string | null)[][] = [];
  let characters = 0;
  for (const row of rows) {
    const cells: (string | null)[] = [];
    for (let column = box.left; column <= box.right; column++) {
      const length = row.cutOf(column) ?? row.cells[column]?.length ?? 0;
      characters += length;
      if (characters > copyCharactersMax) return undefined;
      cells.push(await wholeCell(model.result, row, column));
    }
    values.push(cells);
  }
  return copyText(format, columns, values);
}

const pieceCharacters = 1_000_000;

/** A cell with what was cut off of it. */
export async function wholeCell(result: string, row: Row, column: number): Promise<string | null> {
  const shown = row.cells[column] ?? null;
  const length = row.cutOf(column);
  if (shown === null || length === undefined) return shown;
  let whole = '';
  while (whole.length < length) {
    const piece = await call('sql.cell', {
      result,
      number: row.number,
      column,
      from: whole.length,
      count: pieceCharacters,
    });
    if (piece.text === null || piece.text === '') break;
    whole += piece.text;
  }
  return whole;
}
