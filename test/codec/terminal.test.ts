import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import headless from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { SearchableContent, statementContent } from '../../gateway-core/codec/content.js';
import { Asciicast } from '../../gateway-core/codec/terminal/asciicast.js';
import { TerminalContent } from '../../gateway-core/codec/terminal/content.js';
import { HarmlessOutput } from '../../gateway-core/codec/terminal/harmless.js';
import { TextLines } from '../../gateway-core/codec/terminal/lines.js';
import type { ReplayItem } from '../../gateway-core/contract/api.js';
import { randomOf, seedOfRun } from '../sim/random.js';

/** Its types speak of a page, which this project's other half does not know. */
interface Serializer {
  serialize(): string;
  activate(terminal: unknown): void;
  dispose(): void;
}
const { SerializeAddon } = createRequire(import.meta.url)('@xterm/addon-serialize') as {
  readonly SerializeAddon: new () => Serializer;
};

const seed = seedOfRun();
const size = { cols: 80, rows: 24 };

/** What real programs wrote: vim editing and splitting, top repainting. */
const recorded = readFileSync(new URL('./terminal-recordings.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { readonly name: string; readonly data: string });

function build(lines: number): string {
  const steps = Array.from({ length: lines }, (_, at) => {
    const percent = Math.floor((at * 100) / lines);
    return `\x1b[2K\r[${percent}%] \x1b[32mCC\x1b[0m src/part_${at}.o\x1b]0;build ${at}\x07${at % 7 === 0 ? '\r\n' : ''}`;
  });
  return steps.join('');
}

const programs: readonly { readonly name: string; readonly bytes: Buffer }[] = [
  ...recorded.map(({ name, data }) => ({ name, bytes: Buffer.from(data, 'latin1') })),
  { name: 'a long build', bytes: Buffer.from(build(3000)) },
];

class Screen {
  readonly #terminal = new headless.Terminal({
    ...size,
    allowProposedApi: true,
    scrollback: 500,
    logLevel: 'off',
  });
  readonly #serialize = new SerializeAddon();

  constructor() {
    this.#terminal.loadAddon(this.#serialize);
  }

  async after(pieces: Iterable<string | Uint8Array>): Promise<string> {
    for (const piece of pieces) this.#terminal.write(piece);
    await new Promise<void>((resolve) => this.#terminal.write('', resolve));
    const { cursorX, cursorY, type } = this.#terminal.buffer.active;
    return `${this.#serialize.serialize()} ${cursorX},${cursorY} ${type}`;
  }
}

/** `bytes` in records of random lengths. */
function* records(bytes: Buffer, random: () => number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const length = random() < 0.5 ? 1 + Math.floor(random() * 4) : 1 + Math.floor(random() * 3000);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}

function replayed(bytes: Buffer): string[] {
  const content = new TerminalContent();
  return [...records(bytes, randomOf(seed))].flatMap((record) =>
    [...content.items('terminal', record)].map((item) => (item.kind === 'terminal' ? item.data : '')),
  );
}

function randomOutput(random: () => number): Buffer {
  const words = [
    '\x1b[',
    '\x1b]0;t',
    '\x1bP',
    '\x1b\\',
    '\x07',
    '\x1b',
    '\r\n',
    '31m',
    '5;3H',
    '2J',
    '?1049h',
    '?1049l',
    '日本',
    'é',
    '\xc2\x9b',
    'text ',
    '\x18',
    '\x1b(0',
    '\x0e',
    '\x0f',
    '\x1bc',
    '\u009b1m',
    '\ufeff',
    'b',
    ';;',
    '?25;1000h',
  ];
  return Buffer.concat(
    Array.from({ length: 200 }, () =>
      random() < 0.8
        ? Buffer.from(words[Math.floor(random() * words.length)] ?? '')
        : Buffer.of(Math.floor(random() * 256)),
    ),
  );
}

describe(`what terminals recorded, seed ${seed}`, () => {
  it.each(programs)(
    'the screen after a replay of $name is that of a terminal that got the same bytes',
    async ({ bytes }) => {
      const live = await new Screen().after([bytes]);
      expect(await new Screen().after(replayed(bytes))).toBe(live);
      const harmless = new HarmlessOutput();
      expect(await new Screen().after(replayed(bytes).map((data) => harmless.push(data)))).toBe(live);
    },
  );

  it('bytes that are no text paint what they paint live, in records of any length', async () => {
    const random = randomOf(seed);
    for (let round = 0; round < 60; round++) {
      const bytes = randomOutput(random);
      const live = await new Screen().after([bytes]);
      expect(await new Screen().after(replayed(bytes)), bytes.toString('hex')).toBe(live);
    }
  });

  it('only what paints reaches a person’s terminal', () => {
    const harmless = new HarmlessOutput();
    const hostile = [
      '\x1b]0;title\x07',
      '\x1b]52;c;cm0gLXJmIC8K\x1b\\',
      '\x1b]8;;http://evil.example/\x1b\\link\x1b]8;;\x1b\\',
      '\x1b[6n\x1b[c\x1b[>c\x1b[5n\x1b[?6n\x1b[0x\x05\x1bZ',
      '\x1b[8;200;200t\x1b[21t',
      '\x1b[?1000;1006h\x1b[?2004h\x1b[?1004h\x1b[>4;2m\x1b[>1u\x1b[=1u\x1b=',
      '\x1bP+q544e\x1b\\\x1b_Gi=1\x1b\\\x1b^x\x1b\\\x1bXx\x1b\\',
      '\x9d0;t\x9c\x9b6n\u009b6n\u009d52;c;QQ==\u009c',
      '\x07\x1b[1;2;3;4;5T\x1b[2 q\x1b[?2026$p\x1b[4i\x1b[?5i',
    ];
    const out = hostile.map((text) => harmless.push(text)).join('');
    expect(out).toBe('link');
    expect(harmless.push('\x1b[1;31mred\x1b[?25;1000;1049l\x1b[3;4H')).toBe(
      '\x1b[1;31mred\x1b[?25;1049l\x1b[3;4H',
    );
  });

  it('whatever comes in, all that goes out is text, and sequences that paint', () => {
    const random = randomOf(seed);
    const allowed =
      // oxlint-disable-next-line no-control-regex -- what may be left
      /^(?:[^\x00-\x1f\x7f-\x9f]|[\x08-\x0f]|\x1b\[\??[\d:;]*[@-Z`abdefgmrsuhl]|\x1b\[!p|\x1b[78DEHMcno]|\x1b#8|\x1b[()*+].)*$/u;
    for (let round = 0; round < 300; round++) {
      const harmless = new HarmlessOutput();
      const content = new TerminalContent();
      let out = '';
      for (const record of records(randomOutput(random), random))
        for (const item of content.items('terminal', record))
          if (item.kind === 'terminal') out += harmless.push(item.data);
      expect(allowed.test(out), JSON.stringify(out)).toBe(true);
      // oxlint-disable-next-line no-control-regex -- a sequence begins with one
      for (const mode of out.matchAll(/\x1b\[\?([\d;]+)[hl]/g))
        for (const each of (mode[1] ?? '').split(';'))
          expect(['5', '6', '7', '25', '47', '1047', '1048', '1049']).toContain(each);
    }
  });

  it('a terminal is given back as it was, and nothing of before is written over', async () => {
    const modes = '\x1b[?25l\x1b(0\x1b[31;7mqqq\x1b[4h\x1b[?7l';
    for (const program of [modes, `\x1b[?1049h\x1b[5;9r${modes}`]) {
      const screen = new Screen();
      const harmless = new HarmlessOutput();
      await screen.after(['$ replay\r\n']);
      const played = harmless.push(program);
      const after = await screen.after([played, harmless.restore(), 'x'.repeat(81)]);
      expect(after).toContain('$ replay');
      expect(after).toContain(`${'x'.repeat(80)}x`);
      expect(after).toMatch(/normal$/);
    }
  });

  it('sizes are read, and what is none is a problem', () => {
    const content = statementContent();
    expect([...content.items('terminal-size', Buffer.from('132x43'))]).toEqual([
      { kind: 'size', columns: 132, rows: 43 },
    ]);
    for (const text of ['', '0x4', '4x0', 'x', '1x2x3', '99999x9', '-1x4', '8e1x4'])
      expect([...content.items('terminal-size', Buffer.from(text))]).toMatchObject([{ kind: 'problem' }]);
  });

  it('readable lines are what a person reads, letter by letter as in one piece', () => {
    const text =
      '\x1b]0;secret title\x07$ \x1b[1mls\x1b[0m\r\n\x1b[34mdir\x1b[0m  file\r\n10%\r50%\r\x1b[Kdone\r\n$ ';
    const whole = new TextLines();
    expect([...whole.push('terminal', text), ...whole.end()]).toEqual([
      '$ ls',
      'dir  file',
      '10%',
      '50%',
      'done',
      '$ ',
    ]);
    const letters = new TextLines();
    expect(text.split('').flatMap((letter) => letters.push('terminal', letter))).toEqual([
      '$ ls',
      'dir  file',
      '10%',
      '50%',
      'done',
    ]);
  });

  it('words that were typed letter by letter are found as words', () => {
    const content = new SearchableContent();
    const text = 'gr\x1b[1mep ü'
      .split('')
      .map((letter) => content.text(3, 'terminal', Buffer.from(letter)).text)
      .join('');
    expect(text).toBe('grep ü');
  });
});

describe('asciicasts', () => {
  const items: ReplayItem[] = [
    { kind: 'statement', atMs: 0, seq: 1, text: 'shell', decision: 'allowed' },
    { kind: 'size', atMs: 10, seq: 1, columns: 100, rows: 30 },
    { kind: 'terminal', atMs: 1010.4, seq: 1, data: '\x1b]0;t\x07$ \x1b[1mls' },
    { kind: 'statement', atMs: 1010.9, seq: 2, text: 'ls\n-l', decision: 'allowed' },
    { kind: 'terminal', atMs: 1500, seq: 9, data: 'another terminal' },
    { kind: 'terminal', atMs: 2000, seq: 1, data: '\r\nfile' },
    { kind: 'size', atMs: 2000, seq: 1, columns: 80, rows: 24 },
    { kind: 'outcome', atMs: 2500, seq: 1, state: 'ok', tag: 'exit 3' },
    { kind: 'terminal', atMs: 2600, seq: 1, data: 'late' },
  ];

  it('say what was shown, when, in which size, at which command, and how it ended', () => {
    const cast = new Asciicast(1, { startedAtMs: 1_700_000_000_000, title: 'web-1' });
    const lines = items
      .map((item) => cast.add(item))
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toEqual([
      { version: 3, term: { cols: 100, rows: 30 }, timestamp: 1_700_000_000, title: 'web-1' },
      [1, 'o', '$ \x1b[1mls'],
      [0.001, 'm', 'ls -l'],
      [0.989, 'o', '\r\nfile'],
      [0, 'r', '80x24'],
      [0.5, 'x', '3'],
    ]);
  });

  it('do not drift, however many events there are', () => {
    const cast = new Asciicast(1, { startedAtMs: 0, title: '' });
    let sumMs = 0;
    for (let at = 0; at < 10_000; at++) {
      const line =
        cast
          .add({ kind: 'terminal', atMs: at * 0.4, seq: 1, data: 'x' })
          .trim()
          .split('\n')
          .at(-1) ?? '';
      sumMs += (JSON.parse(line) as [number])[0] * 1000;
    }
    expect(Math.abs(sumMs - 9999 * 0.4)).toBeLessThan(2);
  });
});
