import { useEffect, useMemo, useRef } from 'react';
import { signedIn, useKnown } from '../../ui/app-state.js';
import { readAgents, useAgents } from './store.js';
import { type Row, rowsOf, wordsOf } from './tree.js';
import { useView } from './view.js';

/** The rows of a view, read on the first use. */
export function useRows(text: string, onlyActive: boolean): readonly Row[] {
  const nodes = useAgents((state) => state.nodes);
  const closed = useView((view) => view.closed);
  const openGroups = useView((view) => view.openGroups);
  const me = useKnown(({ app }) => signedIn(app)?.principal);
  useEffect(() => {
    if (useAgents.getState().state === 'unread') void readAgents();
  }, []);
  const groups = useRef<{ readonly text: string; readonly keys: ReadonlySet<string> }>(undefined);
  const rows = useMemo(() => {
    const words = wordsOf(text);
    // Of another filter nothing is kept: a few that match are not hidden in a group.
    const groupsBefore = groups.current?.text === text ? groups.current.keys : new Set<string>();
    return rowsOf(nodes, { words, onlyActive, closed, openGroups, groupsBefore, me });
  }, [nodes, text, onlyActive, closed, openGroups, me]);
  useEffect(() => {
    const keys = rows.flatMap(({ kind, key }) => (kind === 'group' ? [key] : []));
    groups.current = { text, keys: new Set(keys) };
  }, [rows, text]);
  return rows;
}
