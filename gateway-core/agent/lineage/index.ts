import { openAttribution } from './attribute.js';
import { openProc } from './proc.js';
import { openTreeWatches } from './subtree.js';

export { endProcesses, startedBy } from './ending.js';
export { recognise } from './programs.js';
export { self } from './self.js';
export { becomeSubreaper } from './subreaper.js';
export { isWithin } from './subtree.js';
export { watchProcess } from './watch.js';

const proc = openProc();
const trees = openTreeWatches(proc);

/** The live list of the processes below a root, itself included, looked at four times a second. Linux; else empty. */
export const watchTree = trees.watch;

/** Which process is at the other end of an accepted, paused loopback socket. Never rejects. */
export const attribute = openAttribution({ proc, hints: trees.pids });
