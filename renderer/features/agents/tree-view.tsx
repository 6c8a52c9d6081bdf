import { useVirtualizer } from '@tanstack/react-virtual';
import { type CSSProperties, useEffect, useId, useMemo, useRef } from 'react';
import style from './agents.module.css';
import { revokeAgent, revokeAll } from './revoke.js';
import { Heads, RowCells } from './row.js';
import type { Row } from './tree.js';
import { choose, setGroupOpen, setOpen, useView } from './view.js';

const rowHeight = 28;

/** What a row is chosen by: a group is chosen too, by its key. */
const keyOf = (row: Row): string => row.key;

/** The tree of who acts: arrows move and fold, Enter opens, Delete revokes, letters go to the filter. */
export function TreeView({
  rows: shown,
  compact,
  label,
  onOpen,
  onType,
}: {
  readonly rows: readonly Row[];
  readonly compact: boolean;
  readonly label: string;
  readonly onOpen: (row: Row) => void;
  readonly onType: (letter: string) => void;
}) {
  const id = useId();
  const chosen = useView((view) => view.chosen);
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 10,
    scrollPaddingStart: compact ? 0 : rowHeight,
    getItemKey: (index) => shown[index]?.key ?? index,
  });
  const at = shown.findIndex((row) => keyOf(row) === chosen);
  // Chosen from elsewhere: the palette, a line, the other view.
  useEffect(() => {
    if (at >= 0) rows.scrollToIndex(at);
    // Only when another one is chosen: rows that come above must not move what one reads.
  }, [chosen, at >= 0]);
  const levels = useMemo(() => shown.reduce((most, { depth }) => Math.max(most, depth), 0), [shown]);
  // Where the chosen one stood: when it has gone, the keys go on from there.
  const stood = useRef(-1);
  if (at >= 0) stood.current = at;
  const moveTo = (index: number) => {
    const row = shown[Math.min(Math.max(index, 0), shown.length - 1)];
    if (row !== undefined) choose(keyOf(row));
  };
  const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / rowHeight) - 2);
  const press = (key: string): boolean => {
    const row = shown[at];
    const to = {
      ArrowDown: at < 0 ? stood.current : at + 1,
      ArrowUp: (at < 0 ? stood.current : at) - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: shown.length - 1,
    }[key];
    if (to !== undefined) moveTo(to);
    else if (key === 'Escape') choose(undefined);
    else if (row === undefined) return false;
    else if (key === 'ArrowRight') {
      if (row.open === false) toggle(row);
      else if (row.open === true) moveTo(at + 1);
    } else if (key === 'ArrowLeft') {
      if (row.open === true) toggle(row);
      else if (row.depth > 0)
        moveTo(shown.findLastIndex((each, index) => index < at && each.depth < row.depth));
    } else if (key === 'Enter') onOpen(row);
    else if (key === 'Delete') void (row.kind === 'node' ? revokeAgent(row.node.id) : revokeAll(row.members));
    else return false;
    return true;
  };
  return (
    <div
      ref={scroller}
      className={style['tree']}
      data-compact={compact}
      style={{ '--levels': levels } as CSSProperties}
      role="treegrid"
      tabIndex={0}
      aria-label={label}
      aria-rowcount={shown.length + (compact ? 0 : 1)}
      aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
      onKeyDown={(event) => {
        const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
        if (!plain) return;
        if (press(event.key)) event.stopPropagation();
        else if (event.key.length === 1 && event.key !== ' ') onType(event.key);
        else return;
        event.preventDefault();
      }}
    >
      {!compact && <Heads />}
      <div role="rowgroup" style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {rows.getVirtualItems().map(({ index, start, key }) => {
          const row = shown[index];
          if (row === undefined) return null;
          return (
            <div
              key={key}
              id={`${id}-${index}`}
              role="row"
              tabIndex={-1}
              aria-rowindex={index + (compact ? 1 : 2)}
              aria-level={row.depth + 1}
              aria-posinset={row.place}
              aria-setsize={row.places}
              aria-expanded={row.open}
              aria-selected={index === at}
              data-state={row.kind === 'node' ? row.node.state : undefined}
              className={style['row']}
              style={{ height: rowHeight, transform: `translateY(${start}px)` }}
              onMouseDown={(event) => {
                if (event.button === 0) choose(keyOf(row));
              }}
              onDoubleClick={() => onOpen(row)}
            >
              <RowCells row={row} compact={compact} toggle={() => toggle(row)} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

export function toggle(row: Row): void {
  if (row.open === undefined) return;
  if (row.kind === 'group') setGroupOpen(row.key, !row.open);
  else setOpen(row.key, !row.open);
}
