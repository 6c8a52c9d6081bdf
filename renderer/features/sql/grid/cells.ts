import type { ResultColumn } from '../../../../gateway-core/contract/bridge/sql.js';
import { visibleText } from '../../../ui/visible-text.js';
import type { Row } from './pages.js';
import { characterPx } from './widths.js';

/** What a cell shows. Equal values are equal strings, so that nothing is written twice. */
export interface Face {
  readonly text: string;
  /** Names of classes, by what the cell is. */
  readonly look: string;
  readonly title: string;
}

const pending: Face = { text: '', look: 'pending', title: '' };
const marginCharacters = 24;

/** @param widthPx characters that the column has no room for are not given to the browser */
export function faceOf(
  row: Row | undefined,
  column: ResultColumn | undefined,
  at: number,
  widthPx: number,
  nullText: string,
): Face {
  if (row === undefined || column === undefined) return pending;
  const value = row.cells[at];
  const rule = row.maskOf(at) ?? column.mask;
  const title = rule === undefined ? '' : `masked by the rule ${visibleText(rule)}`;
  if (value === null || value === undefined) {
    return { text: nullText, look: rule === undefined ? 'null' : 'null masked', title };
  }
  const room = Math.ceil(widthPx / characterPx) + marginCharacters;
  const shown = value.length > room ? value.slice(0, room) : value;
  const align = column.kind === 'number' ? 'number' : column.kind === 'boolean' ? 'boolean' : 'text';
  const empty = value === '' ? ' empty' : '';
  return { text: visibleText(shown), look: rule === undefined ? align + empty : `${align} masked`, title };
}
