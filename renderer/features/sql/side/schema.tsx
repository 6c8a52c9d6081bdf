import { Menu, TextInput } from '@mantine/core';
import { IconChevronDown, IconChevronRight, IconKey, IconRefresh, IconSearch } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import type { SchemaColumn, SchemaObject } from '../../../../gateway-core/contract/bridge/sql.js';
import { EmptyState } from '../../../ui/empty-state.js';
import { ErrorState } from '../../../ui/error-state.js';
import { Masked } from '../../../ui/masked.js';
import { MenuAt } from '../../../ui/menu-at.js';
import { Skeleton } from '../../../ui/skeleton.js';
import { VirtualList } from '../../../ui/virtual-list.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { workbench } from '../../../ui/workbench.js';
import { catalogOf, readColumns, readSchema, useCatalogs } from '../catalogs.js';
import { useTab, useTabState } from '../context.js';
import { written } from '../text/words.js';
import { Tool } from '../toolbar.js';
import style from './side.module.css';

type Line =
  | { readonly kind: 'object'; readonly key: string; readonly object: SchemaObject; readonly open: boolean }
  | {
      readonly kind: 'column';
      readonly key: string;
      readonly column: SchemaColumn;
      readonly object: SchemaObject;
    }
  | { readonly kind: 'waiting'; readonly key: string };

/** The server's own: there when one looks for them by name, not in the way otherwise. */
const isSystem = (schema: string): boolean => schema.startsWith('pg_') || schema === 'information_schema';

const keyOf = ({ schema, name }: SchemaObject): string => `${schema}.${name}`;

/** The tables of the connection, with their columns. */
export function SchemaPanel() {
  const tab = useTab();
  const connection = useTabState((state) => state.connection);
  const known = useCatalogs((state) => state.known.get(connection));
  const [wanted, setWanted] = useState('');
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [menu, setMenu] = useState<{
    readonly object: SchemaObject;
    readonly x: number;
    readonly y: number;
  }>();
  const lines = useMemo(
    () => linesOf(connection, known?.schema?.objects ?? [], wanted, open),
    [connection, known, wanted, open],
  );
  const own = useMemo(
    () =>
      (known?.schema?.objects ?? []).filter(({ kind, schema }) => kind !== 'sequence' && !isSystem(schema))
        .length,
    [known],
  );
  const toggle = (object: SchemaObject) => {
    const next = new Set(open);
    if (!next.delete(keyOf(object))) {
      next.add(keyOf(object));
      void readColumns(connection, [object]);
    }
    setOpen(next);
  };
  if (known?.problem !== undefined && known.schema === undefined) {
    return <ErrorState error={known.problem} retry={() => void readSchema(connection, true)} />;
  }
  if (known?.schema === undefined) {
    if (known?.reading === true) return <Skeleton label="Reading the schema" />;
    return <EmptyState icon={IconSearch} title="Tables appear once this tab is connected" />;
  }
  return (
    <>
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow'] ?? ''}
          placeholder={`Filter ${own.toLocaleString()} tables and views`}
          aria-label="Filter tables"
          leftSection={<IconSearch size={13} aria-hidden />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
        <Tool
          label="Read the schema again"
          icon={IconRefresh}
          disabled={known.reading}
          run={() => void readSchema(connection, true)}
        />
      </div>
      {known.schema.cut && <p className={style['note']}>There are more tables than are read.</p>}
      <VirtualList
        label="Tables"
        items={lines}
        rowHeight={24}
        keyOf={({ key }) => key}
        textOf={(line) =>
          line.kind === 'object' ? line.object.name : line.kind === 'column' ? line.column.name : ''
        }
        onOpen={(line) => {
          if (line.kind === 'object') toggle(line.object);
          else if (line.kind === 'column') tab.editor?.insert(written(line.column.name));
        }}
        onMenu={(line, at) => {
          if (line.kind !== 'waiting') setMenu({ object: line.object, ...at });
        }}
        empty="No table matches."
        render={(line) => <LineView line={line} toggle={toggle} />}
      />
      <p className={style['note']}>Enter opens a table or inserts a column; the menu key offers more.</p>
      {menu !== undefined && (
        <ObjectMenu {...menu} connection={connection} close={() => setMenu(undefined)} />
      )}
    </>
  );
}

function linesOf(
  connection: string,
  objects: readonly SchemaObject[],
  wanted: string,
  open: ReadonlySet<string>,
): Line[] {
  const text = wanted.trim().toLowerCase();
  const catalog = catalogOf(connection);
  return objects
    .filter(
      ({ schema, name, kind }) =>
        kind !== 'sequence' &&
        (text !== '' || !isSystem(schema)) &&
        `${schema}.${name}`.toLowerCase().includes(text),
    )
    .flatMap((object): Line[] => {
      const key = keyOf(object);
      const head: Line = { kind: 'object', key, object, open: open.has(key) };
      if (!open.has(key)) return [head];
      const columns = catalog?.columns(object);
      if (columns === undefined) return [head, { kind: 'waiting', key: `${key} ...` }];
      return [
        head,
        ...columns.map((column): Line => ({ kind: 'column', key: `${key} ${column.name}`, column, object })),
      ];
    });
}

function LineView({
  line,
  toggle,
}: {
  readonly line: Line;
  readonly toggle: (object: SchemaObject) => void;
}) {
  if (line.kind === 'waiting') return <span className={style['column']}>reading…</span>;
  if (line.kind === 'object') {
    const { schema, name, kind, rows } = line.object;
    const Sign = line.open ? IconChevronDown : IconChevronRight;
    return (
      <span className={style['object']}>
        <span className={style['chevron']} onClick={() => toggle(line.object)}>
          <Sign size={14} aria-hidden />
        </span>
        <span className={style['name']}>
          {schema !== 'public' && (
            <span className={style['dim']}>
              <VisibleText text={`${schema}.`} />
            </span>
          )}
          <VisibleText text={name} />
        </span>
        <span className={style['dim']}>
          {kind === 'table' ? '' : kind.replace('-', ' ')}{' '}
          {rows !== undefined && rows >= 0 ? `~${compact.format(rows)}` : ''}
        </span>
      </span>
    );
  }
  const { name, type, primaryKey, references, mask } = line.column;
  return (
    <span className={style['column']}>
      {primaryKey && <IconKey size={12} aria-label="primary key" />}
      <span className={style['name']}>
        {mask === undefined ? <VisibleText text={name} /> : <Masked text={name} rule={mask} />}
      </span>
      <span
        className={style['dim']}
        title={references === undefined ? undefined : `references ${references}`}
      >
        <VisibleText text={type} />
        {references !== undefined && ' →'}
      </span>
    </span>
  );
}

const compact = new Intl.NumberFormat(undefined, { notation: 'compact', maximumFractionDigits: 1 });

function ObjectMenu({
  object,
  connection,
  x,
  y,
  close,
}: {
  readonly object: SchemaObject;
  readonly connection: string;
  readonly x: number;
  readonly y: number;
  readonly close: () => void;
}) {
  const tab = useTab();
  const name =
    object.schema === 'public' ? written(object.name) : `${written(object.schema)}.${written(object.name)}`;
  const select = `select * from ${name} limit 100;`;
  return (
    <MenuAt at={{ x, y }} close={close}>
      <Menu.Item onClick={() => void tab.runPiece({ text: select, start: -1 })}>Show 100 rows</Menu.Item>
      <Menu.Item onClick={() => workbench().openTab('sql', { connection, text: select })}>
        Query in a new tab
      </Menu.Item>
      <Menu.Divider />
      <Menu.Item onClick={() => tab.editor?.insert(name)}>Insert the name</Menu.Item>
      <Menu.Item onClick={() => void navigator.clipboard.writeText(name)}>Copy the name</Menu.Item>
    </MenuAt>
  );
}
