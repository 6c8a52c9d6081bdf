import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Following } from '../../../../gateway-core/agent/client/gateway.js';
import { serviceLimits } from '../../../../gateway-core/agent/service/limits.js';
import { Watching } from '../../../../gateway-core/agent/service/watching.js';
import type { WatchPiece } from '../../../../gateway-core/contract/bridge/watch.js';
import { ThroughlineError } from '../../../../gateway-core/contract/errors.js';
import { SessionId } from '../../../../gateway-core/contract/ids.js';
import type { WatchItem } from '../../../../gateway-core/contract/watch.js';

const session = SessionId.parse(`ses_${'0'.repeat(26)}`);
const evil = '\x1b]0;owned\x07\x1b]52;c;QQ==\x07\x1b]8;;https://evil.example\x07\x1b[6n\x1b[?1000h';
const limits = serviceLimits as { -readonly [N in keyof typeof serviceLimits]: number };
const real = { ...serviceLimits };
const patience = { timeout: 60_000 };
let opened: Watching | undefined;
afterEach(() => {
  opened?.closeAll();
  Object.assign(limits, real);
});

const screen = (data: string, seq = 1): WatchItem => ({
  kind: 'screen',
  atMs: 0,
  seq,
  columns: 80,
  rows: 24,
  data,
  whole: true,
});
const terminal = (data: string, seq = 1): WatchItem => ({ kind: 'terminal', atMs: 0, seq, data });

/** One connection to the gateway: gives what it is told to, until it ends or is left. */
class Connection implements Following<WatchItem> {
  taken = 0;
  aborted = false;
  readonly #items: WatchItem[] = [];
  #ended = false;
  #wake: () => void = () => undefined;
  readonly items = this.#read();

  give(...items: WatchItem[]): void {
    this.#items.push(...items);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  abort(): void {
    this.aborted = true;
    this.end();
  }

  async *#read(): AsyncGenerator<WatchItem> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) {
        this.taken += 1;
        yield item;
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }
}

async function watching(connections: (Connection | ThroughlineError)[]) {
  limits.retryDelayMs = 1;
  limits.retryDelayMsMax = 1;
  const failed = vi.fn();
  let asked = 0;
  opened = new Watching({
    follow: () => {
      const next = connections[Math.min(asked, connections.length - 1)];
      asked += 1;
      if (next instanceof Connection) return next;
      throw next ?? new Error('no connection');
    },
    failed,
  });
  const { handlers } = opened;
  const { watch } = await handlers['watch.open']({ session });
  const read = (): Promise<WatchPiece> => handlers['watch.read']({ watch });
  /** Reads until `enough`. */
  const until = async (enough: (items: WatchItem[], piece: WatchPiece) => boolean): Promise<WatchItem[]> => {
    const items: WatchItem[] = [];
    for (;;) {
      const piece = await read();
      items.push(...piece.items);
      if (enough(items, piece)) return items;
    }
  };
  return { handlers, watch, read, until, failed, asked: () => asked };
}

describe('what a window is given', () => {
  it('can only paint, and each screen begins anew', async () => {
    const connection = new Connection();
    const { until } = await watching([connection]);
    // The first ends in the middle of a sequence, which the next screen must not complete.
    connection.give(screen(`${evil}ready> `), terminal(`${evil}ls\x1b[3`), screen('1mfresh'));
    const items = await until((all) => all.length === 3);
    expect(items).toMatchObject([{ data: 'ready> ' }, { data: 'ls' }, { data: '1mfresh' }]);
  });

  it('is nothing of a terminal without a screen to paint on', async () => {
    const connection = new Connection();
    const { until } = await watching([connection]);
    connection.give(terminal('no screen', 7), screen('one'), terminal('two'));
    const items = await until((all) => all.length === 2);
    expect(JSON.stringify(items)).not.toContain('no screen');
  });

  it('waits here only up to its bound; then nothing more is read of the gateway', async () => {
    limits.watchCharactersMax = 1000;
    const connection = new Connection();
    const { read, until } = await watching([connection]);
    connection.give(screen(''), ...Array.from({ length: 100 }, () => terminal('x'.repeat(100))));
    await vi.waitFor(() => expect(connection.taken).toBeGreaterThan(10), patience);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(connection.taken).toBeLessThan(15);
    const first = await read();
    const rest = await until((all) => first.items.length + all.length === 101);
    expect(rest.every((item) => item.kind === 'terminal')).toBe(true);
  });
});

describe('a watch', () => {
  it('is taken up again when the gateway comes back', async () => {
    const [first, second] = [new Connection(), new Connection()];
    const away = new ThroughlineError('gateway-unreachable', 'it is away');
    const { until } = await watching([first, away, second]);
    first.give(screen('before'));
    await until((all) => all.length === 1);
    first.end();
    second.give(screen('after'));
    const items = await until((all) => all.length === 1);
    expect(items).toMatchObject([{ kind: 'screen', data: 'after' }]);
  });

  it('is over with the session, and says why', async () => {
    const connection = new Connection();
    const { until } = await watching([connection]);
    connection.give({ kind: 'end', atMs: 1, endCause: 'client' }, { kind: 'closed', why: 'session-ended' });
    let last: WatchPiece | undefined;
    const items = await until((_, piece) => {
      last = piece;
      return piece.state === 'over';
    });
    expect(items).toMatchObject([{ kind: 'end' }]);
    expect(last).toMatchObject({ why: 'session-ended' });
  });

  it('that is refused is over, and says so in the words of the gateway', async () => {
    const refusal = new ThroughlineError('not-found', 'there is no session');
    const { until, failed, asked } = await watching([refusal]);
    let last: WatchPiece | undefined;
    await until((_, piece) => {
      last = piece;
      return piece.state === 'over';
    });
    expect(last?.problem).toMatchObject({ code: 'not-found', message: 'there is no session' });
    expect(failed).toHaveBeenCalledWith(refusal);
    expect(asked()).toBe(1);
  });

  it('that no window reads is left: nobody is told of a watcher who sees nothing', async () => {
    limits.watchUnreadMs = 20;
    const connection = new Connection();
    const { read } = await watching([connection]);
    await vi.waitFor(() => expect(connection.aborted).toBe(true), patience);
    await expect(read()).rejects.toMatchObject({ code: 'not-found' });
  });

  it('ends when its window closes it, and there are only so many', async () => {
    limits.watchesMax = 2;
    const connection = new Connection();
    const { handlers, watch } = await watching([connection]);
    await handlers['watch.open']({ session });
    await expect(async () => handlers['watch.open']({ session })).rejects.toMatchObject({
      code: 'rate-limited',
    });
    await handlers['watch.close']({ watch });
    expect(connection.aborted).toBe(true);
    await handlers['watch.open']({ session });
  });
});
