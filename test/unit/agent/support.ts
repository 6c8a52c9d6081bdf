import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import { login } from '../../../gateway-core/agent/client/login.js';
import { type ClientState, openState } from '../../../gateway-core/agent/client/state.js';
import type { LinkRecording } from '../../../gateway-core/agent/service/gateway-link.js';
import type { FakeGateway } from './fake-gateway.js';

/** A home of its own for the client, without any keyring. */
export async function temporaryHome(): Promise<{
  home: string;
  env: Record<string, string>;
  state: ClientState;
}> {
  const home = await mkdtemp(join(tmpdir(), 'throughline-home-'));
  const env = { THROUGHLINE_HOME: home, THROUGHLINE_KEYRING: 'off' };
  return { home, env, state: openState(env) };
}

export function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true });
}

/** Only root can start a process as another user; elsewhere the same law is tested with a look-up that is handed in. */
export const asRoot = process.getuid?.() === 0 ? test : undefined;
/** Where the kernel has the tables that the look-up reads. */
export const onLinux = process.platform === 'linux' ? test : undefined;

/** Signs in as the fake gateway's principal, the quick way. */
export function demoLogin(gateway: FakeGateway, state: ClientState): Promise<unknown> {
  const method = { kind: 'demo', user: 'contractor', secretFile: gateway.secretFile } as const;
  return login({ state, gateway: gateway.url, method, trust: {} });
}

/** For those who have nothing to do with this desktop's own record. */
export const noRecording: LinkRecording = {
  recorder: undefined,
  state: () => ({}),
  know: () => undefined,
  reached: () => undefined,
};
