import { expect, it } from 'vitest';
import { terminalInputCharactersMax } from '../../../../gateway-core/contract/bridge/ssh.js';
import { Input, inputWaitingMax } from '../../../../renderer/features/terminal/input.js';

interface Sent {
  readonly text: string;
  readonly binary: boolean;
  readonly done: (failed?: Error) => void;
}

function start() {
  const sent: Sent[] = [];
  const failures: unknown[] = [];
  const input = new Input(
    (text, binary) =>
      new Promise((resolve, reject) => {
        sent.push({
          text,
          binary,
          done: (failed) => (failed === undefined ? resolve(undefined) : reject(failed)),
        });
      }),
    (cause) => failures.push(cause),
  );
  return { input, sent, failures };
}
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

it('what is typed while one piece is under way goes together, in order', async () => {
  const { input, sent } = start();
  for (const letter of 'abc') input.add(letter);
  expect(sent.map(({ text }) => text)).toEqual(['a']);
  sent[0]?.done();
  await turn();
  expect(sent.map(({ text }) => text)).toEqual(['a', 'bc']);
});

it('bytes of a mouse are not taken for text', async () => {
  const { input, sent } = start();
  input.add('a');
  input.add('\u00ff', true);
  input.add('b');
  sent[0]?.done();
  await turn();
  sent[1]?.done();
  await turn();
  expect(sent.map(({ text, binary }) => [text, binary])).toEqual([
    ['a', false],
    ['\u00ff', true],
    ['b', false],
  ]);
});

it('a long paste goes in pieces, each once the last was taken', async () => {
  const { input, sent } = start();
  const text = 'x'.repeat(terminalInputCharactersMax * 2 + 5);
  input.add(text);
  for (let index = 0; index < 3; index += 1) {
    expect(sent).toHaveLength(index + 1);
    sent[index]?.done();
    await turn();
  }
  expect(sent.map((each) => each.text).join('')).toBe(text);
});

it('more than is allowed to wait is not taken', () => {
  const { input } = start();
  expect(input.add('x'.repeat(inputWaitingMax))).toBe(true);
  expect(input.add('x'.repeat(inputWaitingMax))).toBe(false);
});

it('what was meant for a shell that is over goes to no other', async () => {
  const { input, sent, failures } = start();
  input.add('a');
  input.add('rm -rf build\r');
  sent[0]?.done(new Error('no shell'));
  await turn();
  expect(failures).toHaveLength(1);
  input.add('b');
  expect(sent.map(({ text }) => text)).toEqual(['a', 'b']);
});
