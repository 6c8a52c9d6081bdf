import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientId, deviceGrant, paths } from '../../../gateway-core/contract/api.js';
import {
  type DemoIdentityProvider,
  startDemoIdentityProvider,
} from '../../../gateway-core/server/demo/identity-provider/index.js';
import {
  authorizeUrl,
  Browser,
  challenge,
  Device,
  type Gateway,
  holdLog,
  origin,
  startGateway,
  verdict,
  verifier,
} from './support.js';

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

const gatewayWithDemo = () => startGateway({ providers: [demo.settings] });

async function signInAtBrowser(gateway: Gateway, url: string, account: string): Promise<URL> {
  const browser = new Browser(gateway);
  const login = await browser.open(url);
  const landed = await browser.submit(login, { account, password: 'demo' });
  return landed.url;
}

const codeOf = (url: URL) => url.searchParams.get('code') ?? '';

function redeem(gateway: Gateway, device: Device, code: string, more: Record<string, string> = {}) {
  return device.post(gateway, paths.token, {
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: 'http://127.0.0.1:50123/callback',
    ...more,
  });
}

describe('sign-in by browser', () => {
  it('gives a ticket bound to the device key to whoever the provider vouches for, and records it first', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const landed = await signInAtBrowser(gateway, authorizeUrl({ dpop_jkt: device.thumbprint }), 'approver');
    expect(landed.origin).toBe('http://127.0.0.1:50123');
    expect(landed.searchParams.get('state')).toBe('client-state');
    expect(landed.searchParams.get('iss')).toBe(origin);
    const { status, body } = await redeem(gateway, device, codeOf(landed));
    expect(status).toBe(200);
    expect(body).toMatchObject({ token_type: 'DPoP', principal: 'demo/approver', expires_in: 600 });
    const called = await device.call(gateway, String(body.access_token));
    if (!called.ok) throw called.error;
    expect(called.actor).toMatchObject({
      chain: [{ id: 'demo/approver', kind: 'person', name: 'Ash Approver', assurance: 'proven' }],
      groups: ['engineers', 'dba'],
      deviceKey: device.thumbprint,
    });
    expect(gateway.events).toEqual([
      expect.objectContaining({
        kind: 'identity.signed-in',
        principal: 'demo/approver',
        method: 'browser',
        deviceKey: device.thumbprint,
      }),
    ]);
  });

  it('works on the IPv6 loopback redirect and with an Ed25519 key', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create('EdDSA');
    const redirectUri = 'http://[::1]:8123/callback';
    const landed = await signInAtBrowser(gateway, authorizeUrl({ redirect_uri: redirectUri }), 'admin');
    expect(landed.host).toBe('[::1]:8123');
    const { status } = await redeem(gateway, device, codeOf(landed), { redirect_uri: redirectUri });
    expect(status).toBe(200);
  });

  it('sends a wrong password back to the login page, and a cancel back to the client', async () => {
    const gateway = await gatewayWithDemo();
    const browser = new Browser(gateway);
    const login = await browser.open(authorizeUrl());
    const again = await browser.submit(login, { account: 'admin', password: 'wrong' });
    expect(again.status).toBe(401);
    expect(again.text).toContain('The password is wrong');
    const landed = await browser.submit(again, { cancel: 'yes' });
    expect(landed.url.searchParams.get('error')).toBe('access_denied');
    expect(landed.url.searchParams.get('state')).toBe('client-state');
    expect(landed.url.searchParams.get('iss')).toBe(origin);
    expect(landed.url.searchParams.has('code')).toBe(false);
    expect(gateway.events.map((event) => event.kind)).toEqual(['identity.refused']);
  });

  it('a code works once: a second use is refused and ends the sign-in of the first', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const code = codeOf(await signInAtBrowser(gateway, authorizeUrl(), 'engineer'));
    const first = await redeem(gateway, device, code);
    const ticket = String(first.body.access_token);
    expect(verdict(await device.call(gateway, ticket))).toBe('ok');
    const second = await redeem(gateway, device, code);
    expect(second).toMatchObject({ status: 400, body: { error: 'invalid_grant', code: 'sign-in-refused' } });
    expect(verdict(await device.call(gateway, ticket))).toBe('not-signed-in');
    expect(gateway.events.map((event) => event.kind)).toEqual([
      'identity.signed-in',
      'identity.signed-out',
      'identity.refused',
    ]);
  });

  it('two uses of one code at the same time leave no live sign-in', async () => {
    const gateway = await gatewayWithDemo();
    const [one, two] = [await Device.create(), await Device.create()];
    const code = codeOf(await signInAtBrowser(gateway, authorizeUrl(), 'engineer'));
    const log = holdLog(gateway, 2);
    const first = redeem(gateway, one, code);
    const second = redeem(gateway, two, code);
    // Both have taken the code, and both wait for the log.
    await log.waiting;
    log.release();
    expect((await first).body).toMatchObject({ error: 'invalid_grant' });
    expect((await second).body).toMatchObject({ error: 'invalid_grant' });
    const live = await gateway.state
      .selectFrom('sign_ins')
      .select('id')
      .where('ended_at_ms', 'is', null)
      .execute();
    expect(live).toEqual([]);
    expect(gateway.events.map((event) => event.kind)).toContain('identity.signed-out');
  });

  it.each([
    ['no code_verifier', { code_verifier: '' }],
    ['another code_verifier', { code_verifier: 'w'.repeat(43) }],
    ['the challenge itself as code_verifier', { code_verifier: challenge }],
    ['another redirect_uri', { redirect_uri: 'http://127.0.0.1:50124/callback' }],
  ])('a code with %s is refused and burnt', async (_name, wrong) => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const code = codeOf(await signInAtBrowser(gateway, authorizeUrl(), 'engineer'));
    expect((await redeem(gateway, device, code, wrong)).body).toMatchObject({ error: 'invalid_grant' });
    expect((await redeem(gateway, device, code)).body).toMatchObject({ error: 'invalid_grant' });
    expect(gateway.events.map((event) => event.kind)).toEqual(['identity.refused', 'identity.refused']);
  });

  it('a code is worthless with the key of another device when dpop_jkt was given', async () => {
    const gateway = await gatewayWithDemo();
    const [owner, thief] = [await Device.create(), await Device.create()];
    const code = codeOf(
      await signInAtBrowser(gateway, authorizeUrl({ dpop_jkt: owner.thumbprint }), 'engineer'),
    );
    expect((await redeem(gateway, thief, code)).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('a code expires after a minute', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const code = codeOf(await signInAtBrowser(gateway, authorizeUrl(), 'engineer'));
    gateway.clock.pass(60_000);
    expect((await redeem(gateway, device, code)).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('nobody is signed in when the log takes no events', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const code = codeOf(await signInAtBrowser(gateway, authorizeUrl(), 'engineer'));
    gateway.logFails = true;
    const answer = await redeem(gateway, device, code);
    expect(answer).toMatchObject({ status: 503, body: { code: 'not-recordable' } });
    expect(await gateway.state.selectFrom('sign_ins').selectAll().execute()).toEqual([]);
  });

  it("the provider's answer counts only in the browser that was sent there, and once", async () => {
    const gateway = await gatewayWithDemo();
    const attacker = new Browser(gateway);
    const login = await attacker.open(authorizeUrl());
    attacker.stopBefore = paths.callback;
    const stopped = (await attacker.submit(login, { account: 'contractor', password: 'demo' })).url.href;
    attacker.stopBefore = undefined;
    const victim = await gateway.fetch(stopped);
    expect(victim.status).toBe(400);
    expect(await victim.text()).toContain('another browser');
    // Even the right browser comes too late now.
    expect((await attacker.open(stopped)).status).toBe(400);
    expect(gateway.events).toEqual([
      expect.objectContaining({
        kind: 'identity.refused',
        reason: expect.stringContaining('another browser') as string,
      }),
    ]);
  });

  it('an answer after ten minutes is not taken', async () => {
    const gateway = await gatewayWithDemo();
    const browser = new Browser(gateway);
    const login = await browser.open(authorizeUrl());
    gateway.clock.pass(10 * 60_000);
    const landed = await browser.submit(login, { account: 'admin', password: 'demo' });
    expect(landed.url.pathname).toBe(paths.callback);
    expect(landed.status).toBe(400);
    expect(landed.text).toContain('older than ten minutes');
  });

  it('the claim and value of bootstrapAdmin add the group admin, and nobody else gets it', async () => {
    const gateway = await startGateway({
      providers: [demo.settings],
      config: { bootstrapAdmin: { claim: 'email', value: 'Engineer@demo.example' } },
    });
    const device = await Device.create();
    await redeem(gateway, device, codeOf(await signInAtBrowser(gateway, authorizeUrl(), 'engineer')));
    await redeem(gateway, device, codeOf(await signInAtBrowser(gateway, authorizeUrl(), 'approver')));
    expect(gateway.events).toMatchObject([
      { groups: ['engineers', 'admin'] },
      { groups: ['engineers', 'dba'] },
    ]);
  });
});

describe('what the authorization endpoint refuses', () => {
  it.each([
    'http://localhost:50123/callback',
    'https://127.0.0.1:50123/callback',
    'http://127.0.0.1/callback',
    'http://127.0.0.1:0/callback',
    'http://127.0.0.1:65536/callback',
    'http://127.0.0.1:50123/callback/',
    'http://127.0.0.1:50123/callback?x=1',
    'http://127.0.0.1:50123/callback#x',
    'http://127.0.0.1:50123/other',
    'http://127.0.0.1:50123@evil.example/callback',
    'http://user@127.0.0.1:50123/callback',
    'http://127.0.0.1.evil.example:50123/callback',
    'http://evil.example/callback',
    'http://127.0.0.2:50123/callback',
    'http://127.1:50123/callback',
    'http://2130706433:50123/callback',
    'http://127.0.0.1:50123\\@evil.example/callback',
    'http://127.0.0.1:50123/callback\n',
    ' http://127.0.0.1:50123/callback',
    '//evil.example/callback',
    'javascript:alert(1)',
    'throughline://callback',
  ])('never sends a browser to %j', async (redirectUri) => {
    const gateway = await gatewayWithDemo();
    for (const more of [{}, { response_type: 'token' }, { code_challenge: undefined }]) {
      const response = await gateway.fetch(authorizeUrl({ redirect_uri: redirectUri, ...more }));
      expect(response.status).toBe(400);
      expect(response.headers.get('location')).toBeNull();
      expect(await response.text()).not.toContain('evil.example');
    }
  });

  it.each([
    ['no PKCE', { code_challenge: undefined, code_challenge_method: undefined }],
    ['PKCE plain', { code_challenge_method: 'plain' }],
    ['PKCE without a method', { code_challenge_method: undefined }],
    ['a challenge that is no SHA-256', { code_challenge: 'short' }],
    ['no state', { state: undefined }],
    ['the implicit flow', { response_type: 'token' }],
    ['a fragment answer', { response_mode: 'fragment' }],
    ['a request object', { request: 'a.b.c' }],
    ['a request_uri', { request_uri: 'https://evil.example/' }],
    ['a malformed dpop_jkt', { dpop_jkt: 'x' }],
  ])('answers a request with %s with invalid_request and no code', async (_name, more) => {
    const gateway = await gatewayWithDemo();
    const response = await gateway.fetch(authorizeUrl(more));
    const location = new URL(response.headers.get('location') ?? '');
    expect(response.status).toBe(303);
    expect(location.origin).toBe('http://127.0.0.1:50123');
    expect(location.searchParams.get('error')).toBe('invalid_request');
    expect(location.searchParams.get('iss')).toBe(origin);
  });

  it('answers an unknown client, and a parameter that stands twice, with a page', async () => {
    const gateway = await gatewayWithDemo();
    expect((await gateway.fetch(authorizeUrl({ client_id: 'evil' }))).status).toBe(400);
    expect((await gateway.fetch(`${authorizeUrl()}&client_id=${clientId}`)).status).toBe(400);
  });

  it('lets the person choose among several providers, and names one that is down', async () => {
    const down = { ...demo.settings, name: 'down', issuer: 'http://127.0.0.1:9' };
    const gateway = await startGateway({ providers: [demo.settings, down] });
    const chooser = await gateway.fetch(authorizeUrl());
    const text = await chooser.text();
    expect(text).toContain('provider=demo');
    expect(text).toContain('provider=down');
    const page = await gateway.fetch(authorizeUrl({ provider: 'down' }));
    expect(page.status).toBe(503);
    expect(await page.text()).toContain('no answer from down');
    expect((await gateway.fetch(authorizeUrl({ provider: 'demo' }))).status).toBe(303);
    expect((await gateway.fetch(authorizeUrl({ provider: 'nobody' }))).status).toBe(200);
  });

  it('bounds the requests of one address, and leaves the next one alone', async () => {
    const gateway = await gatewayWithDemo();
    const from = (address: string) => gateway.fetch(authorizeUrl({ state: 's' }), {}, address);
    const answers = await Promise.all(Array.from({ length: 80 }, () => from('198.51.100.7')));
    expect(answers.some((answer) => answer.status === 429)).toBe(true);
    expect((await from('198.51.100.8')).status).toBe(303);
    gateway.clock.pass(10_000);
    expect((await from('198.51.100.7')).status).toBe(303);
  });

  it('every page forbids scripts and outside resources, and is not kept', async () => {
    const gateway = await startGateway({ providers: [demo.settings, { ...demo.settings, name: 'other' }] });
    for (const path of [authorizeUrl(), paths.authorize, paths.callback, paths.device]) {
      const response = await gateway.fetch(path);
      const text = await response.text();
      expect(response.headers.get('content-security-policy')).toMatch(
        /^default-src 'none'; style-src 'sha256-/,
      );
      expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(response.headers.get('cache-control')).toBe('no-store');
      expect(text).not.toMatch(/<script|<img|<link|\bon\w+=/i);
    }
  });
});

describe('sign-in of a device', () => {
  async function begin(gateway: Gateway, more: Record<string, string> = {}) {
    const response = await gateway.fetch(
      paths.deviceAuthorization,
      { method: 'POST', body: new URLSearchParams({ client_id: clientId, ...more }) },
      '203.0.113.9',
    );
    return (await response.json()) as {
      device_code: string;
      user_code: string;
      verification_uri_complete: string;
      interval: number;
    };
  }
  const poll = (gateway: Gateway, device: Device, code: string) =>
    device.post(gateway, paths.token, { grant_type: deviceGrant, device_code: code });

  it('shows which device asks, asks for a yes, and then gives the ticket to that device once', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const asked = await begin(gateway, { device_name: '<b>build</b> host', dpop_jkt: device.thumbprint });
    expect((await poll(gateway, device, asked.device_code)).body).toMatchObject({
      error: 'authorization_pending',
      code: 'sign-in-pending',
    });
    const browser = new Browser(gateway);
    const confirm = await browser.open(asked.verification_uri_complete);
    expect(confirm.text).toContain(asked.user_code);
    expect(confirm.text).toContain('&lt;b&gt;build&lt;/b&gt; host');
    expect(confirm.text).toContain('203.0.113.9');
    expect(confirm.text).toContain(device.thumbprint);
    const login = await browser.submit(confirm, { provider: 'demo' });
    const done = await browser.submit(login, { account: 'auditor', password: 'demo' });
    expect(done.text).toContain('demo/auditor');
    gateway.clock.pass(5_000);
    const answer = await poll(gateway, device, asked.device_code);
    expect(answer).toMatchObject({ status: 200, body: { principal: 'demo/auditor' } });
    expect(verdict(await device.call(gateway, String(answer.body.access_token)))).toBe('ok');
    expect(gateway.events).toMatchObject([{ kind: 'identity.signed-in', method: 'device-code' }]);
    gateway.clock.pass(5_000);
    expect((await poll(gateway, device, asked.device_code)).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('takes the code as a person types it, and none that does not wait', async () => {
    const gateway = await gatewayWithDemo();
    const { user_code: code } = await begin(gateway);
    const typed = ` ${code.toLowerCase().replace('-', ' ')} `;
    const page = await gateway.fetch(`${paths.device}?user_code=${encodeURIComponent(typed)}`);
    expect(await page.text()).toContain(code);
    expect((await gateway.fetch(`${paths.device}?user_code=BBBB-BBBB`)).status).toBe(404);
  });

  it('tells a device that polls too fast to slow down, and holds it to the longer wait', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const { device_code: code } = await begin(gateway);
    const errors: unknown[] = [];
    for (const waitMs of [0, 1_000, 6_000, 15_000]) {
      gateway.clock.pass(waitMs);
      errors.push((await poll(gateway, device, code)).body.error);
    }
    expect(errors).toEqual(['authorization_pending', 'slow_down', 'slow_down', 'authorization_pending']);
  });

  it('a refusal at the page ends the wait', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const asked = await begin(gateway);
    const browser = new Browser(gateway);
    await browser.submit(await browser.open(asked.verification_uri_complete), { refuse: 'yes' });
    expect((await poll(gateway, device, asked.device_code)).body).toMatchObject({ error: 'access_denied' });
    expect((await browser.open(asked.verification_uri_complete)).status).toBe(404);
  });

  it('an unanswered code expires', async () => {
    const gateway = await gatewayWithDemo();
    const device = await Device.create();
    const asked = await begin(gateway);
    gateway.clock.pass(10 * 60_000);
    expect((await poll(gateway, device, asked.device_code)).body).toMatchObject({ error: 'expired_token' });
    expect((await gateway.fetch(asked.verification_uri_complete)).status).toBe(404);
  });

  it('another key cannot collect what was approved for the first one', async () => {
    const gateway = await gatewayWithDemo();
    const [owner, thief] = [await Device.create(), await Device.create()];
    const asked = await begin(gateway);
    await poll(gateway, owner, asked.device_code);
    expect((await poll(gateway, thief, asked.device_code)).body).toMatchObject({ error: 'invalid_grant' });
  });

  it('an answer counts only with its own form, from its own origin and browser', async () => {
    const gateway = await gatewayWithDemo();
    const asked = await begin(gateway);
    const browser = new Browser(gateway);
    const confirm = await browser.open(asked.verification_uri_complete);
    const forged: [Record<string, string>, Record<string, string>][] = [
      [{ csrf: 'x'.repeat(43) }, {}],
      [{}, { origin: 'https://evil.example' }],
      [{}, { origin: 'null' }],
      [{}, { 'sec-fetch-site': 'same-site' }],
      [{}, { 'sec-fetch-site': 'cross-site' }],
    ];
    for (const [fields, headers] of forged)
      expect((await browser.submit(confirm, { provider: 'demo', ...fields }, headers)).status).toBe(400);
    expect((await new Browser(gateway).submit(confirm, { provider: 'demo' })).status).toBe(400);
    const { user_code: other } = await begin(gateway);
    expect((await browser.submit(confirm, { provider: 'demo', user_code: other })).status).toBe(400);
    expect((await browser.submit(confirm, { provider: 'demo' })).text).toContain('Demo sign-in');
  });
});

describe('the demo identity provider', () => {
  it('keeps its keys and its secret over a restart, in a file for its owner only', async () => {
    const again = await startDemoIdentityProvider({ dir: directory, port: 0 });
    expect(again.clientSecret).toBe(demo.clientSecret);
    const keys = (issuer: string) => fetch(`${issuer}/jwks`).then((response) => response.text());
    expect(await keys(again.issuer)).toBe(await keys(demo.issuer));
    await again.close();
    expect((await stat(join(directory, 'identity-provider.json'))).mode & 0o777).toBe(0o600);
  });

  it('does not start on keys that others can read or that are damaged', async () => {
    const other = await mkdtemp(join(tmpdir(), 'demo-idp-'));
    const path = join(other, 'identity-provider.json');
    await writeFile(path, await readFile(join(directory, 'identity-provider.json')), { mode: 0o600 });
    await chmod(path, 0o644);
    const start = () => startDemoIdentityProvider({ dir: other, port: 0 });
    await expect(start()).rejects.toMatchObject({ code: 'invalid-config' });
    await chmod(path, 0o600);
    await writeFile(path, '{');
    await expect(start()).rejects.toMatchObject({ code: 'invalid-config' });
    await rm(other, { recursive: true });
  });

  it('refuses a host name that is not its own, a stranger as callback, and a login without its browser', async () => {
    const status = await new Promise((resolve, reject) => {
      request(`${demo.issuer}/jwks`, { headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      })
        .on('error', reject)
        .end();
    });
    expect(status).toBe(421);
    const gateway = await gatewayWithDemo();
    const onward = await gateway.fetch(authorizeUrl());
    const url = new URL(onward.headers.get('location') ?? '');
    url.searchParams.set('redirect_uri', 'http://127.0.0.1:50123/elsewhere');
    const refused = await fetch(url, { redirect: 'manual' });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain('invalid_redirect_uri');
    const stray = await fetch(`${demo.issuer}/interaction/abc`);
    expect(stray.status).toBe(400);
    expect(stray.headers.get('content-security-policy')).toContain("default-src 'none'");
  });
});
