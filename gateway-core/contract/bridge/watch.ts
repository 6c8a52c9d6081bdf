import { z } from 'zod';
import { WatchEnd } from '../events.js';
import { SessionId } from '../ids.js';
import { WatchItem } from '../watch.js';
import { BridgeError } from './app.js';
import { type Call, call, done } from './call.js';

export const WatchKey = z.string().regex(/^wat_[a-z0-9]{1,32}$/);

/** What came since the last read. `over`: nothing more comes; `why` and `problem` say why, where that is known. */
export const WatchPiece = z.object({
  items: z.array(WatchItem),
  state: z.enum(['connecting', 'watching', 'over']),
  why: WatchEnd.optional(),
  problem: BridgeError.optional(),
});
export type WatchPiece = z.infer<typeof WatchPiece>;

/** Watching a session that runs. A part of the one map (calls.ts). */
export const watchCalls = {
  /** Whose session it is, is told. Ends by itself when nobody reads it for a while. */
  'watch.open': call('agent', z.object({ session: SessionId }).strict(), z.object({ watch: WatchKey })),
  /**
   * Waits for what comes; answers with nothing after a while, so that nothing waits for ever. One reader: what was read
   * is not given again. Of terminals only what paints; a `screen` begins one anew.
   */
  'watch.read': call('agent', z.object({ watch: WatchKey }).strict(), WatchPiece),
  'watch.close': call('agent', z.object({ watch: WatchKey }).strict(), done),
} as const satisfies Record<string, Call>;
