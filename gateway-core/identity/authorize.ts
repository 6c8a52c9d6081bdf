import { z } from 'zod';
import { clientId, paths } from '../contract/api.js';
import { TokenBuckets } from './bounded.js';
import type { AuthorizationRequest } from './codes.js';
import type { IdentityContext } from './context.js';
import { type Endpoint, type Fields, page, queryOf, type RequestInfo, redirect } from './http.js';
import { rates } from './limits.js';
import type { FinishedLogin } from './logins.js';
import {
  chooserPage,
  devicePage,
  errorPage,
  noProviderPage,
  providerDownPage,
  strayPage,
  tooManyPage,
} from './pages.js';
import type { Provider } from './providers.js';
import { keep } from './sign-ins.js';

/**
 * RFC 8252 7.3: a loopback address, any port, our one path. Compared as text, before any parsing, so that nothing
 * that a browser reads differently (user info, backslashes, other hosts) can pass. No `localhost` (8.3).
 */
export function isLoopbackRedirect(uri: string): boolean {
  const port = /^http:\/\/(?:127\.0\.0\.1|\[::1\]):([1-9]\d{0,4})\/callback$/.exec(uri)?.[1];
  return port !== undefined && Number(port) <= 65_535;
}

const base64urlOfSha256 = z.string().regex(/^[A-Za-z0-9_-]{43}$/);
const Parameters = z.object({
  response_type: z.literal('code'),
  response_mode: z.literal('query').optional(),
  state: z.string().regex(/^[\x20-\x7e]{1,512}$/),
  code_challenge: base64urlOfSha256,
  code_challenge_method: z.literal('S256'),
  dpop_jkt: base64urlOfSha256.optional(),
  request: z.undefined().optional(),
  request_uri: z.undefined().optional(),
});

/** The authorization endpoint and the provider's way back. */
export function createAuthorize(
  context: IdentityContext,
): Readonly<Record<'authorize' | 'callback', Endpoint>> {
  const { clock, codes, devices, logins, origin, providers, record } = context;
  const buckets = new TokenBuckets(clock, rates.authorize);

  async function authorize(request: Request, info: RequestInfo): Promise<Response> {
    if (!buckets.take(info.remoteAddress)) return page(tooManyPage, 429);
    const fields = queryOf(request);
    const redirectUri = fields?.get('redirect_uri');
    if (fields === undefined || fields.get('client_id') !== clientId || redirectUri === undefined)
      return page(badRequestPage, 400);
    // Until here nothing is sent anywhere: an unchecked address would make this an open redirector.
    if (!isLoopbackRedirect(redirectUri)) return page(badRedirectPage, 400);
    const asked = readRequest(fields, redirectUri);
    if ('error' in asked) return redirect(answerUrl(origin, redirectUri, asked));
    const provider = chooseProvider(fields.get('provider'));
    if (provider === undefined)
      return providers.size === 0 ? page(noProviderPage, 503) : page(chooserPage(choices(request)));
    const begun = await logins.begin({ kind: 'client', request: asked }, provider);
    if (begun.ok) return redirect(begun.url, [begun.cookie]);
    if (begun.why === 'busy') return page(tooManyPage, 503);
    const { pathname, search } = new URL(request.url);
    return page(providerDownPage(provider.settings.name, `${pathname}${search}`), 503);
  }

  function chooseProvider(name: string | undefined): Provider | undefined {
    if (name !== undefined) return providers.get(name);
    return providers.size === 1 ? [...providers.values()][0] : undefined;
  }

  function choices(request: Request) {
    return [...providers.keys()].map((name) => {
      const { searchParams } = new URL(request.url);
      searchParams.set('provider', name);
      return { name, href: `${paths.authorize}?${searchParams.toString()}` };
    });
  }

  async function callback(request: Request, info: RequestInfo): Promise<Response> {
    if (!buckets.take(info.remoteAddress)) return page(tooManyPage, 429);
    const finished = await logins.finish(request);
    if (finished.kind === 'stray') {
      if (finished.refusal !== undefined) await refused('invalid-request', finished.refusal, info);
      return page(strayPage, 400);
    }
    if (finished.kind === 'failed') return failed(finished, info);
    const { purpose, person, clearCookie } = finished;
    if (purpose.kind === 'client') {
      const code = codes.issue(purpose.request, person);
      const fields: Answer = code === undefined ? { error: 'temporarily_unavailable' } : { code };
      const { redirectUri, state } = purpose.request;
      return redirect(answerUrl(origin, redirectUri, { ...fields, state }), [clearCookie]);
    }
    return devices.answer(purpose.grant, { kind: 'approved', person })
      ? page(devicePage(purpose.grant, person.principal), 200, [clearCookie])
      : page(strayPage, 400, [clearCookie]);
  }

  async function failed(finished: FinishedLogin & { kind: 'failed' }, info: RequestInfo): Promise<Response> {
    const { purpose, why, reason, action, clearCookie } = finished;
    if (why !== 'unreachable') await refused('sign-in-refused', reason, info);
    if (purpose.kind === 'client') {
      const error = why === 'refused' ? 'access_denied' : 'server_error';
      const { redirectUri, state } = purpose.request;
      const fields = { error, error_description: describe(`${reason}: ${action}`), state };
      return redirect(answerUrl(origin, redirectUri, fields), [clearCookie]);
    }
    // What the person cannot mend by trying again ends the wait of the device too.
    if (why === 'refused') devices.answer(purpose.grant, { kind: 'refused' });
    const next = why === 'refused' ? action : `${action}. To try again, enter the code once more.`;
    return page(errorPage('You are not signed in', reason, next), why === 'unreachable' ? 503 : 403, [
      clearCookie,
    ]);
  }

  function refused(code: string, reason: string, info: RequestInfo): Promise<void> {
    return keep(record, { kind: 'identity.refused', code, reason, from: info.remoteAddress });
  }

  return { authorize, callback };
}

type Answer = Readonly<Record<string, string>>;

function readRequest(
  fields: Fields,
  redirectUri: string,
): AuthorizationRequest | (Answer & { error: string }) {
  const parsed = Parameters.safeParse(Object.fromEntries(fields));
  if (parsed.success)
    return {
      redirectUri,
      state: parsed.data.state,
      codeChallenge: parsed.data.code_challenge,
      deviceKey: parsed.data.dpop_jkt,
    };
  const names = [...new Set(parsed.error.issues.map((issue) => String(issue.path[0])))].join(', ');
  const state = Parameters.shape.state.safeParse(fields.get('state'));
  return {
    error: 'invalid_request',
    error_description: describe(`missing or unusable: ${names}. PKCE with S256 and state are required`),
    ...(state.success ? { state: state.data } : {}),
  };
}

/** The client's address with our answer, and who answers (RFC 9207). */
function answerUrl(origin: string, redirectUri: string, answer: Answer): URL {
  const url = new URL(redirectUri);
  for (const [name, value] of Object.entries(answer)) url.searchParams.set(name, value);
  url.searchParams.set('iss', origin);
  return url;
}

/** RFC 6749 4.1.2.1: printable ASCII without quote and backslash. */
function describe(text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, '').slice(0, 500);
}

const badRequestPage = errorPage(
  'This is not a sign-in request',
  'The address lacks something that the gateway needs, or names a client that it does not know.',
  'Start again from the throughline command or the desktop app.',
);

const badRedirectPage = errorPage(
  'The gateway will not send you there',
  'The request names an address that is not a throughline client on this computer.',
  'If you followed a link to get here, close this page. Otherwise start again: throughline login.',
);
