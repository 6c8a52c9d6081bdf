import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { HarmlessOutput } from '../../codec/terminal/harmless.js';
import type { BridgeError } from '../../contract/bridge/app.js';
import type { Handlers } from '../../contract/bridge/calls.js';
import type { WatchPiece } from '../../contract/bridge/watch.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { WatchEnd } from '../../contract/events.js';
import type { WatchItem } from '../../contract/watch.js';
import type { Following } from '../client/gateway.js';
import { toBridgeError } from './failure.js';
import { serviceLimits } from './limits.js';

export interface WatchingOptions {
  readonly follow: (session: string) => Following<WatchItem>;
  /** A call turned out to be refused: a sign-in that has ended is noticed. */
  readonly failed: (error: unknown) => unknown;
}

type WatchCalls = Pick<Handlers<'agent'>, 'watch.open' | 'watch.read' | 'watch.close'>;

/** Sessions that this person watches. Each is read as fast as its window takes it, and no faster. */
export class Watching {
  readonly #options: WatchingOptions;
  readonly #watches = new Map<string, Watch>();

  constructor(options: WatchingOptions) {
    this.#options = options;
  }

  readonly handlers: WatchCalls = {
    'watch.open': async ({ session }) => {
      if (this.#watches.size >= serviceLimits.watchesMax)
        throw new ThroughlineError('rate-limited', `you watch ${serviceLimits.watchesMax} sessions already`, {
          action: 'stop watching some of them',
        });
      const watch = `wat_${randomBytes(8).toString('hex')}`;
      const one = new Watch(
        () => this.#options.follow(session),
        this.#options.failed,
        () => this.#watches.delete(watch),
      );
      this.#watches.set(watch, one);
      return Promise.resolve({ watch });
    },
    'watch.read': async ({ watch }) => this.#of(watch).read(),
    'watch.close': ({ watch }) => {
      this.#watches.get(watch)?.close();
      this.#watches.delete(watch);
      return Promise.resolve({});
    },
  };

  closeAll(): void {
    for (const watch of this.#watches.values()) watch.close();
    this.#watches.clear();
  }

  #of(key: string): Watch {
    const watch = this.#watches.get(key);
    if (watch !== undefined) return watch;
    throw new ThroughlineError('not-found', 'this is not watched any more', { action: 'watch it again' });
  }
}

class Watch {
  readonly #follow: () => Following<WatchItem>;
  readonly #failed: (error: unknown) => unknown;
  readonly #gone: () => void;
  readonly #harmless = new Map<number, HarmlessOutput>();
  #items: WatchItem[] = [];
  #characters = 0;
  #state: WatchPiece['state'] = 'connecting';
  #why: WatchEnd | undefined;
  #problem: BridgeError | undefined;
  #following: Following<WatchItem> | undefined;
  #closed = false;
  /** Somebody waits for items, or for room for more. */
  #changed: (() => void) | undefined;
  #taken: (() => void) | undefined;
  #unread: NodeJS.Timeout | undefined;

  constructor(follow: () => Following<WatchItem>, failed: (error: unknown) => unknown, gone: () => void) {
    this.#follow = follow;
    this.#failed = failed;
    this.#gone = gone;
    this.#expectReader();
    void this.#run();
  }

  async read(): Promise<WatchPiece> {
    clearTimeout(this.#unread);
    if (this.#items.length === 0 && this.#state !== 'over') await this.#wait();
    this.#expectReader();
    const items = this.#items;
    this.#items = [];
    this.#characters = 0;
    this.#taken?.();
    return {
      items,
      state: this.#state,
      ...(this.#why === undefined ? {} : { why: this.#why }),
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    };
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#unread);
    this.#following?.abort();
    this.#taken?.();
    this.#changed?.();
  }

  /** A window that is gone says nothing: whoever is watched would be told of a watcher who sees nothing. */
  #expectReader(): void {
    clearTimeout(this.#unread);
    this.#unread = setTimeout(() => {
      this.close();
      this.#gone();
    }, serviceLimits.watchUnreadMs);
    this.#unread.unref();
  }

  /** Until something changed, or for a while. A second reader takes the place of the first, which gets nothing. */
  async #wait(): Promise<void> {
    this.#changed?.();
    const waiting = new AbortController();
    this.#changed = () => waiting.abort();
    await sleep(serviceLimits.watchReadMs, undefined, { signal: waiting.signal }).catch(() => undefined);
  }

  async #run(): Promise<void> {
    let delayMs: number = serviceLimits.retryDelayMs;
    while (!this.#closed && this.#state !== 'over') {
      try {
        if (await this.#once()) delayMs = serviceLimits.retryDelayMs;
      } catch (error) {
        this.#failed(error);
        if (!isPassing(error)) return this.#over(undefined, toBridgeError(error));
        this.#set('connecting', toBridgeError(error));
      }
      if (this.#closed || this.#isOver()) return;
      await sleep(delayMs, undefined, { ref: false });
      delayMs = Math.min(delayMs * 2, serviceLimits.retryDelayMsMax);
    }
  }

  /** One connection; whether anything came. A silent gateway is one that is gone. */
  async #once(): Promise<boolean> {
    const following = this.#follow();
    this.#following = following;
    let came = false;
    let timer: NodeJS.Timeout | undefined;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => following.abort(), serviceLimits.beatSilenceMsMax);
    };
    try {
      heard();
      for await (const item of following.items) {
        if (this.#closed) return came;
        heard();
        came = true;
        if (item.kind === 'closed') {
          if (item.why !== 'time') this.#over(item.why);
          return came;
        }
        this.#set('watching', undefined);
        this.#add(item);
        // What the window does not take, the gateway keeps, drops when it is too much, and says so.
        if (this.#characters > serviceLimits.watchCharactersMax) {
          clearTimeout(timer);
          await new Promise<void>((resolve) => {
            this.#taken = resolve;
          });
          this.#taken = undefined;
          heard();
        }
      }
      this.#set('connecting', undefined);
      return came;
    } finally {
      clearTimeout(timer);
      following.abort();
    }
  }

  #add(item: WatchItem): void {
    const shown = this.#paintingOnly(item);
    if (shown === undefined) return;
    this.#items.push(shown);
    this.#characters += 'data' in shown ? shown.data.length : 'text' in shown ? shown.text.length : 50;
    this.#changed?.();
  }

  /** INVARIANT: of what a terminal was sent, only what paints reaches a window. */
  #paintingOnly(item: WatchItem): WatchItem | undefined {
    if (item.kind === 'beat') return undefined;
    if (item.kind === 'outcome') this.#harmless.delete(item.seq);
    if (item.kind === 'screen') this.#harmless.set(item.seq, new HarmlessOutput());
    if (item.kind !== 'screen' && item.kind !== 'terminal') return item;
    const harmless = this.#harmless.get(item.seq);
    // Without a picture before it there is nothing to paint on.
    return harmless === undefined ? undefined : { ...item, data: harmless.push(item.data) };
  }

  #set(state: 'connecting' | 'watching', problem: BridgeError | undefined): void {
    if (this.#state === state && this.#problem?.code === problem?.code) return;
    this.#state = state;
    this.#problem = problem;
    this.#changed?.();
  }

  #over(why: WatchEnd | undefined, problem?: BridgeError): void {
    this.#state = 'over';
    this.#why = why;
    this.#problem = problem;
    this.#changed?.();
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }
}

/** The gateway is away, or has too much to do: what is tried again by itself. */
function isPassing(error: unknown): boolean {
  return error instanceof ThroughlineError && ['gateway-unreachable', 'busy'].includes(error.code);
}
