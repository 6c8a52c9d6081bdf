import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  type DemoIdentityProvider,
  startDemoIdentityProvider,
} from '../../../gateway-core/server/demo/identity-provider/index.js';
import { groupsOf, isLive, nextCheck, redeem, type SignedIn } from './check-setup.js';
import { authorizeUrl, Browser, Device, type Gateway, startGateway } from './support.js';

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

async function signIn(gateway: Gateway, account: string): Promise<SignedIn> {
  const browser = new Browser(gateway);
  const page = await browser.open(authorizeUrl());
  const { url } = await browser.submit(page, { account, password: 'demo' });
  const device = await Device.create();
  const { body } = await redeem(gateway, device, url.searchParams.get('code') ?? '');
  const ticket = String(body.access_token);
  const called = await device.call(gateway, ticket);
  if (!called.ok) throw called.error;
  return { device, ticket, signIn: called.actor.signIn, principal: called.actor.chain[0].id };
}

it('the demo provider confirms its people, also after a restart, until they are removed', async () => {
  const gateway = await startGateway({ providers: [demo.settings] });
  const [engineer, auditor] = [await signIn(gateway, 'engineer'), await signIn(gateway, 'auditor')];
  await nextCheck(gateway);
  await nextCheck(gateway);
  const { issuer } = demo;
  await demo.close();
  demo = await startDemoIdentityProvider({ dir: directory, port: 0 });
  expect(demo.issuer).toBe(issuer);
  await nextCheck(gateway);
  expect([await isLive(gateway, engineer), await isLive(gateway, auditor)]).toEqual([true, true]);
  expect(gateway.events.map((event) => event.kind)).toEqual(['identity.signed-in', 'identity.signed-in']);
  demo.people.setGroups('auditor', ['auditors', 'leads']);
  demo.people.remove('engineer');
  await nextCheck(gateway);
  expect([await isLive(gateway, engineer), await isLive(gateway, auditor)]).toEqual([false, true]);
  expect(await groupsOf(gateway, auditor)).toEqual(['auditors', 'leads']);
  if (process.platform !== 'win32')
    expect((await stat(join(directory, 'identity-provider-tokens.json'))).mode & 0o777).toBe(0o600);
});
