import * as oidc from 'openid-client';
import { ThroughlineError } from '../contract/errors.js';
import { bodyWithin, type Clock, isLoopbackHost } from './bounded.js';
import { type Claims, claimAt } from './claims.js';
import type { ProviderSettings } from './config.js';
import { identityLimits } from './limits.js';

/** What the gateway remembers of one visit to a provider. */
export interface LoginChecks {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

export type Redeemed =
  | { readonly ok: true; readonly claims: Claims }
  /** unreachable: try again. refused: the provider or the person said no. invalid: the answer proves nothing. */
  | { readonly ok: false; readonly why: 'unreachable' | 'refused' | 'invalid'; readonly code: string };

/** One OIDC provider, towards which the gateway is a confidential client. */
export interface Provider {
  readonly settings: ProviderSettings;
  /** Where to send the browser; undefined while the provider gives no usable answer. Discovery is tried anew each time. */
  readonly authorizationUrl: (checks: LoginChecks) => Promise<URL | undefined>;
  /** The provider's answer (the query of our callback) for verified claims. Never throws for what a provider does. */
  readonly redeem: (query: string, checks: LoginChecks) => Promise<Redeemed>;
}

/**
 * @param callback the gateway's redirect URI
 * @param adminClaim the claim that names the first admin, when there is one
 */
export function createProvider(
  settings: ProviderSettings,
  callback: string,
  adminClaim: string | undefined,
  clock: Clock,
): Provider {
  const wanted = [
    settings.principalClaim,
    settings.groupsClaim,
    ...(adminClaim === undefined ? [] : [adminClaim]),
  ];
  const needed = wanted.includes('email') ? [...wanted, 'email_verified'] : wanted;
  const configuration = discoverer(settings, clock);
  return {
    settings,
    async authorizationUrl(checks) {
      try {
        const url = oidc.buildAuthorizationUrl(await configuration(), {
          redirect_uri: callback,
          scope: settings.scopes.join(' '),
          state: checks.state,
          nonce: checks.nonce,
          code_challenge: await oidc.calculatePKCECodeChallenge(checks.codeVerifier),
          code_challenge_method: 'S256',
          ...(settings.prompt === undefined ? {} : { prompt: settings.prompt }),
        });
        // The provider's metadata named it: a browser is sent to no other kind of address.
        return isAllowed(url, settings.allowInsecureLoopback) ? url : undefined;
      } catch {
        return undefined;
      }
    },
    async redeem(query, checks) {
      try {
        const found = await configuration();
        const tokens = await oidc.authorizationCodeGrant(found, new URL(`${callback}${query}`), {
          pkceCodeVerifier: checks.codeVerifier,
          expectedState: checks.state,
          expectedNonce: checks.nonce,
          idTokenExpected: true,
        });
        return { ok: true, claims: await allClaims(found, tokens, needed) };
      } catch (error) {
        return failure(error);
      }
    },
  };
}

/** The id_token's claims, and below them userinfo's where the id_token lacks one that is needed (OIDC Core 5.4). */
async function allClaims(
  configuration: oidc.Configuration,
  tokens: Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>,
  needed: readonly string[],
): Promise<Claims> {
  const claims = tokens.claims();
  if (claims === undefined) throw new TypeError('no id_token');
  const complete = needed.every((path) => claimAt(claims, path) !== undefined);
  if (complete || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
  const more = await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub);
  return { ...more, ...claims };
}

/** Discovery, once an hour; a failure is not kept, and what was known before stays in use. */
function discoverer(settings: ProviderSettings, clock: Clock): () => Promise<oidc.Configuration> {
  let known: { readonly configuration: oidc.Configuration; readonly atMs: number } | undefined;
  let pending: Promise<oidc.Configuration> | undefined;
  const discover = async (): Promise<oidc.Configuration> => {
    const found = await oidc.discovery(
      new URL(settings.issuer),
      settings.clientId,
      undefined,
      clientAuthentication(settings),
      {
        timeout: identityLimits.providerTimeoutMs / 1000,
        [oidc.customFetch]: boundedFetch(settings.allowInsecureLoopback),
        // Without it openid-client trusts the connection to the token endpoint instead of the id_token's signature.
        execute: [
          oidc.enableNonRepudiationChecks,
          ...(settings.allowInsecureLoopback ? [oidc.allowInsecureRequests] : []),
        ],
      },
    );
    known = { configuration: found, atMs: clock() };
    return found;
  };
  return () => {
    if (known !== undefined && clock() - known.atMs < identityLimits.providerMetadataTtlMs)
      return Promise.resolve(known.configuration);
    pending ??= discover().finally(() => {
      pending = undefined;
    });
    const before = known?.configuration;
    return before === undefined ? pending : pending.catch(() => before);
  };
}

function clientAuthentication(settings: ProviderSettings): oidc.ClientAuth {
  const basic = oidc.ClientSecretBasic(settings.clientSecret);
  const post = oidc.ClientSecretPost(settings.clientSecret);
  return (server, client, body, headers) => {
    // RFC 8414 2: a provider that lists nothing takes client_secret_basic.
    const offered = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
    const chosen =
      settings.clientAuthentication ?? (offered.includes('client_secret_basic') ? 'basic' : 'post');
    (chosen === 'basic' ? basic : post)(server, client, body, headers);
  };
}

function isAllowed(url: URL, allowInsecureLoopback: boolean): boolean {
  if (url.protocol === 'https:') return true;
  return allowInsecureLoopback && url.protocol === 'http:' && isLoopbackHost(url.hostname);
}

export type BoundedFetch = oidc.CustomFetch;

/** `fetch` that leaves https only for loopback and reads a bounded body; openid-client follows no redirect. */
export function boundedFetch(allowInsecureLoopback: boolean): oidc.CustomFetch {
  return async (target, options) => {
    if (!isAllowed(new URL(target), allowInsecureLoopback))
      throw new ThroughlineError('invalid-config', 'the provider names an address that is not https');
    const response = await fetch(target, options);
    const body = response.body && (await bodyWithin(response.body, identityLimits.providerResponseBytesMax));
    if (body === undefined) throw new ThroughlineError('too-large', "the provider's answer is too large");
    const { status, statusText, headers } = response;
    return new Response(body, { status, statusText, headers });
  };
}

function failure(error: unknown): Extract<Redeemed, { ok: false }> {
  if (error instanceof oidc.AuthorizationResponseError || error instanceof oidc.ResponseBodyError)
    return {
      ok: false,
      why: error instanceof oidc.AuthorizationResponseError ? 'refused' : 'invalid',
      code: /^[a-z_]{1,64}$/.test(error.error) ? error.error : 'error',
    };
  if (error instanceof ThroughlineError) return { ok: false, why: 'invalid', code: error.code };
  if (error instanceof oidc.ClientError) {
    const code = error.code ?? 'OAUTH_ERROR';
    const unreachable = code === 'OAUTH_TIMEOUT' || error.cause instanceof TypeError;
    return { ok: false, why: unreachable ? 'unreachable' : 'invalid', code };
  }
  // `fetch failed` (a TypeError with the socket's error as cause).
  if (error instanceof TypeError && error.cause !== undefined)
    return { ok: false, why: 'unreachable', code: 'fetch-failed' };
  return { ok: false, why: 'invalid', code: 'invalid-answer' };
}
