import { type ReactNode, useState } from 'react';
import { VisibleText } from '../../../ui/visible-text.js';
import style from './value.module.css';

/** Members of one object or array that are shown at once. */
const membersShown = 200;
const openDepth = 2;

/** A JSON value as a tree: objects and arrays open and close. */
export function JsonTree({ value }: { readonly value: unknown }) {
  return (
    <div className={style['tree']}>
      <Node value={value} depth={0} />
    </div>
  );
}

function Node({
  name,
  value,
  depth,
}: {
  readonly name?: string;
  readonly value: unknown;
  readonly depth: number;
}) {
  const [open, setOpen] = useState(depth < openDepth);
  const [shown, setShown] = useState(membersShown);
  const label =
    name === undefined ? null : (
      <span className={style['key']}>
        <VisibleText text={name} />:{' '}
      </span>
    );
  if (typeof value !== 'object' || value === null) {
    return (
      <div className={style['leaf']}>
        {label}
        <Leaf value={value} />
      </div>
    );
  }
  const members: [string, unknown][] = Object.entries(value);
  const isArray = Array.isArray(value);
  return (
    <div className={style['branch']}>
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
        <span aria-hidden>{open ? '▾' : '▸'}</span> {label}
        <span className={style['size']}>
          {isArray ? `[${members.length.toLocaleString()}]` : `{${members.length.toLocaleString()}}`}
        </span>
      </button>
      {open && (
        <div className={style['members']}>
          {members.slice(0, shown).map(([key, member]) => (
            <Node key={key} name={key} value={member} depth={depth + 1} />
          ))}
          {members.length > shown && (
            <button type="button" className={style['rest']} onClick={() => setShown(shown + membersShown)}>
              {(members.length - shown).toLocaleString()} more
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function Leaf({ value }: { readonly value: unknown }): ReactNode {
  if (typeof value === 'string') {
    return (
      <span data-type="string">
        "<VisibleText text={value} />"
      </span>
    );
  }
  return <span data-type={value === null ? 'null' : typeof value}>{String(value)}</span>;
}
