import * as oidc from 'openid-client';
import { z } from 'zod';
import { ThroughlineError } from '../contract/errors.js';
import type { Clock } from './bounded.js';
import { boundedFetch, isAllowedAddress } from './bounded-fetch.js';
import { type Claims, claimAt, type ProviderLogin } from './claims.js';
import type { ProviderSettings } from './config.js';
import { asymmetricAlgorithms, type KeySource, keySource } from './issuer-keys.js';
import { identityLimits } from './limits.js';

/** What the gateway remembers of one visit to a provider. */
export interface LoginChecks {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
}

export type Redeemed =
  | { readonly ok: true; readonly claims: Claims; readonly login: ProviderLogin }
  /** unreachable: try again. refused: the provider or the person said no. invalid: the answer proves nothing. */
  | { readonly ok: false; readonly why: 'unreachable' | 'refused' | 'invalid'; readonly code: string };

/** What a provider says of somebody who signed in earlier. */
export type Checked = (
  | {
      readonly kind: 'confirmed';
      /** Undefined: it confirms, and says nothing more. */
      readonly claims: Claims | undefined;
    }
  /** The provider does not stand by the login any more. */
  | { readonly kind: 'refused'; readonly code: string }
  /** Nothing is known: no answer, or none that holds. */
  | { readonly kind: 'failed'; readonly code: string }
) & {
  /** The token to use from now on, when the provider gave another one: whatever else it answered. */
  readonly refreshToken: string | undefined;
};

/** Who signs what a provider sends without being asked. */
export interface ProviderSigner {
  readonly issuer: string;
  readonly keys: KeySource;
  readonly algorithms: readonly string[];
}

/** One OIDC provider, towards which the gateway is a confidential client. */
export interface Provider {
  readonly settings: ProviderSettings;
  /** Where to send the browser; undefined while the provider gives no usable answer. Discovery is tried anew each time. */
  readonly authorizationUrl: (checks: LoginChecks) => Promise<URL | undefined>;
  /** The provider's answer (the query of our callback) for verified claims. Never throws for what a provider does. */
  readonly redeem: (query: string, checks: LoginChecks) => Promise<Redeemed>;
  /** Asks about somebody by the refresh token of their login (RFC 6749 6, OpenID Connect Core 12). Never throws. */
  readonly check: (refreshToken: string) => Promise<Checked>;
  /** Undefined while the provider gives no usable answer. */
  readonly signer: () => Promise<ProviderSigner | undefined>;
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
  const exchanged: Exchanged = new Map();
  const configuration = discoverer(settings, clock, exchanged);
  const keys = keySource({
    uri: async () => {
      const { jwks_uri: uri } = (await configuration()).serverMetadata();
      if (uri === undefined) throw new TypeError('the provider names no keys');
      return uri;
    },
    read: boundedFetch(settings.allowInsecureLoopback),
    clock,
    againMs: identityLimits.providerKeysAgainMs,
  });
  return {
    settings,
    async authorizationUrl(checks) {
      try {
        const found = await configuration();
        const url = oidc.buildAuthorizationUrl(found, {
          redirect_uri: callback,
          scope: scopesOf(settings, found).join(' '),
          state: checks.state,
          nonce: checks.nonce,
          code_challenge: await oidc.calculatePKCECodeChallenge(checks.codeVerifier),
          code_challenge_method: 'S256',
          ...(settings.prompt === undefined ? {} : { prompt: settings.prompt }),
        });
        // The provider's metadata named it: a browser is sent to no other kind of address.
        return isAllowedAddress(url, settings.allowInsecureLoopback) ? url : undefined;
      } catch {
        return undefined;
      }
    },
    async redeem(query, checks) {
      const atMs = clock();
      try {
        const found = await configuration();
        const tokens = await oidc.authorizationCodeGrant(found, new URL(`${callback}${query}`), {
          pkceCodeVerifier: checks.codeVerifier,
          expectedState: checks.state,
          expectedNonce: checks.nonce,
          idTokenExpected: true,
        });
        const claims = await allClaims(found, tokens, needed);
        if (claims === undefined) throw new TypeError('no id_token');
        return { ok: true, claims, login: loginOf(settings, tokens, atMs) };
      } catch (error) {
        return failure(error);
      }
    },
    async check(refreshToken) {
      // INVARIANT: taken from the answer itself. An id_token that does not hold makes openid-client throw the whole
      // answer away, and with it the token that the provider takes next time.
      const note: { next?: string } = {};
      exchanged.set(refreshToken, note);
      const outcome = async () => {
        try {
          const found = await configuration();
          const tokens = await oidc.refreshTokenGrant(found, refreshToken);
          return { kind: 'confirmed', claims: await allClaims(found, tokens, needed) } as const;
        } catch (error) {
          return checkFailure(error);
        }
      };
      const checked = await outcome();
      exchanged.delete(refreshToken);
      return { ...checked, refreshToken: note.next };
    },
    async signer() {
      try {
        const { issuer, id_token_signing_alg_values_supported: named } = (
          await configuration()
        ).serverMetadata();
        // OpenID Connect Core 3.1.3.7 (7): RS256 where nothing else was agreed on.
        const algorithms = asymmetricAlgorithms.filter((each) => (named ?? ['RS256']).includes(each));
        return { issuer, keys, algorithms };
      } catch {
        return undefined;
      }
    },
  };
}

/** OpenID Connect Core 11; what the config names is asked for in any case. */
function scopesOf(settings: ProviderSettings, configuration: oidc.Configuration): readonly string[] {
  const offered = configuration.serverMetadata().scopes_supported?.includes('offline_access') === true;
  const asked = settings.offlineAccess && offered && !settings.scopes.includes('offline_access');
  return asked ? [...settings.scopes, 'offline_access'] : settings.scopes;
}

function loginOf(settings: ProviderSettings, tokens: TokenAnswer, atMs: number): ProviderLogin {
  const claims = tokens.claims();
  const refreshToken = settings.offlineAccess ? usable(tokens.refresh_token) : undefined;
  const name = z.string().min(1).max(identityLimits.subjectCharactersMax);
  return {
    provider: settings.name,
    issuer: settings.issuer,
    subject: name.parse(claims?.sub),
    sid: name.safeParse(claims?.['sid']).data,
    refreshToken,
    atMs,
  };
}

function usable(refreshToken: unknown): string | undefined {
  if (typeof refreshToken !== 'string' || refreshToken === '') return undefined;
  return Buffer.byteLength(refreshToken) > identityLimits.providerTokenBytesMax ? undefined : refreshToken;
}

type TokenAnswer = Awaited<ReturnType<typeof oidc.refreshTokenGrant>>;

/**
 * The id_token's claims, and below them userinfo's where the id_token lacks one that is needed (OIDC Core 5.4). An
 * answer to a refresh may come without an id_token (12.2).
 */
async function allClaims(
  configuration: oidc.Configuration,
  tokens: TokenAnswer,
  needed: readonly string[],
): Promise<Claims | undefined> {
  const claims = tokens.claims();
  const complete = claims !== undefined && needed.every((path) => claimAt(claims, path) !== undefined);
  if (complete || configuration.serverMetadata().userinfo_endpoint === undefined) return claims;
  const subject = claims?.sub ?? oidc.skipSubjectCheck;
  const more = await oidc.fetchUserInfo(configuration, tokens.access_token, subject);
  return { ...more, ...claims };
}

/** What a refresh token was exchanged for, by the token that was sent. */
type Exchanged = Map<string, { next?: string }>;

/** A provider's fetch that notes the next refresh token of whoever waits for one. */
function notingFetch(read: oidc.CustomFetch, exchanged: Exchanged): oidc.CustomFetch {
  return async (target, options) => {
    const response = await read(target, options);
    const sent = options.body instanceof URLSearchParams ? options.body.get('refresh_token') : null;
    const note = sent === null ? undefined : exchanged.get(sent);
    if (note === undefined || response.status !== 200) return response;
    const answer: unknown = await response
      .clone()
      .json()
      .catch(() => undefined);
    const next = usable(z.object({ refresh_token: z.string() }).safeParse(answer).data?.refresh_token);
    if (next !== undefined && next !== sent) note.next = next;
    return response;
  };
}

/** Discovery, once an hour; a failure is not kept, and what was known before stays in use. */
function discoverer(
  settings: ProviderSettings,
  clock: Clock,
  exchanged: Exchanged,
): () => Promise<oidc.Configuration> {
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
        [oidc.customFetch]: notingFetch(boundedFetch(settings.allowInsecureLoopback), exchanged),
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

/** RFC 6749 5.2. Whatever is no word about the person is a failure of the check. */
function checkFailure(error: unknown): { readonly kind: 'refused' | 'failed'; readonly code: string } {
  const { code } = failure(error);
  const isWord = error instanceof oidc.ResponseBodyError && error.status < 500 && error.status !== 429;
  // Some say access_denied of a person who may no longer use this client.
  const refused = isWord && (error.error === 'invalid_grant' || error.error === 'access_denied');
  return { kind: refused ? 'refused' : 'failed', code };
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
