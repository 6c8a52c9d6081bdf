import { randomBytes } from 'node:crypto';
import { type ErrorCode, ThroughlineError } from '../contract/errors.js';
import { bodyWithin } from './bounded.js';
import { type Page, pageHeaders, renderPage } from './html.js';
import { identityLimits } from './limits.js';

/** What the listener knows of a request beyond the request. */
export interface RequestInfo {
  /** Of the socket, never of a header. */
  readonly remoteAddress: string;
}

export type Endpoint = (request: Request, info: RequestInfo) => Promise<Response>;

/** Fields of a form or a query, each at most once. */
export type Fields = ReadonlyMap<string, string>;

/** RFC 6749 3.1 and 3.2: a parameter that stands twice makes the request invalid. */
export function fieldsOf(parameters: URLSearchParams): Fields | undefined {
  const fields = new Map<string, string>();
  for (const [name, value] of parameters) {
    if (fields.has(name)) return undefined;
    // RFC 6749 3.1: sent without a value means not sent.
    if (value !== '') fields.set(name, value);
  }
  return fields;
}

export function queryOf(request: Request): Fields | undefined {
  const { search, searchParams } = new URL(request.url);
  return search.length > identityLimits.queryBytesMax ? undefined : fieldsOf(searchParams);
}

/** A form body, read within its bound; undefined when it is none. */
export async function formOf(request: Request): Promise<Fields | undefined> {
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(type) || request.body === null) return undefined;
  const body = await bodyWithin(request.body, identityLimits.formBytesMax);
  return body === undefined ? undefined : fieldsOf(new URLSearchParams(body.toString('utf8')));
}

/** An OAuth error (RFC 6749 5.2) with our own stable `code` and, where there is one, what to do. */
export interface OAuthFailure {
  readonly error: string;
  readonly description: string;
  readonly code: ErrorCode;
  readonly status?: number;
  readonly action?: string;
}

export function isFailure(value: object): value is OAuthFailure {
  return 'error' in value && 'description' in value;
}

const jsonHeaders = {
  'content-type': 'application/json',
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

export function json(value: unknown, headers: Readonly<Record<string, string>> = {}, status = 200): Response {
  return new Response(JSON.stringify(value), { status, headers: { ...jsonHeaders, ...headers } });
}

export function oauthError(failure: OAuthFailure, headers: Readonly<Record<string, string>> = {}): Response {
  const { error, description, code, action, status = 400 } = failure;
  const retry: Readonly<Record<string, string>> = status === 429 ? { 'retry-after': '5' } : {};
  const body = { error, error_description: description, code, ...(action === undefined ? {} : { action }) };
  return json(body, { ...retry, ...headers }, status);
}

export const rateLimited: OAuthFailure = {
  error: 'temporarily_unavailable',
  description: 'too many requests from this address',
  code: 'rate-limited',
  status: 429,
  action: 'wait a few seconds and try again',
};

/** What a room's ThroughlineError looks like at an OAuth endpoint. */
export function failureOf(error: ThroughlineError): OAuthFailure {
  const busy = error.code === 'not-recordable' || error.code === 'busy';
  return {
    error: busy ? 'temporarily_unavailable' : 'server_error',
    description: error.message,
    code: error.code,
    status: busy ? 503 : 500,
    ...(error.action === undefined ? {} : { action: error.action }),
  };
}

export function page(content: Page, status = 200, cookies: readonly string[] = []): Response {
  const headers = new Headers(pageHeaders);
  for (const cookie of cookies) headers.append('set-cookie', cookie);
  return new Response(renderPage(content), { status, headers });
}

/** 303: the browser goes there with GET, and tells nobody where it came from. */
export function redirect(location: URL, cookies: readonly string[] = []): Response {
  const headers = new Headers({
    location: location.href,
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
  });
  for (const cookie of cookies) headers.append('set-cookie', cookie);
  return new Response(null, { status: 303, headers });
}

/**
 * Cookies that tie a step to the browser that began it. On loopback a cookie is no secret (every port of the host
 * gets it): whoever relies on one also checks Origin, or a state that only this browser was given.
 */
export interface Cookies {
  readonly set: (name: string, value: string, ttlMs: number) => string;
  readonly clear: (name: string) => string;
  readonly read: (request: Request, name: string) => string | undefined;
}

export function cookiesFor(origin: string): Cookies {
  const secure = origin.startsWith('https:');
  const full = (name: string) => `${secure ? '__Host-' : ''}throughline-${name}`;
  const attributes = `; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  return {
    set: (name, value, ttlMs) => `${full(name)}=${value}; Max-Age=${Math.floor(ttlMs / 1000)}${attributes}`,
    clear: (name) => `${full(name)}=; Max-Age=0${attributes}`,
    read(request, name) {
      const values = (request.headers.get('cookie') ?? '')
        .split(';')
        .map((pair) => pair.trim().split('='))
        .filter(([key]) => key === full(name))
        .map(([, value]) => value ?? '');
      return values.length === 1 && /^[\w-]{20,64}$/.test(values[0] ?? '') ? values[0] : undefined;
    },
  };
}

export function randomId(): string {
  return randomBytes(24).toString('base64url');
}

/** False when a browser says that another site sent this. Clients that are no browsers send neither header. */
export function isSameOrigin(request: Request, origin: string): boolean {
  const from = request.headers.get('origin');
  const site = request.headers.get('sec-fetch-site');
  return (from === null || from === origin) && (site === null || site === 'same-origin');
}
