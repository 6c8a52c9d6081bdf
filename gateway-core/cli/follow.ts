import { api } from '../agent/client/api.js';
import type { Gateway } from '../agent/client/gateway.js';
import { HarmlessOutput } from '../codec/terminal/harmless.js';
import { ThroughlineError } from '../contract/errors.js';
import type { WatchItem } from '../contract/watch.js';
import type { Context } from './context.js';
import { dim, print, printBlock, printJson } from './output.js';
import { onSignal } from './signals.js';

type ScreenItem = Extract<WatchItem, { kind: 'screen' | 'terminal' | 'size' }>;

/**
 * Shows what a running session's client sees, until either ends. One terminal has the screen at a time: the one that
 * spoke first; another takes its place when that ends. INVARIANT: as in terminal-player.ts, only what paints gets there.
 */
export async function followSession(context: Context, gateway: Gateway, session: string): Promise<number> {
  let left = false;
  for (;;) {
    const following = api.watch(gateway, session);
    const unheard = onSignal(() => {
      left = true;
      following.abort();
    });
    const screen = new FollowedScreen(context);
    let last: WatchItem | undefined;
    try {
      for await (const item of following.items) {
        last = item;
        if (context.json) printJson(context.stdout, item);
        else screen.show(item);
      }
    } finally {
      screen.leave();
      unheard();
    }
    if (left) return 0;
    // Whoever still may is let in again: every so often the sign-in is asked for anew.
    if (last?.kind === 'closed' && last.why === 'time') continue;
    return endOf(last, session);
  }
}

function endOf(last: WatchItem | undefined, session: string): number {
  const why = last?.kind === 'closed' ? last.why : 'lost';
  if (why === 'session-ended' || why === 'left') return 0;
  if (why === 'rights')
    throw new ThroughlineError('denied', 'the session may not be watched any more', {
      action: 'ask an admin: a policy or a connection was changed',
    });
  if (why === 'signed-out') throw new ThroughlineError('not-signed-in', 'the sign-in has ended');
  throw new ThroughlineError('gateway-unreachable', 'the gateway shows nothing more of it', {
    action: `try again, or see what was recorded: throughline replay ${session}`,
  });
}

class FollowedScreen {
  readonly #context: Context;
  #shown: { readonly seq: number; harmless: HarmlessOutput } | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  show(item: WatchItem): void {
    switch (item.kind) {
      case 'screen':
      case 'terminal':
      case 'size':
        return this.#paint(item);
      case 'statement':
        return this.#say(`${item.command === '' ? 'runs' : item.command} ${item.text}`, item.decision);
      case 'output':
        if (this.#shown === undefined) printBlock(this.#context.stdout, item.text);
        return;
      case 'outcome':
        if (this.#shown?.seq === item.seq) this.leave();
        return this.#say(`${item.tag ?? item.state}${item.error === undefined ? '' : `: ${item.error}`}`);
      case 'missed':
        return this.#say('something was missed: too much came at once');
      case 'end':
        this.leave();
        return this.#say(`the session ended: ${item.endCause}`);
      case 'beat':
      case 'closed':
        return;
    }
  }

  leave(): void {
    if (this.#shown !== undefined) this.#context.stdout.write(this.#shown.harmless.restore());
    this.#shown = undefined;
  }

  #paint(item: ScreenItem): void {
    const { stdout } = this.#context;
    if (this.#shown !== undefined && this.#shown.seq !== item.seq) return;
    if (item.kind === 'screen') {
      this.leave();
      print(stdout, dim(`  a terminal of ${item.columns} columns and ${item.rows} rows`));
      if (!item.whole) print(stdout, dim('  what it showed before may be missing'));
      this.#shown = { seq: item.seq, harmless: new HarmlessOutput() };
      stdout.write('\x1b[2J\x1b[H');
    }
    if (item.kind !== 'size' && this.#shown !== undefined) stdout.write(this.#shown.harmless.push(item.data));
  }

  /** While a terminal has the screen, nothing is said over it. */
  #say(text: string, more?: string): void {
    if (this.#shown === undefined)
      print(this.#context.stdout, dim(`  ${text}${more === undefined ? '' : ` (${more})`}`));
  }
}
