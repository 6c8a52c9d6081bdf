import { spawn } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { api } from '../../../gateway-core/agent/client/api.js';
import type { BrowserSignIn } from '../../../gateway-core/agent/client/browser.js';
import { openGateway } from '../../../gateway-core/agent/client/gateway.js';
import {
  type LoginOptions,
  login,
  logout,
  type TrustSources,
} from '../../../gateway-core/agent/client/login.js';
import type { ClientState } from '../../../gateway-core/agent/client/state.js';
import { gatewayOrigin, parseFingerprint } from '../../../gateway-core/agent/client/trust.js';
import type { DeviceAuthorizationResponse } from '../../../gateway-core/contract/api.js';
import { type FakeGateway, startFakeGateway } from './fake-gateway.js';
import { asRoot, demoLogin, remove, temporaryHome } from './support.js';

let fake: FakeGateway;
let state: ClientState;
let home: string;

beforeAll(async () => {
  fake = await startFakeGateway();
});
afterAll(async () => {
  await fake.kill();
  await remove(fake.directory);
});
beforeEach(async () => {
  ({ state, home } = await temporaryHome());
  Object.assign(fake.behaviour, { issuer: undefined, demo: true, deviceAnswers: [] });
  fake.requests.length = 0;
});
afterEach(() => remove(home));

interface Page {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

/** A plain HTTP GET to loopback, as a browser or an attacker would send it. */
function get(url: string, more: { method?: string; headers?: Record<string, string> } = {}): Promise<Page> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method: 'GET', ...more }, (message) => {
      const { statusCode: status = 0, headers } = message;
      text(message).then((body) => resolve({ status, headers, body }), reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The gateway's answer to the authorization request: where the browser is sent. */
async function redirectOf(authorizeUrl: string): Promise<URL> {
  const url = new URL(authorizeUrl);
  const { request: secure } = await import('node:https');
  return new Promise((resolve, reject) => {
    const outgoing = secure(url, { ca: fake.certificates.caPem, agent: false }, (message) => {
      message.resume();
      resolve(new URL(message.headers.location ?? ''));
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function browserLogin(
  act: (pending: BrowserSignIn) => Promise<void>,
  trust: TrustSources = { caFile: fake.caFile },
) {
  let acted: Promise<void> = Promise.resolve();
  const done = login({
    state,
    gateway: fake.url,
    trust,
    method: {
      kind: 'browser',
      show: (pending) => {
        acted = act(pending);
        acted.catch(() => pending.close());
      },
    },
  });
  return { done, acted: async () => acted };
}

describe('the browser sign-in', () => {
  test('ends on our page and leaves a usable sign-in', async () => {
    let page: Page | undefined;
    const { done, acted } = browserLogin(async (pending) => {
      const start = await get(pending.startUrl);
      expect(start.status).toBe(302);
      expect(start.headers['location']).toBe(pending.authorizeUrl);
      page = await get((await redirectOf(pending.authorizeUrl)).href);
    });
    await expect(done).resolves.toMatchObject({ principal: 'demo/contractor' });
    await acted();
    expect(page?.body).toContain('You are signed in as demo/contractor');
    expect(page?.headers['content-security-policy']).toContain("default-src 'none'");
    const gateway = await openGateway(fake.url, { state });
    await expect(api.whoami(gateway)).resolves.toMatchObject({ principal: 'demo/contractor' });
    gateway.close();
  });

  test('the authorization request is PKCE with S256, bound to the device key, on a loopback address', async () => {
    const { done, acted } = browserLogin(async (pending) => {
      const query = new URL(pending.authorizeUrl).searchParams;
      expect(query.get('code_challenge_method')).toBe('S256');
      expect(query.get('code_challenge')).toMatch(/^[\w-]{43}$/);
      expect(query.get('dpop_jkt')).toMatch(/^[\w-]{43}$/);
      expect(query.get('state')).toMatch(/^[\w-]{43}$/);
      expect(query.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/);
      await get((await redirectOf(pending.authorizeUrl)).href);
    });
    await done;
    await acted();
  });

  test('what a program is started with holds neither state nor challenge, and works once', async () => {
    const { done, acted } = browserLogin(async (pending) => {
      const query = new URL(pending.authorizeUrl).searchParams;
      expect(pending.startUrl).not.toContain(query.get('state'));
      expect(pending.startUrl).not.toContain(query.get('code_challenge'));
      expect((await get(`${pending.startUrl}x`)).status).toBe(403);
      expect((await get(pending.startUrl)).status).toBe(302);
      expect((await get(pending.startUrl)).status).toBe(403);
      await get((await redirectOf(pending.authorizeUrl)).href);
    });
    await done;
    await acted();
  });

  test('another host name, path, method or state is refused and changes nothing', async () => {
    const { done, acted } = browserLogin(async (pending) => {
      const answer = await redirectOf(pending.authorizeUrl);
      expect((await get(answer.href, { headers: { host: `localhost:${answer.port}` } })).status).toBe(421);
      expect((await get(answer.href, { headers: { host: 'evil.example' } })).status).toBe(421);
      expect((await get(`${answer.origin}/`)).status).toBe(404);
      expect((await get(`${answer.origin}/callback/..%2f`)).status).toBe(404);
      expect((await get(answer.href, { method: 'POST' })).status).toBe(405);
      const forged = new URL(answer);
      forged.searchParams.set('state', 'x'.repeat(43));
      expect((await get(forged.href)).status).toBe(400);
      const doubled = new URL(answer);
      doubled.searchParams.append('state', 'x');
      expect((await get(doubled.href)).status).toBe(400);
      expect((await get(answer.href)).status).toBe(200);
    });
    await expect(done).resolves.toMatchObject({ principal: 'demo/contractor' });
    await acted();
  });

  asRoot?.('another user of the machine is not answered', async () => {
    const { done, acted } = browserLogin(async (pending) => {
      const answer = await redirectOf(pending.authorizeUrl);
      const code = `require('node:http').get(${JSON.stringify(answer.href)}, () => console.log('answered'))
        .on('error', () => console.log('refused'))`;
      const child = spawn(process.execPath, ['-e', code], { uid: 65_534, gid: 65_534, cwd: '/' });
      expect(await text(child.stdout)).toBe('refused\n');
      await get(answer.href);
    });
    await expect(done).resolves.toMatchObject({ principal: 'demo/contractor' });
    await acted();
  });

  test('an answer of another issuer is refused', async () => {
    const { done } = browserLogin(async (pending) => {
      const answer = await redirectOf(pending.authorizeUrl);
      answer.searchParams.set('iss', 'https://evil.example');
      await get(answer.href);
    });
    await expect(done).rejects.toMatchObject({ code: 'sign-in-refused' });
    await expect(openGateway(fake.url, { state })).rejects.toMatchObject({ code: 'not-signed-in' });
  });

  test('a refusal of the provider is told in the terminal and, escaped, in the browser', async () => {
    let page: Page | undefined;
    const { done, acted } = browserLogin(async (pending) => {
      const answer = await redirectOf(pending.authorizeUrl);
      answer.searchParams.delete('code');
      answer.searchParams.set('error', 'access_denied');
      answer.searchParams.set('error_description', '<script>alert(1)</script>');
      page = await get(answer.href);
    });
    await expect(done).rejects.toMatchObject({ code: 'sign-in-refused' });
    await acted();
    expect(page?.body).toContain('&lt;script&gt;');
    expect(page?.body).not.toContain('<script>');
  });

  test('a code that somebody else asked for is refused by the gateway', async () => {
    const { done } = browserLogin(async (pending) => {
      const url = new URL(pending.authorizeUrl);
      url.searchParams.set('code_challenge', 'A'.repeat(43));
      await get((await redirectOf(url.href)).href);
    });
    await expect(done).rejects.toMatchObject({ code: 'sign-in-refused' });
  });
});

describe('the device sign-in', () => {
  const method = (shown: DeviceAuthorizationResponse[]): LoginOptions['method'] => ({
    kind: 'device',
    show: (pending) => shown.push(pending),
  });

  test('waits while nobody confirmed, and ends signed in', async () => {
    fake.behaviour.deviceAnswers = ['authorization_pending', 'authorization_pending'];
    const shown: DeviceAuthorizationResponse[] = [];
    const trust = { caFile: fake.caFile };
    await expect(login({ state, gateway: fake.url, method: method(shown), trust })).resolves.toMatchObject({
      principal: 'demo/contractor',
    });
    expect(shown.map(({ user_code }) => user_code)).toEqual(['ABCD-EFGH']);
  });

  test('a refusal ends it at once', async () => {
    fake.behaviour.deviceAnswers = ['access_denied'];
    const trust = { caFile: fake.caFile };
    await expect(login({ state, gateway: fake.url, method: method([]), trust })).rejects.toMatchObject({
      code: 'sign-in-refused',
    });
  });
});

describe('the demo sign-in', () => {
  test('a secret file that others may read is refused and never sent', async () => {
    const secretFile = join(home, 'secret');
    await writeFile(secretFile, fake.secret, { mode: 0o644 });
    await chmod(secretFile, 0o644);
    const method = { kind: 'demo', user: 'contractor', secretFile } as const;
    const trust = { caFile: fake.caFile };
    await expect(login({ state, gateway: fake.url, method, trust })).rejects.toMatchObject({
      code: 'invalid-config',
    });
    expect(fake.bodies.some((body) => body.includes(fake.secret))).toBe(false);
  });

  test('the secret is never sent to a gateway that is no demo', async () => {
    fake.behaviour.demo = false;
    fake.bodies.length = 0;
    await expect(demoLogin(fake, state)).rejects.toMatchObject({ code: 'sign-in-refused' });
    expect(fake.bodies.some((body) => body.includes(fake.secret))).toBe(false);
  });

  test('signing in again keeps the device key', async () => {
    await demoLogin(fake, state);
    const before = await state.signIn(fake.url);
    await demoLogin(fake, state);
    const after = await state.signIn(fake.url);
    expect(after?.deviceKey).toEqual(before?.deviceKey);
    expect(after?.tokens?.accessToken).not.toBe(before?.tokens?.accessToken);
  });
});

describe('trust in the gateway', () => {
  const device: LoginOptions['method'] = { kind: 'device', show: () => undefined };
  const tryLogin = (trust: TrustSources) => login({ state, gateway: fake.url, method: device, trust });

  test('a certificate that nobody vouches for is refused with its fingerprint, and nothing is sent', async () => {
    await expect(tryLogin({})).rejects.toMatchObject({
      code: 'gateway-unreachable',
      message: expect.stringContaining(fake.certificates.caFingerprint) as string,
      action: expect.stringContaining('--fingerprint') as string,
    });
    expect(fake.requests).toEqual([]);
  });

  test('a person who is asked and says no ends it, yes pins the authority for later', async () => {
    const asked: string[] = [];
    const confirm = (answer: boolean) => async (_: string, fingerprint: string) => {
      asked.push(fingerprint);
      return answer;
    };
    await expect(tryLogin({ confirm: confirm(false) })).rejects.toMatchObject({
      code: 'gateway-unreachable',
    });
    expect(fake.requests).toEqual([]);
    await tryLogin({ confirm: confirm(true) });
    expect(asked).toEqual([fake.certificates.caFingerprint, fake.certificates.caFingerprint]);
    await tryLogin({});
    expect(asked).toHaveLength(2);
  });

  test.each(['caFingerprint', 'leafFingerprint'] as const)(
    'a pinned %s lets exactly that gateway in',
    async (which) => {
      await tryLogin({ fingerprint: fake.certificates[which].toUpperCase().replaceAll(/..(?!$)/g, '$&:') });
      const gateway = await openGateway(fake.url, { state });
      await expect(api.whoami(gateway)).resolves.toMatchObject({ principal: 'demo/contractor' });
      const stream = await gateway.openStream('shop-db');
      stream.end('through a pinned certificate');
      expect(await text(stream)).toBe('through a pinned certificate');
      gateway.close();
    },
  );

  test('another fingerprint is refused before anything is sent', async () => {
    await expect(tryLogin({ fingerprint: 'ab'.repeat(32) })).rejects.toMatchObject({
      code: 'gateway-unreachable',
    });
    expect(fake.requests).toEqual([]);
  });

  test('a gateway that shows another certificate later is refused, by pin and by authority', async () => {
    const impostor = await startFakeGateway();
    for (const trust of [{ fingerprint: fake.certificates.leafFingerprint }, { caFile: fake.caFile }]) {
      await tryLogin(trust);
      const signIn = await state.signIn(fake.url);
      const { gateways } = await state.settings();
      const kept = gateways[fake.url];
      if (signIn === undefined || kept === undefined) throw new Error('signed in');
      await state.saveSignIn({ ...signIn, gateway: impostor.url });
      await state.changeSettings((settings) => ({ ...settings, gateways: { [impostor.url]: kept } }));
      const gateway = await openGateway(impostor.url, { state });
      await expect(api.whoami(gateway)).rejects.toMatchObject({
        code: 'gateway-unreachable',
        fields: { reason: 'certificate' },
      });
      await expect(gateway.openStream('shop-db')).rejects.toMatchObject({ code: 'gateway-unreachable' });
      gateway.close();
    }
    expect(impostor.requests).toEqual([]);
    await impostor.kill();
    await remove(impostor.directory);
  });

  test('NODE_TLS_REJECT_UNAUTHORIZED=0 switches nothing off', async () => {
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    await demoLogin(fake, state);
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      await state.changeSettings((settings) => ({
        ...settings,
        gateways: { [fake.url]: { trust: { kind: 'system' } } },
      }));
      const gateway = await openGateway(fake.url, { state });
      await expect(api.whoami(gateway)).rejects.toMatchObject({ code: 'gateway-unreachable' });
      gateway.close();
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
    }
  });

  test('a CA file that others may change is not trusted by itself', async () => {
    await chmod(fake.caFile, 0o666);
    try {
      await expect(demoLogin(fake, state)).rejects.toMatchObject({ code: 'gateway-unreachable' });
    } finally {
      await chmod(fake.caFile, 0o644);
    }
  });

  test('a gateway that calls itself by another address is not signed in to', async () => {
    fake.behaviour.issuer = 'https://gateway.example';
    await expect(demoLogin(fake, state)).rejects.toMatchObject({ code: 'sign-in-refused' });
  });

  test('a gateway is an https origin and nothing more', () => {
    expect(gatewayOrigin('https://GATEWAY.example:443/')).toBe('https://gateway.example');
    for (const bad of [
      'http://127.0.0.1',
      'https://a@b',
      'https://a/b',
      'https://a?b',
      'ftp://x',
      'nonsense',
      '',
    ]) {
      expect(() => gatewayOrigin(bad)).toThrow();
    }
    expect(() => parseFingerprint('abc')).toThrow();
  });
});

describe('signing out', () => {
  test('ends the sign-in at the gateway and removes the tokens here', async () => {
    await demoLogin(fake, state);
    const before = await state.signIn(fake.url);
    await expect(logout(state, fake.url)).resolves.toBe(true);
    expect(fake.revoked).toContain(before?.tokens?.refreshToken);
    expect((await state.signIn(fake.url))?.tokens).toBeUndefined();
    await expect(logout(state, fake.url)).resolves.toBe(false);
  });

  test('removes the tokens here also when the gateway is gone, and says that it was not told', async () => {
    const gone = await startFakeGateway();
    await demoLogin(gone, state);
    await gone.kill();
    await expect(logout(state, gone.url)).rejects.toMatchObject({ code: 'gateway-unreachable' });
    expect((await state.signIn(gone.url))?.tokens).toBeUndefined();
    await remove(gone.directory);
  });
});
