import { readFileSync } from 'node:fs';
import type headless from '@xterm/headless';
import { describe, expect, it } from 'vitest';
import { WatchedTerminal } from '../../../gateway-core/server/watch/terminal.js';
import { randomOf, seedOfRun } from '../../sim/random.js';
import { newTerminal, screenOf } from './watch-setup.js';

const seed = seedOfRun();
const size = { columns: 40, rows: 10 };

/** What programs really send: vim, top and the like, as their terminal was sent it. */
const file = new URL('../../codec/terminal-recordings.jsonl', import.meta.url);
const programs = readFileSync(file, 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const { name, data } = JSON.parse(line) as { name: string; data: string };
    return { name, text: Buffer.from(data, 'latin1').toString('utf8') };
  });

/** The screen with how each cell looks. */
async function looksOf(terminal: headless.Terminal): Promise<string> {
  const text = await screenOf(terminal);
  const { active } = terminal.buffer;
  const looks: string[] = [];
  for (let row = 0; row < terminal.rows; row += 1) {
    for (let column = 0; column < terminal.cols; column += 1) {
      const cell = active.getLine(active.baseY + row)?.getCell(column);
      if (cell === undefined || cell.isAttributeDefault()) continue;
      const behind = `${row},${column}: ${cell.getBgColorMode()} ${cell.getBgColor()}`;
      // What is empty has no colour but the one behind it.
      if (cell.getChars() === '') {
        if (!cell.isBgDefault()) looks.push(behind);
        continue;
      }
      const flags = [cell.isBold(), cell.isUnderline(), cell.isInverse(), cell.isDim(), cell.isItalic()].map(
        Boolean,
      );
      looks.push(`${behind} ${cell.getFgColorMode()} ${cell.getFgColor()} ${flags.join(' ')}`);
    }
  }
  return `${text}\n${looks.join('\n')}`;
}

/** The screen of somebody who has seen it all, and of somebody who began with a picture. */
async function both(before: string, after: string, { columns, rows } = size): Promise<[string, string]> {
  const [whole, joined] = [newTerminal(columns, rows), newTerminal(columns, rows)];
  const watched = new WatchedTerminal(1, { columns, rows }, true);
  await watched.paintPast({ columns, rows }, [{ text: before }], true);
  const picture = watched.picture(0);
  if (picture.kind !== 'screen') throw new Error('a picture is a screen');
  joined.write(picture.data);
  watched.push(Buffer.from(after));
  const items = await watched.paint(watched.take(), 0);
  for (const item of items) if (item.kind === 'terminal') joined.write(item.data);
  whole.write(before + after);
  const looks: [string, string] = [await looksOf(whole), await looksOf(joined)];
  for (const each of [whole, joined, watched]) each.dispose();
  return looks;
}

describe(`a picture and what comes behind it paint what all of it has painted, seed ${seed}`, () => {
  it.each(programs)('of $name, wherever it is cut', async ({ text }) => {
    const random = randomOf(seed);
    const characters = Array.from(text);
    for (let round = 0; round < 25; round += 1) {
      const at = Math.floor(random() * characters.length);
      const [whole, joined] = await both(characters.slice(0, at).join(''), characters.slice(at).join(''), {
        columns: 80,
        rows: 24,
      });
      expect(joined, `cut at ${at}`).toBe(whole);
    }
  });

  it('of whatever paints', async () => {
    const random = randomOf(seed);
    const pieces = [
      'hello ',
      '\r\nready> ',
      '\x1b[31mred',
      '\x1b[1;4;38;5;200;48;2;1;2;3mbright',
      '\x1b[7m',
      '\x1b[0m',
      '\x1b[m',
      '\x1b[44m\x1b[K',
      '\x1b[2J\x1b[H',
      '\x1b[?1049h\x1b[2J\x1b[3;5Hwhole',
      '\x1b[?1049l',
      '\x1b[2;6r\x1b[6;1H',
      '\x1b[r',
      '\r\n\r\n',
      '\x1b[5;20Hthere',
      'a line that is longer than the terminal has columns, by some',
      '\x1b7moved\x1b8',
      '\x1b[K',
      '\x1b[1K',
      '\x1b[3P',
      '\x1b[2L',
      '日本 é 🙂',
      '\t.\b\b',
      '\x1b[4hinserted\x1b[4l',
      '\x1bM',
      '\x1bc',
      '\x1b[?25l',
    ];
    const some = (count: number): string =>
      Array.from({ length: count }, () => pieces[Math.floor(random() * pieces.length)] ?? '').join('');
    for (let round = 0; round < 300; round += 1) {
      const before = some(1 + Math.floor(random() * 25));
      const after = some(3);
      const [whole, joined] = await both(before, after);
      expect(joined, JSON.stringify([before, after])).toBe(whole);
    }
  });

  it('is within its bound, without its colours where those are too much', async () => {
    const columns = 500;
    const rows = 200;
    const watched = new WatchedTerminal(1, { columns, rows }, true);
    let text = '';
    for (let row = 0; row < 300; row += 1) {
      for (let column = 0; column < columns; column += 1)
        text += `\x1b[1;3;4;38;2;${row % 256};${column % 256};7;48;2;9;${column % 256};${row % 256}mX`;
    }
    await watched.paintPast({ columns, rows }, [{ text }], true);
    const picture = watched.picture(0);
    watched.dispose();
    expect(JSON.stringify(picture).length).toBeLessThan(400_000);
    expect(picture).toMatchObject({ kind: 'screen', data: expect.stringContaining('XXXXXXXX') as string });
  });
});
