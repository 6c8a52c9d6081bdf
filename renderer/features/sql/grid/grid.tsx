import { type Ref, useEffect, useId, useImperativeHandle, useRef, useState } from 'react';
import { useKnown } from '../../../ui/app-state.js';
import { copySelection } from './clipboard.js';
import style from './grid.module.css';
import { CellMenu, HeaderMenu } from './menus.js';
import type { GridModel } from './model.js';
import { GridView } from './view.js';

export interface GridHandle {
  focus(): void;
}

export type Menu =
  | { readonly of: 'cell'; readonly x: number; readonly y: number }
  | { readonly of: 'header'; readonly column: number; readonly x: number; readonly y: number };

/** The grid as a component: React gives it a place and its menus, everything else it paints itself. */
export function Grid({
  ref,
  model,
  label,
  onActivate,
  onFind,
  onExport,
}: {
  readonly ref: Ref<GridHandle>;
  readonly model: GridModel;
  readonly label: string;
  readonly onActivate: () => void;
  readonly onFind: () => void;
  readonly onExport: () => void;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const view = useRef<GridView>(undefined);
  const [menu, setMenu] = useState<Menu>();
  const nullText = useKnown(({ preferences }) => preferences.nullText);
  const events = useRef({ onActivate, onFind, onExport });
  events.current = { onActivate, onFind, onExport };
  const hint = useId();
  useEffect(() => {
    if (scroller.current === null) return undefined;
    const made = new GridView(scroller.current, model, {
      activate: () => events.current.onActivate(),
      find: () => events.current.onFind(),
      menu: (x, y) => setMenu({ of: 'cell', x, y }),
      headerMenu: (column, x, y) => setMenu({ of: 'header', column, x, y }),
      copy: (withHeader) =>
        void copySelection(model, withHeader ? 'tsv-header' : 'tsv', () => events.current.onExport()),
    });
    view.current = made;
    return () => {
      made.destroy();
      view.current = undefined;
    };
  }, [model]);
  useEffect(() => {
    if (view.current !== undefined) view.current.nullText = nullText;
  }, [nullText, model]);
  useImperativeHandle(ref, () => ({ focus: () => view.current?.focus() }), []);
  const close = () => {
    setMenu(undefined);
    view.current?.focus();
  };
  return (
    <>
      <div
        ref={scroller}
        className={style['grid']}
        role="grid"
        tabIndex={0}
        aria-label={label}
        aria-describedby={hint}
        aria-multiselectable
        aria-readonly
      />
      <span id={hint} hidden>
        Enter shows the value, Shift and arrows select, the menu key offers more.
      </span>
      {menu?.of === 'cell' && (
        <CellMenu
          model={model}
          at={menu}
          close={close}
          activate={onActivate}
          exportAll={onExport}
          filterColumn={(column) => view.current?.focusFilter(column)}
        />
      )}
      {menu?.of === 'header' && (
        <HeaderMenu
          model={model}
          at={menu}
          close={close}
          filterColumn={(column) => view.current?.focusFilter(column)}
        />
      )}
    </>
  );
}
