import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ClientState } from '../../../../gateway-core/agent/client/state.js';
import { GatewayLink } from '../../../../gateway-core/agent/service/gateway-link.js';
import { serviceLimits } from '../../../../gateway-core/agent/service/limits.js';
import { type LiveItem, paths } from '../../../../gateway-core/contract/api.js';
import type { AppState } from '../../../../gateway-core/contract/bridge/app.js';
import { eventually } from '../../../eventually.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from '../fake-gateway.js';
import { demoLogin, noRecording, remove, temporaryHome } from '../support.js';

/** How long the link wanted to wait, each time; short waits are made shorter, so that a count of them is soon there. */
const waits = vi.hoisted((): number[] => []);
vi.mock(import('node:timers/promises'), async (original) => {
  const real = await original();
  const setTimeout = (ms: number, value: unknown, options: object) => {
    waits.push(ms);
    return real.setTimeout(ms < 10_000 ? 1 : ms, value, options);
  };
  return { ...real, setTimeout: setTimeout as typeof real.setTimeout };
});

let fake: FakeGateway;
let state: ClientState;
let home: string;
/** Readers of the live feed, newest last. */
let feeds: ServerResponse[] = [];
let told: { readonly name: string; readonly payload: unknown }[] = [];
let endings: string[] = [];
let begun = 0;
const links: GatewayLink[] = [];

beforeEach(async () => {
  fake = await startFakeGateway();
  ({ home, state } = await temporaryHome());
  feeds = [];
  told = [];
  endings = [];
  begun = 0;
  const live: RouteHandler = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    feeds.push(response);
    tell({ kind: 'beat', at: new Date().toISOString() });
  };
  fake.behaviour.routes[`GET ${paths.live}`] = live;
});
afterEach(async () => {
  for (const each of links.splice(0)) each.close();
  await fake.kill();
  await remove(home);
});

const tell = (item: LiveItem): void => void feeds.at(-1)?.write(`${JSON.stringify(item)}\n`);

function link(openBrowser: (url: string) => void = () => undefined): GatewayLink {
  const made = new GatewayLink({
    state,
    emit: (name, payload) => void told.push({ name, payload }),
    openBrowser,
    facts: { version: '0', platform: 'test' },
    ended: (why) => {
      endings.push(why);
      return Promise.resolve();
    },
    recording: noRecording,
    begun: () => {
      begun += 1;
    },
  });
  links.push(made);
  return made;
}

/** Signed in, and the feed is read. */
async function connected(): Promise<GatewayLink> {
  await demoLogin(fake, state);
  const made = link();
  await made.start();
  await reads(1);
  return made;
}

const reads = (count: number): Promise<void> => eventually(() => expect(feeds).toHaveLength(count));
const app = (of: GatewayLink): string => {
  const { gateway, signIn } = of.appState();
  return `${gateway?.reach} ${signIn.state}`;
};
const is = (of: GatewayLink, wanted: string): Promise<void> => eventually(() => expect(app(of)).toBe(wanted));
const events = (name: string): unknown[] =>
  told.flatMap((each) => (each.name === name ? [each.payload] : []));
const requests = (path: string): number => fake.requests.filter((each) => each.endsWith(path)).length;

describe('the link to the gateway', () => {
  it('at the first start goes nowhere and says so', async () => {
    const made = link();
    await made.start();
    expect(made.appState()).toMatchObject({ signIn: { state: 'signed-out' } });
    expect(made.appState().gateway).toBeUndefined();
    expect(() => made.current()).toThrow('nobody is signed in');
  });

  it('goes to the gateway of the last time, as the person of the last time', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    expect(made.principal()).toBe('demo/contractor');
    expect(begun).toBe(1);
    await eventually(() => expect(events('resync')).toHaveLength(1));
    expect((events('app.changed').at(-1) as AppState).gateway?.url).toBe(fake.url);
  });

  it('has everything read again once the feed is open, not before: else what happens between is never told', async () => {
    const silent: RouteHandler = (_, response) => {
      response.writeHead(200, { 'content-type': 'application/x-ndjson' }).flushHeaders();
      feeds.push(response);
    };
    fake.behaviour.routes[`GET ${paths.live}`] = silent;
    const made = await connected();
    await is(made, 'connected signed-in');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events('resync')).toEqual([]);
    tell({ kind: 'beat', at: new Date().toISOString() });
    await eventually(() => expect(events('resync')).toHaveLength(1));
  });

  it('passes on what the gateway tells as it happens, and asks again what it may when rights change', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    const asked = requests(paths.whoami);
    tell({ kind: 'rights' });
    await eventually(() => expect(events('connections.changed')).toHaveLength(1));
    expect(requests(paths.whoami)).toBe(asked + 1);
    tell({ kind: 'resync' });
    await eventually(() => expect(events('resync')).toHaveLength(2));
  });

  it('that breaks is made again, and everything is read again; the sign-in and what hangs on it stay', async () => {
    const made = await connected();
    const before = made.current();
    fake.cut();
    await reads(2);
    await eventually(() => expect(events('resync')).toHaveLength(2));
    await is(made, 'connected signed-in');
    expect(made.current()).toBe(before);
    expect(begun).toBe(1);
    expect(endings).toEqual([]);
    expect(events('notice')).toEqual([]);
  });

  it('to a gateway that is away is tried less and less often, up to a bound, and says why', async () => {
    const made = await connected();
    waits.length = 0;
    fake.behaviour.down = true;
    fake.cut();
    await eventually(() => expect(waits.length).toBeGreaterThan(9));
    expect(app(made)).toBe('unreachable signed-in');
    expect(made.appState().gateway?.problem).toMatchObject({ code: 'gateway-unreachable' });
    const { retryDelayMs, retryDelayMsMax } = serviceLimits;
    expect(waits.slice(0, 8)).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((count) => Math.min(retryDelayMs * 2 ** count, retryDelayMsMax)),
    );
    fake.behaviour.down = false;
    await is(made, 'connected signed-in');
    expect(made.appState().gateway?.problem).toBeUndefined();
    await eventually(() => expect(events('resync')).toHaveLength(2));
    waits.length = 0;
    fake.behaviour.down = true;
    fake.cut();
    await eventually(() => expect(waits[0]).toBe(retryDelayMs));
  });

  it('to a gateway that lets us in and hangs up is tried less and less often, too', async () => {
    const hangUp: RouteHandler = (_, response) => void response.writeHead(200).end();
    fake.behaviour.routes[`GET ${paths.live}`] = hangUp;
    await demoLogin(fake, state);
    waits.length = 0;
    await link().start();
    await eventually(() => expect(waits.length).toBeGreaterThan(6));
    expect(waits.slice(0, 6)).toEqual([250, 500, 1000, 2000, 4000, 5000]);
  });

  it('is tried at once when the person says so', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    made.reconnect();
    await reads(2);
  });

  it('notices that the clock of this machine is wrong', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    await eventually(() => expect(made.appState().gateway?.clockSkewMs).toBeDefined());
    const changes = events('app.changed').length;
    tell({ kind: 'beat', at: new Date(Date.now() - 3_600_000).toISOString() });
    await eventually(() => expect(made.appState().gateway?.clockSkewMs).toBeGreaterThan(3_590_000));
    expect(events('app.changed').length).toBe(changes + 1);
  });

  it('that is closed tells nothing more', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    made.close();
    told = [];
    fake.cut();
    made.reconnect();
    await new Promise((resolve) => setImmediate(resolve));
    expect(told).toEqual([]);
  });
});

describe('signing out', () => {
  it('ends everything, here and at the gateway, and is no news to the person', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    const out = made.signOut();
    // The gateway ends what it tells to a sign-in that is over.
    fake.cut();
    await out;
    await is(made, 'connected signed-out');
    expect(endings).toEqual(['signed-out']);
    expect(fake.revoked).toHaveLength(1);
    expect(made.principal()).toBe('');
    expect(() => made.current()).toThrow('nobody is signed in');
    expect((await state.signIn(fake.url))?.tokens).toBeUndefined();
    expect(events('notice')).toEqual([]);
    expect(feeds).toHaveLength(1);
  });

  it('forgets the sign-in also when the gateway is away, and when something cannot be ended', async () => {
    await demoLogin(fake, state);
    const made = new GatewayLink({
      state,
      emit: () => undefined,
      openBrowser: () => undefined,
      facts: { version: '0', platform: 'test' },
      ended: () => Promise.reject(new Error('a tunnel does not close')),
      recording: noRecording,
      begun: () => undefined,
    });
    links.push(made);
    await made.start();
    await reads(1);
    fake.behaviour.down = true;
    fake.cut();
    await expect(made.signOut()).rejects.toMatchObject({ code: 'gateway-unreachable' });
    expect(made.appState().signIn).toEqual({ state: 'signed-out' });
    expect((await state.signIn(fake.url))?.tokens).toBeUndefined();
  });

  it('by the gateway ends everything and is told once; the dead sign-in is not tried again', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    const refreshes = requests(paths.token);
    fake.endSignIns();
    fake.cut();
    await is(made, 'connected signed-out');
    await eventually(() => expect(waits.at(-1)).toBe(serviceLimits.lookIntervalMs));
    expect(endings).toEqual(['signed-out']);
    expect(events('notice')).toHaveLength(1);
    made.reconnect();
    await eventually(() => expect(requests(paths.gateway)).toBeGreaterThan(3));
    expect(requests(paths.token)).toBe(refreshes + 1);
    expect(events('notice')).toHaveLength(1);
  });

  it('by the gateway is noticed by the call that it refuses, and signing in elsewhere on this device helps', async () => {
    const made = await connected();
    await is(made, 'connected signed-in');
    fake.endSignIns();
    const call = made.with((gateway) => gateway.text({ method: 'GET', path: paths.whoami }));
    await expect(call).rejects.toMatchObject({ code: 'not-signed-in' });
    await is(made, 'connected signed-out');
    await demoLogin(fake, state);
    made.reconnect();
    await is(made, 'connected signed-in');
    expect(begun).toBe(2);
  });

  it('by another program of this device is noticed at the next break', async () => {
    const made = await connected();
    const { tokens: _, ...rest } = (await state.signIn(fake.url)) ?? { v: 1, gateway: '', deviceKey: {} };
    await state.saveSignIn(rest as Parameters<ClientState['saveSignIn']>[0]);
    fake.cut();
    await is(made, 'connected signed-out');
    expect(endings).toEqual(['signed-out']);
  });
});

describe('signing in with the browser', () => {
  /** The browser: follows the loopback address to the gateway and back. */
  const browser = async (url: string): Promise<void> => {
    const start = await fetch(url, { redirect: 'manual' });
    const authorize = new URL(start.headers.get('location') ?? '');
    const callback = new URL(authorize.searchParams.get('redirect_uri') ?? '');
    // What the fake gateway's page answers, without its certificate.
    expect(authorize.origin).toBe(fake.url);
    callback.search = new URLSearchParams({
      error: 'access_denied',
      state: authorize.searchParams.get('state') ?? '',
      iss: fake.url,
    }).toString();
    await fetch(callback);
  };

  async function chosen(openBrowser?: (url: string) => void): Promise<GatewayLink> {
    await demoLogin(fake, state);
    const made = link(openBrowser);
    await made.start();
    await reads(1);
    await made.signOut();
    await is(made, 'connected signed-out');
    told = [];
    return made;
  }

  it('that is refused is told, and nothing waits any more', async () => {
    const opened: string[] = [];
    const made = await chosen((url) => void opened.push(url));
    const url = await made.signIn();
    expect(opened).toEqual([url]);
    expect(made.appState().signIn).toEqual({ state: 'pending', url });
    await browser(url);
    await eventually(() => expect(made.appState().signIn).toEqual({ state: 'signed-out' }));
    expect(events('notice')).toMatchObject([{ level: 'error', title: 'Not signed in' }]);
  });

  it('that is cancelled is not told, and its end does not disturb the next one', async () => {
    const made = await chosen();
    const first = await made.signIn();
    const second = await made.signIn();
    expect(made.appState().signIn).toEqual({ state: 'pending', url: second });
    // Its browser page is closed, or answers late: either way it is nobody's business.
    await browser(first).catch(() => undefined);
    expect(made.appState().signIn).toEqual({ state: 'pending', url: second });
    made.cancelSignIn();
    expect(made.appState().signIn).toEqual({ state: 'signed-out' });
    expect(events('notice')).toEqual([]);
  });

  it('that is cancelled before its page is there opens no browser', async () => {
    const opened: string[] = [];
    const made = await chosen((url) => void opened.push(url));
    const signingIn = made.signIn();
    made.cancelSignIn();
    await expect(signingIn).rejects.toMatchObject({ code: 'sign-in-refused' });
    expect(opened).toEqual([]);
    expect(made.appState().signIn).toEqual({ state: 'signed-out' });
  });

  it('to a gateway that is away fails in the call itself', async () => {
    const made = await chosen();
    fake.behaviour.down = true;
    fake.cut();
    await expect(made.signIn()).rejects.toMatchObject({ code: 'gateway-unreachable' });
    expect(events('notice')).toEqual([]);
  });
});
