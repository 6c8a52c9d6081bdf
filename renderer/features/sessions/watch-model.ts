import type { Terminal } from '@xterm/xterm';
import { create, type StoreApi, type UseBoundStore } from 'zustand';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import type { WatchItem } from '../../../gateway-core/contract/watch.js';
import { call, failureOf } from '../../bridge/index.js';
import { readOnlyTerminal } from '../../ui/replay/read-only-terminal.js';

/** What one statement shows: a terminal, or the output of a program without one. */
export interface Shown {
  readonly seq: number;
  readonly text: string;
  readonly kind: 'terminal' | 'output';
  /** False where output before it was left out. */
  readonly whole: boolean;
  readonly output: string;
  readonly outcome: string | undefined;
}

export interface WatchState {
  readonly state: 'connecting' | 'watching' | 'over';
  readonly ended: boolean;
  readonly problem: BridgeError | undefined;
  readonly why: string | undefined;
  /** How often something was missed. */
  readonly missed: number;
  readonly shown: ReadonlyMap<number, Shown>;
  /** The one that began last, unless the person chose another. */
  readonly chosen: number | undefined;
}

const outputCharactersMax = 100_000;
const shownMax = 20;

/** One watch, from opening to closing: reads on as long as it is open, and paints. */
export class WatchModel {
  readonly use: UseBoundStore<StoreApi<WatchState>> = create<WatchState>(() => ({
    state: 'connecting',
    ended: false,
    problem: undefined,
    why: undefined,
    missed: 0,
    shown: new Map(),
    chosen: undefined,
  }));
  readonly #session: SessionId;
  readonly #terminals = new Map<number, Terminal>();
  readonly #texts = new Map<number, string>();
  #watch: string | undefined;
  #closed = false;
  #picked = false;

  constructor(session: SessionId) {
    this.#session = session;
    void this.#run();
  }

  terminal(seq: number): Terminal | undefined {
    return this.#terminals.get(seq);
  }

  choose(seq: number): void {
    this.#picked = true;
    this.use.setState({ chosen: seq });
  }

  close(): void {
    this.#closed = true;
    if (this.#watch !== undefined) void call('watch.close', { watch: this.#watch }).catch(() => undefined);
    for (const terminal of this.#terminals.values()) terminal.dispose();
    this.#terminals.clear();
  }

  async #run(): Promise<void> {
    try {
      const { watch } = await call('watch.open', { session: this.#session });
      this.#watch = watch;
      if (this.#closed) return this.close();
      while (!this.#closed) {
        const piece = await call('watch.read', { watch });
        if (this.#closed) return;
        for (const item of piece.items) await this.#add(item);
        const { state, why, problem } = piece;
        this.use.setState({ state, why, problem });
        if (state === 'over') return;
      }
    } catch (cause) {
      if (!this.#closed) this.use.setState({ state: 'over', problem: failureOf(cause) });
    }
  }

  async #add(item: WatchItem): Promise<void> {
    switch (item.kind) {
      case 'statement':
        this.#texts.set(item.seq, item.text);
        return;
      case 'screen': {
        const terminal = this.#terminals.get(item.seq) ?? readOnlyTerminal();
        this.#terminals.set(item.seq, terminal);
        terminal.reset();
        terminal.resize(item.columns, item.rows);
        this.#show(item.seq, { kind: 'terminal', whole: item.whole });
        return this.#paint(terminal, item.data);
      }
      case 'size':
        this.#terminals.get(item.seq)?.resize(item.columns, item.rows);
        return;
      case 'terminal': {
        const terminal = this.#terminals.get(item.seq);
        return terminal === undefined ? undefined : this.#paint(terminal, item.data);
      }
      case 'output': {
        const before = this.use.getState().shown.get(item.seq)?.output ?? '';
        const output = `${before}${item.cut ? '\n[…]\n' : ''}${item.text}`.slice(-outputCharactersMax);
        this.#show(item.seq, { kind: 'output', output });
        return;
      }
      case 'outcome':
        this.#texts.delete(item.seq);
        if (this.use.getState().shown.has(item.seq))
          this.#show(item.seq, { outcome: item.tag ?? item.state });
        return;
      case 'missed':
        this.use.setState(({ missed }) => ({ missed: missed + 1 }));
        return;
      case 'end':
        this.use.setState({ ended: true });
        return;
      case 'beat':
      case 'closed':
        return;
    }
  }

  /** Waits until it is on the screen: what a slow window does not take, is not fetched either. */
  #paint(terminal: Terminal, data: string): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) resolve();
      else terminal.write(data, resolve);
    });
  }

  #show(seq: number, change: Partial<Shown>): void {
    this.use.setState(({ shown, chosen }) => {
      const known = shown.get(seq);
      const text = this.#texts.get(seq) ?? '';
      const base: Shown = known ?? {
        seq,
        text,
        kind: 'terminal',
        whole: true,
        output: '',
        outcome: undefined,
      };
      const next = new Map(shown).set(seq, { ...base, ...change });
      const latest = known === undefined && !this.#picked ? seq : chosen;
      this.#forget(next, latest);
      return { shown: next, chosen: latest };
    });
  }

  /** Those that are over make room, the oldest first. */
  #forget(shown: Map<number, Shown>, chosen: number | undefined): void {
    for (const [seq, { outcome }] of shown) {
      if (shown.size <= shownMax) return;
      if (outcome === undefined || seq === chosen) continue;
      shown.delete(seq);
      this.#terminals.get(seq)?.dispose();
      this.#terminals.delete(seq);
    }
  }
}
