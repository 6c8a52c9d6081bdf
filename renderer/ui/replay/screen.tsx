import { Text } from '@mantine/core';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { ReplayItem } from '../../../gateway-core/contract/api.js';
import type { ReplayHead } from '../../../gateway-core/contract/bridge/work.js';
import { dataText, goesIn } from '../../../gateway-core/contract/data-streams.js';
import { DecisionMark } from '../decision.js';
import { MaskedText } from '../masked.js';
import { VisibleText } from '../visible-text.js';
import { pageItems, type ReplayPages } from './pages.js';
import style from './replay.module.css';

const rowHeight = 24;
const columnCharactersMax = 48;
const cellCharactersMax = 400;

type Row = Extract<ReplayItem, { kind: 'row' }>;
type Columns = Extract<ReplayItem, { kind: 'columns' }>;

/** What stood on the client's screen at one moment: the statement, and what had come back of it by then. */
export function ReplayScreen({
  pages,
  from,
  to,
  atMs,
  statement,
}: {
  readonly pages: ReplayPages;
  readonly from: number;
  readonly to: number;
  readonly atMs: number;
  readonly statement: ReplayHead['statements'][number] | undefined;
}) {
  const count = useCountUntil(pages, from, to, atMs);
  const scroller = useRef<HTMLDivElement>(null);
  // The first item is the statement itself, which stands above.
  const first = from + 1;
  const shown = Math.max(0, count - 1);
  const rows = useVirtualizer({
    count: shown,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 20,
  });
  const visible = rows.getVirtualItems();
  const low = visible[0]?.index ?? 0;
  const high = (visible.at(-1)?.index ?? 0) + 1;
  const { items, columns, columnsFirst, widths } = useItems(
    pages,
    first,
    first + low,
    first + Math.min(high, shown),
    shown,
  );

  return (
    <div className={style['screen']}>
      {statement !== undefined && (
        <header className={style['now']}>
          <DecisionMark decision={statement.decision} bare />
          <pre>
            <VisibleText text={statement.text} />
          </pre>
        </header>
      )}
      <div
        ref={scroller}
        className={style['scroller']}
        tabIndex={0}
        role="group"
        aria-label="What the client saw"
      >
        {columns !== undefined && (
          <div className={style['columns']} style={{ gridTemplateColumns: widths }}>
            {columns.columns.map((name, index) => (
              <span key={`${index} ${name}`}>
                <VisibleText text={name} />
              </span>
            ))}
          </div>
        )}
        {/* Where the names of the columns are the first item, they stand above already. */}
        <div
          style={{
            height: rows.getTotalSize(),
            position: 'relative',
            marginTop: columnsFirst ? -rowHeight : 0,
          }}
        >
          {visible.map(({ index, start }) => {
            const item = items.get(first + index);
            return (
              <div
                key={index}
                className={style['item']}
                style={{ height: rowHeight, transform: `translateY(${start}px)` }}
              >
                {item === undefined ? null : <Item item={item} widths={widths} />}
              </div>
            );
          })}
        </div>
        {shown === 0 && (
          <Text size="sm" c="dimmed" p="md">
            Nothing had come back yet.
          </Text>
        )}
      </div>
    </div>
  );
}

/** The latest answer stays until a newer one is there: a playing replay must not flicker. */
function useCountUntil(pages: ReplayPages, from: number, to: number, atMs: number): number {
  const [count, setCount] = useState({ from, count: 1 });
  useEffect(() => {
    let gone = false;
    pages.countUntil(from, to, atMs).then(
      (found) => {
        if (!gone) setCount({ from, count: found });
      },
      () => undefined,
    );
    return () => {
      gone = true;
    };
  }, [pages, from, to, atMs]);
  return count.from === from ? count.count : 1;
}

function useItems(pages: ReplayPages, first: number, from: number, to: number, shown: number) {
  const [items, setItems] = useState<ReadonlyMap<number, ReplayItem>>(new Map());
  const [columns, setColumns] = useState<Columns>();
  const [columnsFirst, setColumnsFirst] = useState(false);
  const [sample, setSample] = useState<readonly Row[]>([]);
  useEffect(() => {
    let gone = false;
    if (to <= from) return undefined;
    pages.range(from, to).then(
      (read) => {
        if (!gone) setItems(new Map(read.map((item, index) => [from + index, item])));
      },
      () => undefined,
    );
    return () => {
      gone = true;
    };
  }, [pages, from, to]);
  const begun = shown > 0;
  useEffect(() => {
    let gone = false;
    setColumns(undefined);
    setColumnsFirst(false);
    if (!begun) return undefined;
    pages.range(first, first + pageItems).then(
      (read) => {
        if (gone) return;
        const end = read.findIndex((item) => item.kind === 'statement');
        const own = end < 0 ? read : read.slice(0, end);
        setColumns(own.find((item): item is Columns => item.kind === 'columns'));
        setColumnsFirst(own[0]?.kind === 'columns');
        setSample(own.filter((item): item is Row => item.kind === 'row').slice(0, 100));
      },
      () => undefined,
    );
    return () => {
      gone = true;
    };
  }, [pages, first, begun]);
  const widths = useMemo(() => {
    if (columns === undefined) return '1fr';
    return columns.columns
      .map((name, index) => {
        const longest = Math.max(name.length, ...sample.map(({ values }) => values[index]?.length ?? 4));
        return `${Math.min(longest, columnCharactersMax) + 3}ch`;
      })
      .join(' ');
  }, [columns, sample]);
  return { items, columns, columnsFirst, widths };
}

function Item({ item, widths }: { readonly item: ReplayItem; readonly widths: string }) {
  switch (item.kind) {
    case 'row':
      return (
        <div className={style['row']} style={{ gridTemplateColumns: widths }}>
          {item.values.map((value, index) => (
            <span key={`${index}`}>
              {value === null ? <em>NULL</em> : <MaskedText text={value.slice(0, cellCharactersMax)} />}
            </span>
          ))}
        </div>
      );
    case 'data':
      return (
        <div className={style['data']}>
          <span aria-hidden>{goesIn(item.stream) ? '→' : '←'}</span>
          <VisibleText text={dataText(item).slice(0, cellCharactersMax)} />
        </div>
      );
    case 'message':
      return (
        <div className={style['note']} data-severity={item.severity.toLowerCase()}>
          {item.severity}: <VisibleText text={item.text} />
        </div>
      );
    case 'outcome':
      return (
        <div className={style['note']} data-severity={item.error === undefined ? 'outcome' : 'error'}>
          {item.error === undefined ? (item.tag ?? item.state) : <VisibleText text={item.error} />}
          {item.rowsKept !== undefined && item.rows !== undefined && item.rowsKept < item.rows
            ? ` · ${item.rowsKept.toLocaleString()} of ${item.rows.toLocaleString()} rows were kept`
            : ''}
        </div>
      );
    case 'problem':
      return (
        <div className={style['note']} data-severity="error">
          {item.text}
        </div>
      );
    case 'end':
      return (
        <div className={style['note']} data-severity="outcome">
          The session ended{item.endCause === undefined ? '' : `: ${item.endCause}`}.
        </div>
      );
    case 'output':
      return (
        <div className={style['data']}>
          <VisibleText text={item.text.slice(0, cellCharactersMax)} />
        </div>
      );
    case 'session':
    case 'statement':
    case 'columns':
    case 'terminal':
    case 'size':
      return null;
  }
}
