import { Button } from '@mantine/core';
import { bytesText, durationText } from '../../../ui/time.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { useGrid, useTab } from '../context.js';
import type { GridModel } from '../grid/model.js';
import { bounds } from '../grid/selection.js';
import type { ResultTab } from '../runs.js';
import style from './results.module.css';

/** Cells that are added up while they are selected: what is on the screen, not a million. */
const summedCellsMax = 20_000;

/** How much is here, whether there is more, what is masked, what is selected. */
export function Footer({ shown, model }: { readonly shown: ResultTab; readonly model: GridModel }) {
  const tab = useTab();
  useGrid(model);
  const { statement, entry } = shown;
  const { rows, bytes, maskedCells, state } = model.loaded;
  const running = state === 'streaming';
  const durationMs = running ? entry.run.durationMs : statement.durationMs;
  return (
    <div className={style['footer']}>
      <span role="status">
        {model.viewed && <b>{model.rows.toLocaleString()} of </b>}
        {rows.toLocaleString()} {rows === 1 ? 'row' : 'rows'}
        {howItEnded(state, statement)}
      </span>
      {durationMs !== undefined && <span>{durationText(durationMs)}</span>}
      <span>{bytesText(bytes)}</span>
      {maskedCells > 0 && (
        <span className={style['masked']}>
          <i aria-hidden /> {maskedCells.toLocaleString()} masked {maskedCells === 1 ? 'cell' : 'cells'}
        </span>
      )}
      {running && (
        <Button size="compact-xs" variant="default" onClick={() => void tab.cancel()}>
          Stop
        </Button>
      )}
      {state === 'paused' && (
        <Button size="compact-xs" onClick={() => void tab.more(model.result)}>
          Load more
        </Button>
      )}
      <ViewNote model={model} />
      <span className={style['spring']} />
      <Selected model={model} />
    </div>
  );
}

const stateWords = {
  paused: ' loaded, paused: there is more',
  done: '',
  cut: ' loaded, cut: there was more',
} as const;

/** A result that was cut was cut by something. */
function howItEnded(state: GridModel['loaded']['state'], statement: ResultTab['statement']): string {
  if (state === 'streaming') return ', loading…';
  if (state === 'cut' && statement.state === 'cancelled') return ' loaded, then cancelled';
  if (state === 'cut' && statement.state === 'failed') return ' loaded, then an error';
  return stateWords[state];
}

/** Sorting and filtering see what is loaded, and no more. */
function ViewNote({ model }: { readonly model: GridModel }) {
  if (!model.viewed) return null;
  const { notInView } = model;
  if (notInView > 0) {
    return (
      <span>
        {notInView.toLocaleString()} newer rows are not in this view{' '}
        <Button size="compact-xs" variant="default" onClick={() => model.apply()}>
          Apply again
        </Button>
      </span>
    );
  }
  return model.loaded.state === 'done' ? null : <span>Sorts and filters what is loaded.</span>;
}

function Selected({ model }: { readonly model: GridModel }) {
  const { selection } = model;
  if (selection === undefined) return null;
  const { focus } = selection;
  const box = bounds(selection);
  const cells = (box.bottom - box.top + 1) * (box.right - box.left + 1);
  if (cells > 1) {
    const sum = sumOf(model, box, cells);
    return (
      <span className={style['selected']}>
        {cells.toLocaleString()} cells
        {sum !== undefined && `, sum ${sum.toLocaleString(undefined, { maximumFractionDigits: 6 })}`}
      </span>
    );
  }
  const column = model.columns[focus.column];
  const rule = model.pages.row(focus.row)?.maskOf(focus.column) ?? column?.mask;
  return (
    <span className={style['selected']}>
      row {(focus.row + 1).toLocaleString()}, <VisibleText text={column?.name ?? ''} />{' '}
      <em>{column?.type}</em>
      {rule !== undefined && (
        <>
          {' '}
          <span className={style['masked']}>
            <i aria-hidden /> masked by <VisibleText text={rule} />
          </span>
        </>
      )}
    </span>
  );
}

/** The sum of selected numbers; undefined where there are none, or not all are here. */
function sumOf(model: GridModel, box: ReturnType<typeof bounds>, cells: number): number | undefined {
  if (cells > summedCellsMax) return undefined;
  let sum = 0;
  let numbers = 0;
  for (let row = box.top; row <= box.bottom; row++) {
    const read = model.pages.row(row);
    if (read === undefined) return undefined;
    for (let column = box.left; column <= box.right; column++) {
      const value = read.cells[column];
      if (model.columns[column]?.kind !== 'number' || value === null || value === undefined) continue;
      const number = Number(value);
      if (!Number.isFinite(number)) continue;
      sum += number;
      numbers += 1;
    }
  }
  return numbers > 1 ? sum : undefined;
}
