import { Menu } from '@mantine/core';
import { chordText } from '../../../ui/chords.js';
import { MenuAt, type Point } from '../../../ui/menu-at.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { copySelection } from './clipboard.js';
import type { CopyFormat } from './copy.js';
import { filterText } from './filters.js';
import type { GridModel } from './model.js';

const copies: readonly (readonly [CopyFormat, string, string?])[] = [
  ['tsv', 'Copy', 'Mod+C'],
  ['tsv-header', 'Copy with header', 'Mod+Shift+C'],
  ['csv', 'Copy as CSV'],
  ['json', 'Copy as JSON'],
  ['insert', 'Copy as INSERT'],
  ['markdown', 'Copy as Markdown'],
];

export function CellMenu({
  model,
  at,
  close,
  activate,
  exportAll,
  filterColumn,
}: {
  readonly model: GridModel;
  readonly at: Point;
  readonly close: () => void;
  readonly activate: () => void;
  readonly exportAll: () => void;
  readonly filterColumn: (column: number) => void;
}) {
  const focus = model.selection?.focus;
  if (focus === undefined) return null;
  const value = model.pages.row(focus.row)?.cells[focus.column] ?? null;
  const filter = (text: string) => {
    model.filtersShown = true;
    model.setTyped(focus.column, text);
    model.apply();
  };
  return (
    <MenuAt at={at} close={close}>
      {copies.map(([format, label, chord]) => (
        <Menu.Item
          key={format}
          rightSection={chord !== undefined && <kbd className="tl-keys">{chordText(chord)}</kbd>}
          onClick={() => void copySelection(model, format, exportAll)}
        >
          {label}
        </Menu.Item>
      ))}
      <Menu.Divider />
      <Menu.Item rightSection={<kbd className="tl-keys">Enter</kbd>} onClick={activate}>
        Show the value
      </Menu.Item>
      <Menu.Item onClick={() => filter(filterText(value, false))}>Only rows with this value</Menu.Item>
      <Menu.Item onClick={() => filter(filterText(value, true))}>Only rows without it</Menu.Item>
      <Menu.Divider />
      <ColumnItems model={model} column={focus.column} filterColumn={filterColumn} />
    </MenuAt>
  );
}

export function HeaderMenu({
  model,
  at,
  close,
  filterColumn,
}: {
  readonly model: GridModel;
  readonly at: Point & { readonly column: number };
  readonly close: () => void;
  readonly filterColumn: (column: number) => void;
}) {
  return (
    <MenuAt at={at} close={close}>
      <Menu.Label>
        <VisibleText text={model.columns[at.column]?.name ?? ''} />
      </Menu.Label>
      <ColumnItems model={model} column={at.column} filterColumn={filterColumn} />
    </MenuAt>
  );
}

function ColumnItems({
  model,
  column,
  filterColumn,
}: {
  readonly model: GridModel;
  readonly column: number;
  readonly filterColumn: (column: number) => void;
}) {
  const name = model.columns[column]?.name ?? '';
  return (
    <>
      <Menu.Item onClick={() => model.setSort([{ column, descending: false }])}>Sort ascending</Menu.Item>
      <Menu.Item onClick={() => model.setSort([{ column, descending: true }])}>Sort descending</Menu.Item>
      {model.sort.length > 0 && <Menu.Item onClick={() => model.setSort([])}>As it came</Menu.Item>}
      <Menu.Item
        onClick={() => {
          model.filtersShown = true;
          model.changed();
          // The menu gives the focus back to the grid first.
          setTimeout(() => filterColumn(column), 50);
        }}
      >
        Filter this column
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item
        onClick={() => {
          model.fit(column, 1200);
          model.changed();
        }}
      >
        Fit the width
      </Menu.Item>
      <Menu.Item
        onClick={() => {
          for (let each = 0; each < model.columns.length; each++) model.fit(each);
          model.changed();
        }}
      >
        Fit all widths
      </Menu.Item>
      <Menu.Item
        onClick={() => {
          const rows = Math.max(0, model.rows - 1);
          model.select({ anchor: { row: 0, column }, focus: { row: rows, column } });
        }}
      >
        Select the column
      </Menu.Item>
      <Menu.Item onClick={() => void navigator.clipboard.writeText(name)}>Copy the name</Menu.Item>
    </>
  );
}
