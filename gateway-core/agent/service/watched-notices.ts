import type { SessionView } from '../../contract/api.js';
import type { Emit } from './emit.js';
import { serviceLimits } from './limits.js';
import { Once } from './once.js';

/**
 * Tells the person when somebody begins to watch a session of theirs, whichever program it is of: also with the window
 * closed, and where a program's own output must not be spoken over. Each watch is told once.
 */
export class WatchedNotices {
  readonly #emit: Emit;
  readonly #told = new Once(serviceLimits.endingsKeptMax);

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  heard({ id, principal, connection, chain, watchers = [] }: SessionView, own: string | undefined): void {
    if (principal !== own) return;
    for (const { name, principal: by, since } of watchers) {
      if (!this.#told.isFirst(`${id} ${by} ${since}`)) continue;
      this.#emit('notice', {
        level: 'warning',
        title: `${name} watches your session on ${connection}`.slice(0, 200),
        text: `${chain.map((hop) => hop.name).join(' › ')}: what it shows is seen by ${name}, as it is recorded.`.slice(
          0,
          2000,
        ),
        session: id,
      });
    }
  }
}
