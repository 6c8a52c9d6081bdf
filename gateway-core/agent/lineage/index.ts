import { openAttribution } from './attribute.js';
import { openProc } from './proc.js';

export type { Attribution, Unattributed } from './attribute.js';
export { isWithin, type ProcessFacts, type ProcessId } from './facts.js';
export { type ProcessEvidence, self } from './self.js';
export { type ProcessWatch, watchProcess } from './watch.js';

/** Which process is at the other end of an accepted, paused loopback socket. Never rejects. */
export const attribute = openAttribution({ proc: openProc(), hints: () => [] });
