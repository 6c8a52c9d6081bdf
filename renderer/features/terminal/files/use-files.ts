import { useStore } from 'zustand';
import { useTerminal } from '../context.js';
import type { FilesState } from './model.js';

/** A part of the state of the files beside this terminal. */
export function useFiles<T>(select: (state: FilesState) => T): T {
  return useStore(useTerminal().files.state, select);
}
