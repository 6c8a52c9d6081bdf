import { createHash, randomBytes, randomUUID } from 'node:crypto';
import Database from 'better-sqlite3';
import { type CryptoKey, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { Kysely, SqliteDialect } from 'kysely';
import { clientId, demoGrant, paths, TokenResponse } from '../../../gateway-core/contract/api.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import {
  createIdentity,
  type Identity,
  IdentityConfig,
  type IdentitySettings,
  type ProviderSettings,
} from '../../../gateway-core/identity/index.js';
import { demoAccounts } from '../../../gateway-core/server/demo/identity-provider/accounts.js';
import type { StateSchema } from '../../../gateway-core/store/schema.js';
import { openSecret, sealSecret } from '../../../gateway-core/store/secrets.js';
import { stateMigrations } from '../../../gateway-core/store/state-migrations.js';

export const origin = 'https://127.0.0.1:7443';
export const demoSecret = 'a-demo-secret-of-forty-characters-or-so.';

/** The state database, in memory. */
export function memoryState(): Promise<Kysely<StateSchema>> {
  const database = new Database(':memory:');
  for (const step of stateMigrations) database.exec(step);
  return Promise.resolve(new Kysely<StateSchema>({ dialect: new SqliteDialect({ database }) }));
}

const sealingKey = randomBytes(32);
export const testSealer = {
  seal: (plain: Uint8Array, context: string) => sealSecret(sealingKey, plain, context),
  open: (sealed: Uint8Array, context: string) => openSecret(sealingKey, sealed, context),
};

export class TestClock {
  nowMs = Date.now();
  readonly now = () => this.nowMs;
  pass(ms: number): void {
    this.nowMs += ms;
  }
}

export interface Gateway {
  readonly identity: Identity;
  readonly clock: TestClock;
  readonly state: Kysely<StateSchema>;
  readonly events: AuditEventInput[];
  /** While true, the log takes no events. */
  logFails: boolean;
  /** The log takes events only once this is done. */
  logWaits: Promise<void>;
  readonly fetch: (path: string, init?: RequestInit, remoteAddress?: string) => Promise<Response>;
}

export async function startGateway(
  more: {
    config?: Partial<IdentitySettings>;
    providers?: readonly ProviderSettings[];
    state?: Kysely<StateSchema>;
    issuerUrl?: string;
    demo?: boolean;
    clock?: TestClock;
  } = {},
): Promise<Gateway> {
  const clock = more.clock ?? new TestClock();
  const state = more.state ?? (await memoryState());
  const events: AuditEventInput[] = [];
  const issuerUrl = more.issuerUrl ?? origin;
  const gateway: Gateway = {
    clock,
    state,
    events,
    logFails: false,
    logWaits: Promise.resolve(),
    identity: createIdentity({
      config: { ...IdentityConfig.parse({}), providers: more.providers ?? [], ...more.config },
      state,
      clock: clock.now,
      issuerUrl,
      demo: more.demo === false ? undefined : { secret: demoSecret, accounts: demoAccounts },
      sealer: testSealer,
      record: async (event) => {
        await gateway.logWaits;
        if (gateway.logFails) throw new Error('disk full');
        events.push(event);
      },
    }),
    fetch: async (path, init, remoteAddress = '127.0.0.1') => {
      const request = new Request(new URL(path, issuerUrl), init);
      const response = await gateway.identity.routes(request, { remoteAddress });
      return response ?? new Response(null, { status: 404 });
    },
  };
  return gateway;
}

/** From now on the log takes nothing until `release`. `waiting` resolves once `count` events wait for it. */
export function holdLog(gateway: Gateway, count: number) {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let left = count;
  const waiting = new Promise<void>((resolve) => {
    Object.defineProperty(gateway, 'logWaits', {
      get: () => {
        left -= 1;
        if (left === 0) resolve();
        return released;
      },
    });
  });
  return { waiting, release };
}

/** A device with its key, as CLI and desktop are. */
export class Device {
  readonly privateKey: CryptoKey;
  readonly publicKey: JWK;
  readonly thumbprint: string;
  readonly alg: string;
  nonce: string | undefined;

  private constructor(privateKey: CryptoKey, publicKey: JWK, thumbprint: string, alg: string) {
    this.privateKey = privateKey;
    this.publicKey = publicKey;
    this.thumbprint = thumbprint;
    this.alg = alg;
  }

  static async create(alg: 'ES256' | 'EdDSA' = 'ES256'): Promise<Device> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    const jwk = await exportJWK(publicKey);
    return new Device(privateKey, jwk, await calculateJwkThumbprint(jwk), alg);
  }

  /** A proof; `claims` and `header` overrule what a right one has. */
  async proof(
    gateway: Gateway,
    method: string,
    path: string,
    ticket?: string,
    wrong: { claims?: Record<string, unknown>; header?: Record<string, unknown>; key?: CryptoKey } = {},
  ): Promise<string> {
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: new URL(path, origin).href,
      iat: Math.floor(gateway.clock.now() / 1000),
      nonce: this.nonce,
      ath: ticket === undefined ? undefined : createHash('sha256').update(ticket).digest('base64url'),
      ...wrong.claims,
    };
    return new SignJWT(claims)
      .setProtectedHeader({ typ: 'dpop+jwt', alg: this.alg, jwk: this.publicKey, ...wrong.header })
      .sign(wrong.key ?? this.privateKey);
  }

  /** POST of a form with a proof; once more when the gateway hands out another nonce. */
  async post(gateway: Gateway, path: string, fields: Record<string, string>, remoteAddress?: string) {
    for (let attempt = 0; ; attempt += 1) {
      const response = await gateway.fetch(
        path,
        {
          method: 'POST',
          body: new URLSearchParams({ client_id: clientId, ...fields }),
          headers: { dpop: await this.proof(gateway, 'POST', path) },
        },
        remoteAddress,
      );
      this.nonce = response.headers.get('dpop-nonce') ?? this.nonce;
      const body = (await response.json()) as Record<string, unknown>;
      if (body.error !== 'use_dpop_nonce' || attempt > 0) return { status: response.status, body };
    }
  }

  async demoSignIn(gateway: Gateway, user = 'contractor', fields: Record<string, string> = {}) {
    const { status, body } = await this.post(gateway, paths.token, {
      grant_type: demoGrant,
      demo_user: user,
      demo_secret: demoSecret,
      ...fields,
    });
    if (status !== 200) throw new Error(`demo sign-in failed: ${JSON.stringify(body)}`);
    const tokens = TokenResponse.parse(body);
    return { ticket: tokens.access_token, refreshToken: tokens.refresh_token ?? '' };
  }

  /** An API call as the gateway's listener would hand it over. */
  async call(
    gateway: Gateway,
    ticket: string,
    wrong: Parameters<Device['proof']>[4] & {
      path?: string;
      method?: string;
      proof?: string;
      lineage?: unknown;
      tokens?: readonly string[];
      use?: 'stream' | 'request';
    } = {},
  ) {
    const { path = paths.whoami, method = 'GET', lineage, tokens, use } = wrong;
    const result = await gateway.identity.authenticate({
      method,
      url: `${path}?query=1`,
      authorization: `DPoP ${ticket}`,
      dpop: wrong.proof ?? (await this.proof(gateway, method, path, ticket, wrong)),
      remoteAddress: '127.0.0.1',
      ...(lineage === undefined
        ? {}
        : { lineage: Buffer.from(JSON.stringify(lineage)).toString('base64url') }),
      ...(tokens === undefined ? {} : { tokens: tokens.join(',') }),
      ...(use === undefined ? {} : { use }),
    });
    this.nonce = result.dpopNonce;
    return result;
  }
}

/** The right answer or the error's code. */
export function verdict(result: Awaited<ReturnType<Device['call']>>): string {
  return result.ok ? 'ok' : result.error.code;
}

export const verifier = 'v'.repeat(43);
export const challenge = createHash('sha256').update(verifier).digest('base64url');

export function authorizeUrl(more: Record<string, string | undefined> = {}): string {
  const fields: Record<string, string | undefined> = {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: 'http://127.0.0.1:50123/callback',
    state: 'client-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...more,
  };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, value);
  return `${paths.authorize}?${query.toString()}`;
}

export interface Landed {
  readonly url: URL;
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** A browser without scripts: cookies per host, redirects, meta refresh, forms. The gateway is called in process. */
export class Browser {
  /** A path that is not opened: `open` gives the URL instead. */
  stopBefore: string | undefined;
  private readonly gateway: Gateway;
  private readonly jar = new Map<string, Map<string, string>>();

  constructor(gateway: Gateway) {
    this.gateway = gateway;
  }

  async open(address: string, init: RequestInit = {}): Promise<Landed> {
    let url = new URL(address, origin);
    let next = init;
    for (let hop = 0; hop < 20; hop += 1) {
      if (url.pathname === '/callback' || url.pathname === this.stopBefore)
        return { url, status: 0, text: '', headers: new Headers() };
      const response = await this.request(url, next);
      const text = await response.text();
      const onward = response.headers.get('location') ?? refreshOf(text);
      if (onward === undefined) return { url, status: response.status, text, headers: response.headers };
      url = new URL(onward, url);
      next = {};
    }
    throw new Error('too many redirects');
  }

  /** Sends the page's form with these fields; hidden ones come from the page. */
  submit(
    page: Landed,
    fields: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Landed> {
    const action = /<form method="post" action="([^"]+)"/.exec(page.text)?.[1];
    if (action === undefined) throw new Error(`no form in ${page.text}`);
    const hidden = [...page.text.matchAll(/<input type="hidden" name="([^"]+)" value="([^"]+)"/g)];
    const body = new URLSearchParams();
    for (const match of hidden) body.set(match[1] ?? '', match[2] ?? '');
    for (const [name, value] of Object.entries(fields)) body.set(name, value);
    return this.open(new URL(action, page.url).href, {
      method: 'POST',
      body,
      headers: { origin: page.url.origin, ...headers },
    });
  }

  private async request(url: URL, init: RequestInit): Promise<Response> {
    const cookies = this.jar.get(url.host) ?? new Map<string, string>();
    this.jar.set(url.host, cookies);
    const headers = new Headers(init.headers);
    if (cookies.size > 0)
      headers.set('cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    const response =
      url.origin === origin
        ? await this.gateway.fetch(url.href, { ...init, headers })
        : await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s);
      if (value === '' || /max-age=0|expires=thu, 01 jan 1970/i.test(line)) cookies.delete(name);
      else cookies.set(name, value);
    }
    return response;
  }
}

function refreshOf(text: string): string | undefined {
  const target = /<meta http-equiv="refresh" content="0;url=([^"]+)">/.exec(text)?.[1];
  return target?.replaceAll('&amp;', '&').replaceAll('&#39;', "'");
}
