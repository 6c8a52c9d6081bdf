import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  acceptsLineAt,
  type CommandLine,
  LineReader,
} from '../../../gateway-core/proxy/ssh/terminal/line-reader.js';
import { PendingOutput, pendingBytesMax } from '../../../gateway-core/proxy/ssh/terminal/pending-output.js';
import { randomOf, seedOfRun } from '../../sim/random.js';

type Step = { out: string } | { in: string } | { line: [text: string, certain: boolean] | null };

/** A real session of bash 5.2 in 40 columns: what it wrote, the keys, and what stood on the line at each Enter. */
const file = new URL('./ssh-lines-bash.jsonl', import.meta.url);
const session = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .flatMap((line) => JSON.parse(line) as Step[]);
const seed = seedOfRun();
const size = { columns: 40, rows: 24 };
const prompt = 'bob@h:~$ ';

/** A line that is typed and echoed key by key. */
function type(reader: LineReader, text: string): void {
  for (const character of text) {
    reader.input(Buffer.from(character));
    reader.output(Buffer.from(character));
  }
}

async function lineOf(reader: LineReader): Promise<CommandLine> {
  const line = await reader.lineBefore();
  if (line === undefined) throw new Error('no line');
  return line;
}

describe(`command lines off a terminal, seed ${seed}`, () => {
  it('a line that fills the screen and all that scrolled off it has an end', async () => {
    const reader = new LineReader(size);
    reader.output(Buffer.alloc(15_000, 'x'));
    expect(await reader.lineBefore()).toBeDefined();
    reader.dispose();
  });

  it('every line of a real session is read as it stood, however it was edited, whatever the pieces', async () => {
    const random = randomOf(seed);
    const reader = new LineReader(size);
    const shown: string[] = [];
    for (const step of session) {
      if ('out' in step) {
        for (let rest = Buffer.from(step.out, 'latin1'); rest.length > 0; ) {
          const cut = 1 + Math.floor(random() * rest.length);
          reader.output(rest.subarray(0, cut));
          rest = rest.subarray(cut);
        }
      } else if ('in' in step) reader.input(Buffer.from(step.in));
      else {
        const line = await reader.lineBefore();
        shown.push(line?.text ?? '');
        expect(line === undefined ? null : [line.text, line.certain]).toEqual(step.line);
      }
    }
    expect(shown).toContain('echo aZbc');
    expect(shown.join('\n')).not.toContain('topsecret');
    reader.dispose();
  });

  it('what is typed without echo does not come out, and is told from what is shown', async () => {
    const reader = new LineReader(size);
    reader.output(Buffer.from('[sudo] password for bob: '));
    reader.input(Buffer.from('hunter2'));
    expect(await lineOf(reader)).toEqual({
      text: '',
      prompt: '[sudo] password for bob: ',
      certain: false,
      echoed: false,
      exit: undefined,
    });
  });

  it('a line is certain once all that was typed is shown, masked or not', async () => {
    const reader = new LineReader(size);
    reader.output(Buffer.from(prompt));
    reader.input(Buffer.from('export PASSWORD=abc'));
    expect(await lineOf(reader)).toMatchObject({ certain: false, echoed: false });
    reader.output(Buffer.from('export PASSWORD=***'));
    expect(await lineOf(reader)).toMatchObject({
      text: 'export PASSWORD=***',
      prompt,
      certain: true,
      echoed: true,
    });
  });

  it('a line of the alternate screen is no command', async () => {
    const reader = new LineReader(size);
    reader.output(Buffer.from(`${prompt}\x1b[?1049h\x1b[2J:wq`));
    expect(await reader.lineBefore()).toBeUndefined();
    reader.output(Buffer.from(`\x1b[?1049l\r\n${prompt}`));
    type(reader, 'ls');
    expect(await lineOf(reader)).toMatchObject({ text: 'ls', certain: true });
  });

  it('output that nobody asks about is dropped at line ends, and the screen that was on is still known', async () => {
    const reader = new LineReader(size);
    const flood = Buffer.from('a line of no interest\r\n'.repeat(3000));
    for (let round = 0; round < 200; round++) reader.output(flood);
    reader.output(Buffer.from(prompt));
    type(reader, 'id');
    expect(await lineOf(reader)).toMatchObject({ text: 'id', prompt, certain: true });
    reader.input(Buffer.from('\r'));
    reader.output(Buffer.from('\r\n\x1b[?25l\x1b[?1049;25h'));
    for (let round = 0; round < 20; round++) reader.output(flood);
    expect(await reader.lineBefore()).toBeUndefined();
  });

  it('what is pending is bounded, and its end is what was written last', () => {
    const random = randomOf(seed);
    const pending = new PendingOutput();
    let all = '';
    for (let round = 0; round < 400; round++) {
      const line = `${round} ${'x'.repeat(Math.floor(random() * 4000))}\n`;
      all += line;
      pending.push(Buffer.from(line));
      if (random() < 0.1) pending.resize({ columns: 80, rows: round });
    }
    const { pieces, lost } = pending.take();
    const bytes = Buffer.concat(pieces.flatMap((piece) => (piece.kind === 'bytes' ? [piece.bytes] : [])));
    expect(lost).toEqual({ alternate: false });
    expect(bytes.length).toBeLessThanOrEqual(pendingBytesMax);
    expect(all.endsWith(bytes.toString())).toBe(true);
    expect(all.at(-1 - bytes.length)).toBe('\n');
    expect(pending.take()).toEqual({ pieces: [], lost: undefined });
  });

  it('a key that was thought to send the line and did not hides nothing of it', async () => {
    const reader = new LineReader(size);
    reader.output(Buffer.from(prompt));
    type(reader, 'rm -rf /');
    expect((await lineOf(reader)).text).toBe('rm -rf /');
    reader.input(Buffer.from('\x0f'));
    type(reader, 'home');
    expect(await lineOf(reader)).toMatchObject({ text: 'rm -rf /home', prompt, certain: false });
  });

  it('the mark of a shell says where its prompt ends, and how the last command did', async () => {
    const reader = new LineReader(size);
    reader.output(
      Buffer.from('\x1b]133;D;127\x07\x1b]133;A\x07\x1b[1m> odd $ prompt # \x1b[0m\x1b]133;B\x1b\\'),
    );
    type(reader, 'make > log');
    expect(await lineOf(reader)).toEqual({
      text: 'make > log',
      prompt: '> odd $ prompt # ',
      certain: true,
      echoed: true,
      exit: 127,
    });
  });

  it('a line wider than the screen is one line, after a resize too, when the shell has painted it again', async () => {
    const reader = new LineReader({ columns: 20, rows: 5 });
    reader.output(Buffer.from(prompt));
    const long = `echo ${'0123456789'.repeat(8)}`;
    type(reader, long);
    expect((await lineOf(reader)).text).toBe(long);
    reader.resize({ columns: 33, rows: 9 });
    reader.output(Buffer.from(`\r\x1b[4A\x1b[J${prompt}${long}`));
    expect((await lineOf(reader)).text).toBe(long);
  });

  it('answers of the terminal are no keys', async () => {
    const reader = new LineReader(size);
    for (const answer of ['\x1b[12;1R', '\x1b[?1;2c', '\x1b]11;rgb:0000/0000/0000\x1b\\', '\x1b[I']) {
      reader.input(Buffer.from(answer));
    }
    reader.output(Buffer.from(prompt));
    type(reader, 'pwd');
    expect(await lineOf(reader)).toMatchObject({ text: 'pwd', prompt, certain: true });
  });

  it('CR, LF and C-o send a line; the first of them counts', () => {
    expect(acceptsLineAt(Buffer.from('ls'))).toBe(-1);
    expect(acceptsLineAt(Buffer.from('ls\rpwd\r'))).toBe(3);
    expect(acceptsLineAt(Buffer.from('\n'))).toBe(1);
    expect(acceptsLineAt(Buffer.from('x\x0f\r'))).toBe(2);
  });

  it('bytes of any kind, in any order, are read without a throw', async () => {
    const random = randomOf(seed);
    const words = [
      '\x1b[',
      '\x1b]133;B\x07',
      '\x1b]133;',
      '\x1b',
      '\r\n',
      'H',
      '1;1',
      '\x1b[?1049h',
      '\x1b[?1049l',
      '\x1bc',
      'ls',
      '日',
      '\x9b',
      '\0',
      '\x7f',
      '\x15',
    ];
    const reader = new LineReader({ columns: Number.NaN, rows: -3 });
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.concat(
        Array.from({ length: Math.floor(random() * 12) }, () =>
          random() < 0.6
            ? Buffer.from(words[Math.floor(random() * words.length)] ?? '')
            : Buffer.of(Math.floor(random() * 256)),
        ),
      );
      if (random() < 0.5) reader.output(bytes);
      else reader.input(bytes);
      if (random() < 0.1)
        reader.resize({ columns: Math.floor(random() * 2000) - 10, rows: Math.floor(random() * 999) });
      const line = await reader.lineBefore();
      if (line !== undefined) expect(typeof line.text).toBe('string');
    }
    reader.dispose();
    expect(await reader.lineBefore()).toBeUndefined();
  });
});
