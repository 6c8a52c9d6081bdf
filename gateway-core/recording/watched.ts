import type { AuditEvent } from '../contract/events.js';
import { type PastWatcher, watcherName } from '../contract/watch.js';

/** Most that are told of one session; the log has them all. */
const watchersMax = 200;

/** Who has watched a session, as its recording has it. Who only watched what was their own is nobody's news. */
export class WatchedList {
  readonly #watches = new Map<string, PastWatcher>();

  add(event: AuditEvent): void {
    if (event.kind === 'session.watched' && event.told && this.#watches.size < watchersMax)
      this.#watches.set(event.watch, {
        principal: event.by[0].id,
        name: watcherName(event.by),
        since: event.at,
      });
    if (event.kind !== 'session.unwatched') return;
    const watch = this.#watches.get(event.watch);
    if (watch !== undefined) watch.until = event.at;
  }

  /** In the order in which they began. */
  views(): PastWatcher[] {
    return [...this.#watches.values()];
  }
}
