import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type DemoIdentityProvider,
  startDemoIdentityProvider,
} from '../../../gateway-core/server/demo/identity-provider/index.js';
import { authorizeUrl, startGateway } from './support.js';

let directory = '';
let demo: DemoIdentityProvider;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'demo-idp-'));
  demo = await startDemoIdentityProvider({ dir: directory, port: 0 });
});
afterAll(async () => {
  await demo.close();
  await rm(directory, { recursive: true });
});

describe('a provider that starts beside the gateway', () => {
  it('says so when no provider is there', async () => {
    const gateway = await startGateway();
    expect((await gateway.fetch(authorizeUrl())).status).toBe(503);
  });

  it('who comes while a provider starts waits for it, and is not turned away', async () => {
    const gateway = await startGateway();
    let ready: (settings: typeof demo.settings) => void = () => undefined;
    const known = gateway.identity.expectProvider(new Promise((resolve) => (ready = resolve)));
    const coming = gateway.fetch(authorizeUrl());
    ready(demo.settings);
    await known;
    expect((await coming).status).toBe(303);
  });

  it('a provider that does not start is told to who starts it, and to who waits for it', async () => {
    const gateway = await startGateway();
    const known = gateway.identity.expectProvider(Promise.reject(new Error('no port')));
    await expect(known).rejects.toThrow('no port');
    expect((await gateway.fetch(authorizeUrl())).status).toBe(503);
  });
});
