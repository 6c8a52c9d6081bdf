import { expect, it } from 'vitest';
import { readMessage, writeMessage } from '../../../gateway-core/codec/ssh/messages.js';
import { sshBytes } from '../../../gateway-core/codec/ssh/wire.js';
import { openWorld } from './ssh-relay-world.js';

const [clientId, targetId] = [4, 9];

/** Whether a shell begins at the target. */
async function begins(options: {
  readonly terminal: boolean;
  readonly judgesLines: boolean;
}): Promise<boolean> {
  const world = openWorld(options.judgesLines);
  const request = (name: string, data: Buffer): Buffer =>
    writeMessage({ kind: 'request', recipient: targetId, name, wantReply: true, data });
  const room = { windowBytes: 100_000, packetBytesMax: 32_768, data: Buffer.alloc(0) };
  world.client.says(writeMessage({ kind: 'open', type: 'session', sender: clientId, ...room }));
  world.target.says(
    writeMessage({ kind: 'open-confirmation', recipient: clientId, sender: targetId, ...room }),
  );
  if (options.terminal) world.client.says(request('pty-req', sshBytes('xterm', 80, 24, 0, 0, '')));
  world.client.says(request('shell', Buffer.alloc(0)));
  world.journal.keepAll();
  await Promise.resolve();
  expect(world.broken).toEqual([]);
  world.client.stream.destroy();
  return world.target.sent.some((payload) => {
    const message = readMessage(payload);
    return message.kind === 'request' && message.name === 'shell';
  });
}

it('where a policy looks at lines, no shell runs without a terminal, which alone shows them', async () => {
  expect(await begins({ terminal: false, judgesLines: true })).toBe(false);
  expect(await begins({ terminal: true, judgesLines: true })).toBe(true);
  expect(await begins({ terminal: false, judgesLines: false })).toBe(true);
});
