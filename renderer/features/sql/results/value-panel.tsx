import { Button, SegmentedControl } from '@mantine/core';
import { IconTextWrap, IconX } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { failureOf } from '../../../bridge/index.js';
import { useKnown } from '../../../ui/app-state.js';
import { ErrorState } from '../../../ui/error-state.js';
import { Skeleton } from '../../../ui/skeleton.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { workbench } from '../../../ui/workbench.js';
import { useGrid } from '../context.js';
import { wholeCell } from '../grid/clipboard.js';
import type { GridModel } from '../grid/model.js';
import { Tool } from '../toolbar.js';
import { byteaBytes, hexLines } from './hex.js';
import { JsonTree } from './json-tree.js';
import { type CellPiece, pieceCharacters, useCell } from './use-cell.js';
import style from './value.module.css';

type Mode = 'text' | 'tree' | 'json' | 'hex';

/** The value of the cell with the cursor, whole: it follows the cursor through the grid. */
export function ValuePanel({ model, close }: { readonly model: GridModel; readonly close: () => void }) {
  useGrid(model);
  const focus = model.selection?.focus;
  if (focus === undefined) {
    return (
      <Frame title="Value" close={close}>
        <p className={style['hint']}>Choose a cell.</p>
      </Frame>
    );
  }
  return (
    <Value
      key={`${focus.row} ${focus.column}`}
      model={model}
      row={focus.row}
      column={focus.column}
      close={close}
    />
  );
}

function Value({
  model,
  row,
  column,
  close,
}: {
  readonly model: GridModel;
  readonly row: number;
  readonly column: number;
  readonly close: () => void;
}) {
  const [from, setFrom] = useState(0);
  const [wrap, setWrap] = useState(true);
  const [wanted, setWanted] = useState<Mode>();
  const cell = useCell(model, row, column, from);
  const described = model.columns[column];
  const rule = model.pages.row(row)?.maskOf(column) ?? described?.mask;
  const piece = cell.state === 'read' ? cell.piece : undefined;
  const json = useMemo(() => parsed(piece, described?.kind === 'json'), [piece, described]);
  const bytes = useMemo(
    () => (described?.kind === 'binary' ? bytesOf(piece) : undefined),
    [piece, described],
  );
  const modes = [
    { value: 'text', label: 'Text' },
    ...(json === undefined
      ? []
      : [
          { value: 'tree', label: 'Tree' },
          { value: 'json', label: 'JSON' },
        ]),
    ...(bytes === undefined ? [] : [{ value: 'hex', label: 'Hex' }]),
  ];
  const usual: Mode = json !== undefined ? 'tree' : bytes !== undefined ? 'hex' : 'text';
  const mode = modes.some(({ value }) => value === wanted) ? (wanted as Mode) : usual;
  const copy = () => void copyWhole(model, row, column);
  return (
    <Frame
      title={described?.name ?? 'Value'}
      detail={described?.type ?? ''}
      close={close}
      tools={<Tool label="Wrap lines" icon={IconTextWrap} pressed={wrap} run={() => setWrap(!wrap)} />}
    >
      <div className={style['bar']}>
        {modes.length > 1 && (
          <SegmentedControl
            size="xs"
            aria-label="How the value is shown"
            data={modes}
            value={mode}
            onChange={(value) => setWanted(value as Mode)}
          />
        )}
        {piece?.text !== null && piece !== undefined && (
          <>
            <span className={style['length']}>{piece.characters.toLocaleString()} characters</span>
            <Button size="compact-xs" variant="default" onClick={copy}>
              Copy
            </Button>
          </>
        )}
      </div>
      {rule !== undefined && (
        <p className={style['masked']}>
          This is the masked value, by the rule{' '}
          <b>
            <VisibleText text={rule} />
          </b>
          . The real one never left the gateway.
        </p>
      )}
      {cell.state === 'reading' && <Skeleton label="Reading the value" />}
      {cell.state === 'failed' && <ErrorState error={cell.problem} />}
      {piece !== undefined && (
        <div className={style['content']} data-wrap={wrap} tabIndex={0} role="group" aria-label="Value">
          <Content piece={piece} mode={mode} json={json} bytes={bytes} />
        </div>
      )}
      {piece !== undefined && piece.characters > pieceCharacters && <Pieces piece={piece} go={setFrom} />}
    </Frame>
  );
}

function Content({
  piece,
  mode,
  json,
  bytes,
}: {
  readonly piece: CellPiece;
  readonly mode: Mode;
  readonly json: { readonly value: unknown } | undefined;
  readonly bytes: Uint8Array | undefined;
}) {
  const nullText = useKnown(({ preferences }) => preferences.nullText);
  if (piece.text === null) return <em className={style['null']}>{nullText}</em>;
  if (piece.characters === 0) return <em className={style['null']}>empty text</em>;
  if (mode === 'tree' && json !== undefined) return <JsonTree value={json.value} />;
  if (mode === 'json' && json !== undefined) return <Lines text={JSON.stringify(json.value, null, 2)} />;
  // Two digits for a byte, after the two characters of the prefix.
  if (mode === 'hex' && bytes !== undefined)
    return <Lines text={hexLines(bytes, Math.max(0, piece.from - 2) / 2)} />;
  return <Lines text={piece.text} />;
}

function Lines({ text }: { readonly text: string }) {
  return (
    <pre>
      <VisibleText text={text} lines />
    </pre>
  );
}

/** A value of fifty megabytes is looked at in parts. */
function Pieces({ piece, go }: { readonly piece: CellPiece; readonly go: (from: number) => void }) {
  const { from, characters } = piece;
  const last = Math.floor((characters - 1) / pieceCharacters) * pieceCharacters;
  const end = Math.min(characters, from + pieceCharacters);
  return (
    <div className={style['bar']}>
      <Button
        size="compact-xs"
        variant="default"
        disabled={from === 0}
        onClick={() => go(from - pieceCharacters)}
      >
        Before
      </Button>
      <span className={style['length']} role="status">
        {(from + 1).toLocaleString()} to {end.toLocaleString()} of {characters.toLocaleString()}
      </span>
      <Button
        size="compact-xs"
        variant="default"
        disabled={from >= last}
        onClick={() => go(from + pieceCharacters)}
      >
        Next
      </Button>
    </div>
  );
}

/** JSON that is here as a whole. Text that looks like an object or an array is offered as one as well. */
function parsed(piece: CellPiece | undefined, isJson: boolean): { readonly value: unknown } | undefined {
  if (piece?.text === null || piece === undefined || piece.characters > pieceCharacters) return undefined;
  if (!isJson && !/^\s*[[{]/.test(piece.text)) return undefined;
  try {
    const value: unknown = JSON.parse(piece.text);
    return typeof value === 'object' && value !== null ? { value } : undefined;
  } catch {
    return undefined;
  }
}

function bytesOf(piece: CellPiece | undefined): Uint8Array | undefined {
  if (piece?.text === null || piece === undefined) return undefined;
  return byteaBytes(piece.from === 0 ? piece.text : `\\x${piece.text}`);
}

async function copyWhole(model: GridModel, row: number, column: number): Promise<void> {
  const read = model.pages.row(row);
  if (read === undefined) return;
  try {
    await navigator.clipboard.writeText((await wholeCell(model.result, read, column)) ?? '');
    workbench().notify({ level: 'success', title: 'Copied the value' });
  } catch (cause) {
    workbench().notify({ level: 'error', title: 'Not copied', text: failureOf(cause).message });
  }
}

/** What stands beside the grid. Escape goes back to it. */
export function Frame({
  title,
  detail,
  close,
  tools,
  children,
}: {
  readonly title: string;
  readonly detail?: string;
  readonly close: () => void;
  readonly tools?: React.ReactNode;
  readonly children: React.ReactNode;
}) {
  return (
    <aside
      className={style['frame']}
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === 'Escape') close();
      }}
    >
      <header className={style['head']}>
        <b>
          <VisibleText text={title} />
        </b>
        <span className={style['type']}>{detail}</span>
        {tools}
        <Tool label="Close" icon={IconX} run={close} />
      </header>
      {children}
    </aside>
  );
}
