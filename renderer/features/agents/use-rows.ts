import { useEffect, useMemo } from 'react';
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
  return useMemo(
    () => rowsOf(nodes, { words: wordsOf(text), onlyActive, closed, openGroups, me }),
    [nodes, text, onlyActive, closed, openGroups, me],
  );
}
