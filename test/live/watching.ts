import headless from '@xterm/headless';
import { api } from '../../gateway-core/agent/client/api.js';
import type { WatchItem } from '../../gateway-core/contract/watch.js';
import type { Person } from './harness.js';
import { type Scope, until } from './processes.js';

/** Somebody who watches a session: what came, and what it paints. */
export interface Watching {
  readonly items: WatchItem[];
  /** Every line as it came. */
  text(): string;
  readonly ended: Promise<'ended' | 'broken'>;
  /** The screen of the terminal that was shown last, its rows without what is blank at their ends. */
  screen(): Promise<string>;
  leave(): void;
}

export async function watch(scope: Scope, person: Person, session: string): Promise<Watching> {
  const following = api.watch(await person.gateway(), session);
  scope.onClose(() => following.abort());
  const items: WatchItem[] = [];
  const terminal = new headless.Terminal({ cols: 80, rows: 24, allowProposedApi: true, logLevel: 'off' });
  const read = async (): Promise<'ended' | 'broken'> => {
    try {
      for await (const item of following.items) {
        items.push(item);
        if (item.kind === 'screen') terminal.reset();
        if (item.kind === 'screen' || item.kind === 'size') terminal.resize(item.columns, item.rows);
        if (item.kind === 'screen' || item.kind === 'terminal') terminal.write(item.data);
      }
      return 'ended';
    } catch (error) {
      if (items.length === 0) throw error;
      return 'broken';
    }
  };
  const ended = read();
  await Promise.race([ended, until('the first beat', () => items[0])]);
  return {
    items,
    text: () => items.map((item) => JSON.stringify(item)).join('\n'),
    ended,
    screen: () => screenOf(terminal),
    leave: () => following.abort(),
  };
}

/** What stands on the screen once everything that was written is painted. */
export async function screenOf(terminal: headless.Terminal): Promise<string> {
  await new Promise<void>((resolve) => terminal.write('', resolve));
  const { active } = terminal.buffer;
  const rows = Array.from(
    { length: terminal.rows },
    (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
  );
  return `${active.type} ${active.cursorX},${active.cursorY}\n${rows.join('\n').trimEnd()}`;
}

/** The screen that a client has after what it was sent. */
export async function screenAfter(output: string, columns = 80, rows = 24): Promise<string> {
  const terminal = new headless.Terminal({
    cols: columns,
    rows,
    allowProposedApi: true,
    logLevel: 'off',
  });
  terminal.write(output);
  return screenOf(terminal);
}
