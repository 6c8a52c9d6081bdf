import { createContext, useContext, useSyncExternalStore } from 'react';
import { useStore } from 'zustand';
import type { GridModel } from './grid/model.js';
import type { SqlTab, TabState } from './tab-model.js';

export const TabContext = createContext<SqlTab | undefined>(undefined);

/** The tab that a component belongs to. */
export function useTab(): SqlTab {
  const tab = useContext(TabContext);
  if (tab === undefined) throw new Error('outside of a SQL tab');
  return tab;
}

export function useTabState<T>(select: (state: TabState) => T): T {
  return useStore(useTab().state, select);
}

/** Draws again whenever the grid's model changes. */
export function useGrid(model: GridModel): void {
  useSyncExternalStore(model.subscribe, model.version);
}
