import { TextInput } from '@mantine/core';
import { IconChevronDown, IconChevronUp, IconSearch } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import { useKnown } from '../../../ui/app-state.js';
import { Masked } from '../../../ui/masked.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { useGrid, useTab } from '../context.js';
import type { GridModel } from '../grid/model.js';
import type { Row } from '../grid/pages.js';
import { Tool } from '../toolbar.js';
import style from './value.module.css';
import { Frame } from './value-panel.js';

const charactersShown = 600;

/** One row as a form: a line for each column. For results with more columns than a screen is wide. */
export function RecordPanel({ model, close }: { readonly model: GridModel; readonly close: () => void }) {
  useGrid(model);
  const at = model.selection?.focus.row ?? 0;
  const row = model.pages.row(at);
  useEffect(() => {
    if (row === undefined && model.rows > 0) model.pages.want(at, at + 1, 0);
  }, [model, row, at]);
  const go = (to: number) => {
    const next = {
      row: Math.min(Math.max(to, 0), model.rows - 1),
      column: model.selection?.focus.column ?? 0,
    };
    model.select({ anchor: next, focus: next });
    model.pages.want(next.row, next.row + 1, 0);
  };
  return (
    <Frame
      title={model.rows === 0 ? 'Row' : `Row ${(at + 1).toLocaleString()}`}
      detail={`of ${model.rows.toLocaleString()}`}
      close={close}
      tools={
        <>
          <Tool label="Row before" icon={IconChevronUp} disabled={at === 0} run={() => go(at - 1)} />
          <Tool
            label="Next row"
            icon={IconChevronDown}
            disabled={at >= model.rows - 1}
            run={() => go(at + 1)}
          />
        </>
      }
    >
      {row === undefined ? (
        <p className={style['hint']}>No row here.</p>
      ) : (
        <Fields model={model} row={row} at={at} />
      )}
    </Frame>
  );
}

function Fields({ model, row, at }: { readonly model: GridModel; readonly row: Row; readonly at: number }) {
  const [wanted, setWanted] = useState('');
  const scroller = useRef<HTMLDivElement>(null);
  const columns = useMemo(() => {
    const text = wanted.trim().toLowerCase();
    return model.columns.flatMap(({ name }, index) => (name.toLowerCase().includes(text) ? [index] : []));
  }, [model, wanted]);
  const fields = useVirtualizer({
    count: columns.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 48,
    overscan: 6,
  });
  return (
    <>
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow'] ?? ''}
          placeholder="Find a column"
          aria-label="Find a column"
          leftSection={<IconSearch size={13} aria-hidden />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
      </div>
      <div
        ref={scroller}
        className={style['content']}
        tabIndex={0}
        role="group"
        aria-label="Columns of the row"
      >
        <dl style={{ height: fields.getTotalSize() }} className={style['fields']}>
          {fields.getVirtualItems().map(({ index, start, key }) => (
            <div
              key={key}
              ref={fields.measureElement}
              data-index={index}
              style={{ transform: `translateY(${start}px)` }}
            >
              <Field model={model} row={row} at={at} column={columns[index] ?? 0} />
            </div>
          ))}
        </dl>
      </div>
    </>
  );
}

function Field({
  model,
  row,
  at,
  column,
}: {
  readonly model: GridModel;
  readonly row: Row;
  readonly at: number;
  readonly column: number;
}) {
  const tab = useTab();
  const nullText = useKnown(({ preferences }) => preferences.nullText);
  const described = model.columns[column];
  const value = row.cells[column] ?? null;
  const rule = row.maskOf(column) ?? described?.mask;
  const length = row.cutOf(column) ?? value?.length ?? 0;
  const text = value === null ? nullText : value.slice(0, charactersShown);
  return (
    <>
      <dt>
        <VisibleText text={described?.name ?? ''} /> <span className={style['type']}>{described?.type}</span>
      </dt>
      <dd data-null={value === null}>
        {rule === undefined ? <VisibleText text={text} lines /> : <Masked text={text} rule={rule} />}
        {length > charactersShown && (
          <button
            type="button"
            className={style['rest']}
            onClick={() => {
              model.select({ anchor: { row: at, column }, focus: { row: at, column } });
              tab.state.setState({ panel: 'value' });
            }}
          >
            all {length.toLocaleString()} characters
          </button>
        )}
      </dd>
    </>
  );
}
