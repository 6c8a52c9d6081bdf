import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useId, useRef, useState } from 'react';

/** Between two letters of one typed word. */
const typingMs = 700;

/** A list of any length: arrows, Home, End, first letters, Enter. It keeps its place when items come and go. */
export function VirtualList<T>({
  label,
  items,
  rowHeight,
  keyOf,
  textOf,
  render,
  onOpen,
  onMenu,
  onChoose,
  empty,
}: {
  readonly label: string;
  readonly items: readonly T[];
  readonly rowHeight: number;
  readonly keyOf: (item: T) => string;
  readonly textOf: (item: T) => string;
  readonly render: (item: T, chosen: boolean) => ReactNode;
  readonly onOpen: (item: T) => void;
  readonly onMenu?: (item: T, at: { readonly x: number; readonly y: number }) => void;
  readonly onChoose?: (item: T) => void;
  readonly empty?: string;
}) {
  const id = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const typed = useRef({ text: '', atMs: 0 });
  const [chosen, setChosen] = useState<string>();
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    getItemKey: (index) => {
      const item = items[index];
      return item === undefined ? index : keyOf(item);
    },
  });
  // The zoom of the app changes how high a row is.
  useEffect(() => rows.measure(), [rows, rowHeight]);
  const at = items.findIndex((item) => keyOf(item) === chosen);
  const choose = (index: number) => {
    const place = Math.min(Math.max(index, 0), items.length - 1);
    const item = items[place];
    if (item === undefined) return;
    setChosen(keyOf(item));
    onChoose?.(item);
    rows.scrollToIndex(place);
  };
  const type = (letter: string) => {
    const now = Date.now();
    const text = (now - typed.current.atMs < typingMs ? typed.current.text : '') + letter.toLowerCase();
    typed.current = { text, atMs: now };
    const from = Math.max(at, 0) + (text.length === 1 ? 1 : 0);
    const order = [...items.keys()].map((index) => (index + from) % items.length);
    const found = order.find((index) => {
      const item = items[index];
      return item !== undefined && textOf(item).toLowerCase().startsWith(text);
    });
    if (found !== undefined) choose(found);
  };
  const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / rowHeight) - 1);
  return (
    <div
      ref={scroller}
      className="tl-list"
      role="listbox"
      tabIndex={0}
      aria-label={label}
      aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
      onKeyDown={(event) => {
        const to = {
          ArrowDown: at + 1,
          ArrowUp: at < 0 ? 0 : at - 1,
          PageDown: at + page,
          PageUp: at - page,
          Home: 0,
          End: items.length - 1,
        }[event.key];
        const item = items[at];
        if (to !== undefined) choose(to);
        else if (event.key === 'Enter' && item !== undefined) onOpen(item);
        else if (
          (event.key === 'ContextMenu' || (event.key === 'F10' && event.shiftKey)) &&
          item !== undefined
        ) {
          const box = document.getElementById(`${id}-${at}`)?.getBoundingClientRect();
          onMenu?.(item, { x: (box?.left ?? 0) + 24, y: box?.bottom ?? 0 });
        } else if (event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey)
          type(event.key);
        else return;
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {items.length === 0 && empty !== undefined && <p className="tl-list-empty">{empty}</p>}
      <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
        {rows.getVirtualItems().map(({ index, start, key }) => {
          const item = items[index];
          if (item === undefined) return null;
          return (
            <div
              key={key}
              id={`${id}-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === at}
              aria-posinset={index + 1}
              aria-setsize={items.length}
              className="tl-list-row"
              style={{ height: rowHeight, transform: `translateY(${start}px)` }}
              onMouseDown={(event) => {
                if (event.button === 0) choose(index);
              }}
              onDoubleClick={() => onOpen(item)}
              onContextMenu={(event) => {
                if (onMenu === undefined) return;
                event.preventDefault();
                choose(index);
                onMenu(item, { x: event.clientX, y: event.clientY });
              }}
            >
              {render(item, index === at)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
