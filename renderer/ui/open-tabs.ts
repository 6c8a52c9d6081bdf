import { on, watchLink } from '../bridge/index.js';

/** Docking a tab elsewhere takes its view away and makes a new one: only what stays away is gone. */
const leaveDelayMs = 1000;

/** What a tab keeps beside its view. */
interface TabModel {
  /** The person closes it: nothing waits for it to come back. */
  readonly closing: boolean;
  leave(): void;
  /** What was told while the page heard nothing is asked for again. */
  resync(): Promise<void>;
}

/** The open tabs of one kind, by their id. */
export class OpenTabs<T extends TabModel> {
  readonly #tabs = new Map<string, { readonly tab: T; users: number }>();

  constructor() {
    const resync = (): void => this.each((tab) => void tab.resync());
    on('resync', resync);
    let lost = false;
    watchLink((link) => {
      if (link === 'lost') lost = true;
      else if (link === 'connected' && lost) {
        lost = false;
        resync();
      }
    });
  }

  /** The tab's model; made when it is asked for first. */
  get(id: string, make: () => T): T {
    const known = this.#tabs.get(id);
    if (known !== undefined) return known.tab;
    const tab = make();
    this.#tabs.set(id, { tab, users: 0 });
    return tab;
  }

  find(id: string): T | undefined {
    return this.#tabs.get(id)?.tab;
  }

  all(): T[] {
    return [...this.#tabs.values()].map(({ tab }) => tab);
  }

  each(what: (tab: T) => void): void {
    for (const { tab } of this.#tabs.values()) what(tab);
  }

  /** Keeps a tab's model while a view of it is there; returns how to let it go. */
  hold(id: string): () => void {
    const known = this.#tabs.get(id);
    if (known === undefined) return () => undefined;
    known.users += 1;
    return () => {
      known.users -= 1;
      setTimeout(
        () => {
          if (known.users > 0 || this.#tabs.get(id) !== known) return;
          this.#tabs.delete(id);
          known.tab.leave();
        },
        known.tab.closing ? 0 : leaveDelayMs,
      );
    };
  }
}
