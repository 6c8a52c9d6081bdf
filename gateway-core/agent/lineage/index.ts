import { openAttribution } from './attribute.js';
import { openProc } from './proc.js';
import { openTreeWatches } from './subtree.js';

export type { Attribution, Unattributed } from './attribute.js';
export type { ProcessFacts, ProcessId } from './facts.js';
export { type AgentProgram, recognise } from './programs.js';
export { type ProcessEvidence, self } from './self.js';
export { becomeSubreaper, type Subreaper } from './subreaper.js';
export { isWithin, type TreeEvent, type TreeWatch } from './subtree.js';
export { type ProcessWatch, watchProcess } from './watch.js';

const proc = openProc();
const trees = openTreeWatches(proc);

/** The live list of the processes below a root, itself included, looked at four times a second. Linux; else empty. */
export const watchTree = trees.watch;

/** Which process is at the other end of an accepted, paused loopback socket. Never rejects. */
export const attribute = openAttribution({ proc, hints: trees.pids });
