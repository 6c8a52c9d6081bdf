import { randomUUID } from 'node:crypto';
import { paths } from '../../../gateway-core/contract/api.js';
import type { ProviderSettings } from '../../../gateway-core/identity/index.js';
import { HostileProvider, type Refreshed } from './hostile-provider.js';
import { authorizeUrl, Device, type Gateway, startGateway, TestClock, verifier } from './support.js';

export const minuteMs = 60_000;
const refusedGrant: Refreshed = { status: 400, body: '{"error":"invalid_grant"}' };

interface Family {
  readonly sub: string;
  current: string;
  readonly used: Set<string>;
  over: boolean;
}

/** A provider with people, that rotates refresh tokens and ends a login whose old token comes back (RFC 9700 4.14). */
export class RotatingProvider {
  readonly web = new HostileProvider();
  readonly people = new Map<string, Record<string, unknown>>();
  /** Every refresh is answered with this. */
  outage: Refreshed | undefined;
  /** Refreshes are done, and their answers lost on the way. */
  losesAnswers = false;
  refreshes = 0;
  /** Beyond people's own claims, in answers to refreshes; null: no id_token. */
  refreshedClaims: Record<string, unknown> | null = {};
  #families: Family[] = [];

  async start(): Promise<void> {
    await this.web.start();
    this.web.refresh = (fields) => this.#refresh(fields.get('refresh_token') ?? '');
  }

  enter(sub: string, more: Record<string, unknown> = {}): void {
    this.people.set(sub, {
      sub,
      email: `${sub}@example.com`,
      email_verified: true,
      groups: ['staff'],
      ...more,
    });
  }

  #refresh(token: string): Refreshed {
    if (this.outage !== undefined) return this.outage;
    this.refreshes += 1;
    const family = this.#families.find((each) => each.current === token || each.used.has(token));
    const claims = family === undefined ? undefined : this.people.get(family.sub);
    if (family === undefined || family.over || claims === undefined) return refusedGrant;
    if (family.used.has(token)) {
      family.over = true;
      return refusedGrant;
    }
    family.used.add(token);
    family.current = randomUUID();
    if (this.losesAnswers) return { status: 502, body: 'bad gateway' };
    const { refreshedClaims } = this;
    return {
      status: 200,
      body: '',
      claims: refreshedClaims === null ? null : { ...claims, ...refreshedClaims },
      refreshToken: family.current,
    };
  }

  /** Somebody signs in here and comes back to the gateway: the query of the callback's answer. */
  async visit(gateway: Gateway, sub: string, more: Record<string, unknown> = {}): Promise<URLSearchParams> {
    const begun = await gateway.fetch(authorizeUrl());
    const asked = new URL(begun.headers.get('location') ?? '').searchParams;
    const family: Family = { sub, current: randomUUID(), used: new Set(), over: false };
    this.#families.push(family);
    this.web.firstToken = family.current;
    this.web.idToken = { ...this.people.get(sub), nonce: asked.get('nonce'), ...more };
    const query = new URLSearchParams({
      code: 'code',
      state: asked.get('state') ?? '',
      iss: this.web.issuer,
    });
    const cookie = begun.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const response = await gateway.fetch(`${paths.callback}?${query.toString()}`, { headers: { cookie } });
    return new URL(response.headers.get('location') ?? '').searchParams;
  }

  /** The same, to the end. Throws when it does not end signed in. */
  async signIn(gateway: Gateway, sub: string, more: Record<string, unknown> = {}): Promise<SignedIn> {
    const code = (await this.visit(gateway, sub, more)).get('code') ?? '';
    const device = await Device.create();
    const { status, body } = await redeem(gateway, device, code);
    if (status !== 200) throw new Error(`no sign-in: ${JSON.stringify(body)}`);
    const ticket = String(body.access_token);
    const called = await device.call(gateway, ticket);
    if (!called.ok) throw called.error;
    return { device, ticket, signIn: called.actor.signIn, principal: called.actor.chain[0].id };
  }
}

export interface SignedIn {
  readonly device: Device;
  readonly ticket: string;
  readonly signIn: string;
  readonly principal: string;
}

export function redeem(gateway: Gateway, device: Device, code: string) {
  return device.post(gateway, paths.token, {
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    redirect_uri: 'http://127.0.0.1:50123/callback',
  });
}

/** A gateway whose only provider this is. Over the state of another one: the process after it. */
export async function gatewayOf(
  provider: RotatingProvider,
  more: Partial<ProviderSettings> = {},
  before?: Gateway,
): Promise<Gateway> {
  const gateway = await startGateway({
    providers: [provider.web.settings(more)],
    clock: before?.clock ?? new TestClock(),
    ...(before === undefined ? {} : { state: before.state }),
  });
  await gateway.identity.checks.load();
  return gateway;
}

/** Time goes by until everybody is due, and everybody is asked. */
export async function nextCheck(gateway: Gateway, minutes = 5): Promise<void> {
  gateway.clock.pass(minutes * minuteMs);
  await gateway.identity.checkProviders();
}

/** Whether it lives, to the gateway's database and to its memory. Tickets are refused in any case after ten minutes. */
export async function isLive(gateway: Gateway, { signIn }: SignedIn): Promise<boolean> {
  const found = await gateway.identity.liveSignIn(signIn);
  if (gateway.identity.isSignInEnded(signIn) && found !== undefined) throw new Error('half ended');
  return found !== undefined;
}

/** As decisions are made now. */
export async function groupsOf(gateway: Gateway, { signIn }: SignedIn): Promise<readonly string[]> {
  const found = await gateway.identity.liveSignIn(signIn);
  if (found === undefined) throw new Error('it has ended');
  return gateway.identity.asNow(found.actor).groups;
}

export const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';

/** Claims of a logout token that holds, unless the test says otherwise. */
export function logoutClaims(
  provider: RotatingProvider,
  gateway: Gateway,
  more: Record<string, unknown>,
): Record<string, unknown> {
  const seconds = Math.floor(gateway.clock.now() / 1000);
  return {
    iss: provider.web.issuer,
    aud: 'client',
    iat: seconds,
    exp: seconds + 120,
    jti: randomUUID(),
    events: { [logoutEvent]: {} },
    ...more,
  };
}

export function postLogout(gateway: Gateway, token: string, name = 'corp'): Promise<Response> {
  return gateway.fetch(paths.backChannelLogout(name), {
    method: 'POST',
    body: new URLSearchParams({ logout_token: token }),
  });
}

export async function logOut(
  provider: RotatingProvider,
  gateway: Gateway,
  who: { sub?: string; sid?: string },
): Promise<Response> {
  return postLogout(
    gateway,
    await provider.web.sign(logoutClaims(provider, gateway, who), { typ: 'logout+jwt' }),
  );
}
