import { readFileSync } from 'node:fs';
import headless from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { Replays } from '../../../gateway-core/agent/service/replays.js';
import { ReplayedTerminals } from '../../../gateway-core/codec/terminal/replayed.js';
import type { ReplayItem } from '../../../gateway-core/contract/api.js';
import { TerminalReplay, terminalOf } from '../../../gateway-core/contract/terminal-replay.js';
import { randomOf, seedOfRun } from '../../sim/random.js';

const seed = seedOfRun();

/** Everything that a person sees, and where the cursor is. */
function pictureOf(terminal: headless.Terminal): string {
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, row) => {
    const line = active.getLine(row);
    const cells = Array.from({ length: line?.length ?? 0 }, (__, column) => {
      const cell = line?.getCell(column);
      return `${cell?.getChars() ?? ''}${cell?.getFgColor() ?? ''}${cell?.isBold() ?? ''}${cell?.isInverse() ?? ''}`;
    });
    return `${line?.isWrapped ?? ''} ${cells.join('|')}`;
  });
  return `${terminal.cols}x${terminal.rows} ${active.type} ${active.cursorX},${active.cursorY}\n${lines.join('\n')}`;
}

const made = (): headless.Terminal =>
  new headless.Terminal({ allowProposedApi: true, scrollback: 300, logLevel: 'off' });

async function live(items: readonly ReplayItem[]): Promise<string> {
  const terminal = made();
  terminal.resize(80, 24);
  for (const item of items) {
    if (item.kind === 'size' && item.seq === 1) terminal.resize(item.columns, item.rows);
    else if (item.kind === 'terminal' && item.seq === 1)
      await new Promise<void>((resolve) => terminal.write(item.data, resolve));
  }
  return pictureOf(terminal);
}

function session(random: () => number): ReplayItem[] {
  const file = new URL('../../codec/terminal-recordings.jsonl', import.meta.url);
  const recorded = readFileSync(file, 'utf8').trim().split('\n');
  const data = recorded
    .map((line) => Buffer.from((JSON.parse(line) as { data: string }).data, 'latin1').toString('utf8'))
    .join('\r\n$ ');
  const items: ReplayItem[] = [];
  for (let at = 0; at < data.length; ) {
    const length = 1 + Math.floor(random() * 12);
    const atMs = items.length * 5;
    items.push({ kind: 'terminal', atMs, seq: 1, data: data.slice(at, at + length) });
    if (random() < 0.02) items.push({ kind: 'terminal', atMs, seq: 2, data: '\x1bc another terminal' });
    if (random() < 0.01)
      items.push({
        kind: 'size',
        atMs,
        seq: 1,
        columns: 40 + Math.floor(random() * 80),
        rows: 10 + Math.floor(random() * 30),
      });
    at += length;
  }
  return items;
}

describe(`the replay of a terminal, seed ${seed}`, () => {
  it('after any seeking the screen is that of a terminal that got the same output', async () => {
    const random = randomOf(seed);
    const items = session(random);
    const terminal = made();
    const replay = new TerminalReplay(
      {
        write: (data, painted) => terminal.write(data, painted),
        resize: (columns, rows) => terminal.resize(columns, rows),
        reset: () => terminal.reset(),
      },
      { length: items.length, range: (from, to) => Promise.resolve(items.slice(from, to)) },
      { seq: 1, columns: 80, rows: 24 },
    );
    for (let round = 0; round < 12; round++) {
      const count = Math.floor(random() * (items.length + 1));
      // Somebody drags the head about: the last place counts.
      const others = Array.from({ length: Math.floor(random() * 4) }, () =>
        replay.show(Math.floor(random() * items.length)),
      );
      await Promise.all([...others, replay.show(count)]);
      expect(pictureOf(terminal)).toBe(await live(items.slice(0, count)));
    }
  });

  it('a window is told of the terminals, gets only what paints, and finds what was typed letter by letter', async () => {
    const items: ReplayItem[] = [
      { kind: 'statement', atMs: 0, seq: 1, text: 'shell', decision: 'allowed' },
      { kind: 'size', atMs: 5, seq: 1, columns: 100, rows: 40 },
      { kind: 'terminal', atMs: 10, seq: 1, data: '\x1b]52;c;QQ==\x07$ who' },
      ...'ami\x1b]8;;http://evil.example\x07\x1b[6n'
        .split('')
        .map((data, at): ReplayItem => ({ kind: 'terminal', atMs: 1000 + at, seq: 1, data })),
      { kind: 'terminal', atMs: 5000, seq: 1, data: '\r\nbob' },
      { kind: 'outcome', atMs: 6000, seq: 1, state: 'ok' },
    ];
    async function* read(): AsyncGenerator<ReplayItem> {
      yield* await Promise.resolve(items);
    }
    const replays = new Replays();
    const head = await replays.open(read());
    expect(head.terminals).toEqual([{ seq: 1, columns: 100, rows: 40, fromMs: 5, toMs: 6000 }]);
    expect(head.activityMs).toEqual([10, 1000, 5000]);
    const shown = replays
      .items(head.replay, 0, 100)
      .map((item) => (item.kind === 'terminal' ? item.data : ''));
    expect(shown.join('')).toBe('$ whoami\r\nbob');
    expect((await replays.find(head.replay, 'WhoAmI')).items).toEqual([5]);
    expect((await replays.find(head.replay, 'bob')).items).toHaveLength(1);
    expect((await replays.find(head.replay, 'evil')).items).toEqual([]);
  });
});

describe('which terminal a moment belongs to', () => {
  const at = (seq: number, fromMs: number, toMs: number) => ({ seq, fromMs, toMs });
  const terminals = [at(1, 0, 100), at(4, 200, 300)];
  const of = (seq: number, atMs: number, shows = false) => terminalOf(terminals, { seq, atMs, shows })?.seq;

  it('a shell is its own, whatever it shows besides; what was typed into it is shown on it', () => {
    expect(of(1, 0, true)).toBe(1);
    expect(of(2, 50)).toBe(1);
    expect(of(5, 300)).toBe(4);
  });

  it('what has something of its own to show is shown by itself, and so is what began when no terminal was there', () => {
    expect(of(2, 50, true)).toBeUndefined();
    expect(of(3, 150)).toBeUndefined();
  });

  it('a terminal is there until its program is over, or with it the session', () => {
    const found = new ReplayedTerminals();
    for (const seq of [1, 2]) found.add({ kind: 'terminal', atMs: seq, seq, data: 'x' });
    found.add({ kind: 'outcome', atMs: 50, seq: 1, state: 'ok' });
    found.add({ kind: 'end', atMs: 90 });
    expect(found.found).toMatchObject([
      { seq: 1, toMs: 50 },
      { seq: 2, toMs: 90 },
    ]);
  });
});
