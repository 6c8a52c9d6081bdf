import type { ResultColumn } from '../../../../gateway-core/contract/bridge/sql.js';
import type { Row } from './pages.js';

/** What a column is wide before its values are known. */
const usualPx: Readonly<Record<ResultColumn['kind'], number>> = {
  number: 96,
  text: 180,
  boolean: 72,
  time: 190,
  json: 260,
  binary: 200,
  other: 140,
};
/** Data is set in a font whose characters are all equally wide. */
export const characterPx = 7.5;
const headerCharacterPx = 7.2;
const paddingPx = 18;
/** Room for the arrow of the order and the mark of a mask. */
const headerRoomPx = 44;
const fittedMaxPx = 480;
const typeRoomPx = 56;

export function firstWidth({ name, kind }: ResultColumn): number {
  return Math.min(fittedMaxPx, Math.max(usualPx[kind], headerPx(name)));
}

/** The width at which the name and the given values are seen whole, within reason. */
export function fittedWidth(
  column: ResultColumn,
  at: number,
  rows: readonly Row[],
  maxPx = fittedMaxPx,
): number {
  let characters = column.kind === 'boolean' ? 5 : 4;
  for (const { cells } of rows) characters = Math.max(characters, displayLength(cells[at] ?? ''));
  const values = characters * characterPx + paddingPx;
  return Math.ceil(
    Math.min(maxPx, Math.max(values, headerPx(column.name) + Math.min(typeRoomPx, values / 4))),
  );
}

function headerPx(name: string): number {
  return displayLength(name) * headerCharacterPx + headerRoomPx;
}

/** Characters as they are shown: Chinese, Japanese and Korean ones take the room of two. */
function displayLength(text: string): number {
  const shown = text.length > 400 ? text.slice(0, 400) : text;
  let length = shown.length;
  for (let at = 0; at < shown.length; at++) if (shown.charCodeAt(at) >= 0x1100) length += 1;
  return length;
}
