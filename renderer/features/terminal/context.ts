import { createContext, useContext } from 'react';
import { useStore } from 'zustand';
import type { TabState, TerminalTab } from './tab-model.js';

export const TerminalContext = createContext<TerminalTab | undefined>(undefined);

/** The terminal that a component belongs to. */
export function useTerminal(): TerminalTab {
  const tab = useContext(TerminalContext);
  if (tab === undefined) throw new Error('outside of a terminal');
  return tab;
}

export function useTerminalState<T>(select: (state: TabState) => T): T {
  return useStore(useTerminal().state, select);
}
