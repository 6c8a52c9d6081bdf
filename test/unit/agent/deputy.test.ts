import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import type { ClientState } from '../../../gateway-core/agent/client/state.js';
import { agentBehind } from '../../../gateway-core/agent/tunnel/deputy.js';
import { temporaryFolder } from '../../folders.js';
import { later, listen, onLinux, start } from './lineage/support.js';

const settings = (more: object = {}) =>
  ({ settings: () => Promise.resolve(more) }) as unknown as Pick<ClientState, 'settings'>;

/** Who is behind the socket of a program that is started as `words` say, the last of which gets the port. */
async function behind(
  words: readonly string[],
  more: { readonly env?: NodeJS.ProcessEnv; readonly settings?: object } = {},
): Promise<string | undefined> {
  const listener = await listen();
  start(process.execPath, [...words, String(listener.port)], more.env);
  return agentBehind(settings(more.settings))(await listener.accepted());
}

const connects = `require('node:net').connect(Number(process.argv.at(-1)), '127.0.0.1');`;
const startsAnother = `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(connects)}, process.argv.at(-1)], { env: {}, stdio: 'ignore' }); setInterval(() => undefined, 1000);`;

function script(name: string, text: string): string {
  const folder = temporaryFolder('deputy-');
  later(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('a program that has something done by the desktop', () => {
  onLinux(
    'is the person’s own where nothing stands above it that does not stand above the desktop',
    async () => {
      expect(await behind([script('browser.cjs', connects)])).toBeUndefined();
      expect(await behind([script('throughline.cjs', connects), 'connect', 'shop'])).toBeUndefined();
    },
  );

  onLinux('is an agent by its name, and below one', async () => {
    expect(await behind([script('claude.cjs', connects)])).toBe('claude');
    expect(await behind([script('claude.cjs', startsAnother)])).toBe('claude');
    const agents = [{ name: 'bot', match: ['mybot'] }];
    expect(await behind([script('mybot.cjs', connects)], { settings: { agents } })).toBe('bot');
  });

  onLinux('is one below `throughline run`, by the marker and without', async () => {
    const env = { THROUGHLINE_DELEGATION: 'dlg_01HZX3V9T5Q2M8K7N6P4R3S2T1' };
    expect(await behind([script('tool.cjs', connects)], { env })).toBe('throughline run');
    const run = script('throughline.cjs', startsAnother);
    expect(await behind([run, 'run', '--agent', 'x', '--', 'true'])).toBe('throughline run');
  });

  onLinux('is not looked up where the person has switched that off', async () => {
    const off = { settings: { lookUp: 'never' } };
    expect(await behind([script('claude.cjs', connects)], off)).toBeUndefined();
  });
});
