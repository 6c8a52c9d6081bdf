import { create } from 'zustand';
import { on } from '../../bridge/index.js';
import { useAgents } from './store.js';
import { groupKey, indexOf, pathOf } from './tree.js';

/** What both views of the tree share: the node that is looked at, and what is folded. */
interface View {
  readonly chosen: string | undefined;
  readonly closed: ReadonlySet<string>;
  readonly openGroups: ReadonlySet<string>;
}

const untouched: View = { chosen: undefined, closed: new Set(), openGroups: new Set() };

export const useView = create<View>(() => untouched);

on('app.changed', ({ signIn }) => {
  if (signIn.state !== 'signed-in') useView.setState(untouched);
});

export const choose = (chosen: string | undefined): void => useView.setState({ chosen });

export function setOpen(id: string, open: boolean): void {
  useView.setState(({ closed }) => ({ closed: changed(closed, id, !open) }));
}

export function setGroupOpen(key: string, open: boolean): void {
  useView.setState(({ openGroups }) => ({ openGroups: changed(openGroups, key, open) }));
}

function changed(set: ReadonlySet<string>, key: string, holds: boolean): ReadonlySet<string> {
  const next = new Set(set);
  if (holds) next.add(key);
  else next.delete(key);
  return next;
}

/** Chooses a node and unfolds whatever hides it. */
export function reveal(id: string): void {
  const { nodes } = useAgents.getState();
  const path = pathOf(nodes, id);
  useView.setState(({ closed, openGroups }) => ({
    chosen: id,
    closed: new Set([...closed].filter((each) => each === id || !path.some((node) => node.id === each))),
    // Of those that are no group too: what is looked at stays in sight when it becomes one.
    openGroups: new Set([...openGroups, ...path.map(groupKey)]),
  }));
}

/** Everything folded to the people, or everything unfolded but groups. */
export function foldAll(fold: boolean): void {
  const { nodes } = useAgents.getState();
  const parents = [...indexOf(nodes).children.keys()];
  useView.setState({ closed: new Set(fold ? parents : []), openGroups: new Set() });
}
