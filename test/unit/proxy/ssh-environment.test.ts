import { describe, expect, it } from 'vitest';
import { readMessage, writeMessage } from '../../../gateway-core/codec/ssh/messages.js';
import { sshBytes } from '../../../gateway-core/codec/ssh/wire.js';
import { openWorld } from './ssh-relay-world.js';

const [clientId, targetId] = [4, 9];

/** Names of the requests that reach the target when a client sets the variable and starts the program. */
async function reached(
  name: string,
  value: string,
  start: readonly [name: string, text: string],
): Promise<string[]> {
  const world = openWorld();
  const request = (called: string, ...fields: string[]): Buffer =>
    writeMessage({
      kind: 'request',
      recipient: targetId,
      name: called,
      wantReply: true,
      data: sshBytes(...fields),
    });
  const room = { windowBytes: 100_000, packetBytesMax: 32_768, data: Buffer.alloc(0) };
  world.client.says(writeMessage({ kind: 'open', type: 'session', sender: clientId, ...room }));
  world.target.says(
    writeMessage({ kind: 'open-confirmation', recipient: clientId, sender: targetId, ...room }),
  );
  world.client.says(request('env', name, value));
  world.client.says(request(...start));
  world.journal.keepAll();
  await Promise.resolve();
  expect(world.broken).toEqual([]);
  world.client.stream.destroy();
  return world.target.sent
    .map((payload) => readMessage(payload))
    .flatMap((message) => (message.kind === 'request' && message.name !== 'env' ? [message.name] : []));
}

describe('a variable that a client sets', () => {
  it.each([
    ['LD_PRELOAD', '/home/me/x.so'],
    ['ENV', '/home/me/x'],
    // mksh takes them for numbers, and evaluates what they are when it starts.
    ['COLUMNS', 'a[$(rm x)]'],
    ['UNHEARD_OF', 'x'],
  ])('%s makes no program of a file server', async (name, value) => {
    expect(await reached(name, value, ['subsystem', 'sftp'])).toEqual([]);
  });

  it.each([
    ['LANG', 'de_DE.UTF-8'],
    ['LC_ALL', 'zh_CN.GBK'],
    ['TERM', 'xterm'],
    ['COLUMNS', '80'],
  ])('%s=%s is nothing to it', async (name, value) => {
    expect(await reached(name, value, ['subsystem', 'sftp'])).toEqual(['subsystem']);
  });
});
