import { type Clock, ExpiringMap } from './bounded.js';
import { type BootstrapAdmin, type Person, personOf } from './claims.js';
import type { AuthorizationRequest } from './codes.js';
import type { DeviceGrant } from './device-grants.js';
import { type Cookies, queryOf, randomId } from './http.js';
import { identityLimits } from './limits.js';
import type { LoginChecks, Provider } from './providers.js';

/** What a person goes to the provider for. */
export type Purpose =
  | { readonly kind: 'client'; readonly request: AuthorizationRequest }
  | { readonly kind: 'device'; readonly grant: DeviceGrant };

interface Login {
  readonly checks: LoginChecks;
  readonly provider: string;
  readonly purpose: Purpose;
  /** Value of the cookie that the browser was given: the answer counts only from the same browser. */
  readonly browser: string;
}

export type BegunLogin =
  | { readonly ok: true; readonly url: URL; readonly cookie: string }
  | { readonly ok: false; readonly why: 'unreachable' | 'busy' };

export type FinishedLogin =
  /** No login of this browser waits for this answer. */
  | { readonly kind: 'stray'; readonly refusal: string | undefined }
  | {
      readonly kind: 'failed';
      readonly purpose: Purpose;
      readonly why: 'unreachable' | 'refused' | 'invalid';
      /** Fixed text, for page, log and client. */
      readonly reason: string;
      readonly action: string;
      readonly clearCookie: string;
    }
  | {
      readonly kind: 'person';
      readonly purpose: Purpose;
      readonly person: Person;
      readonly clearCookie: string;
    };

/** Visits to identity providers that have not come back yet. */
export interface Logins {
  readonly begin: (purpose: Purpose, provider: Provider) => Promise<BegunLogin>;
  /** The provider's redirect to our callback. */
  readonly finish: (request: Request) => Promise<FinishedLogin>;
}

export function createLogins(options: {
  readonly clock: Clock;
  readonly cookies: Cookies;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly admin: BootstrapAdmin | undefined;
}): Logins {
  const { clock, cookies, providers, admin } = options;
  const waiting = new ExpiringMap<Login>({
    clock,
    ttlMs: identityLimits.loginTtlMs,
    entriesMax: identityLimits.loginsMax,
    whenFull: 'refuse',
  });
  const cookieName = (state: string) => `login-${state.slice(0, 10)}`;

  async function outcome(login: Login, search: string): Promise<FinishedLogin> {
    const { purpose, checks } = login;
    const clearCookie = cookies.clear(cookieName(checks.state));
    const provider = providers.get(login.provider);
    const redeemed = await provider?.redeem(search, checks);
    if (provider === undefined || redeemed === undefined)
      return { kind: 'stray', refusal: 'the provider is no longer configured' };
    if (!redeemed.ok) {
      const { reason, action } = reasons[redeemed.why];
      return {
        kind: 'failed',
        purpose,
        why: redeemed.why,
        reason: `${reason} (${redeemed.code})`,
        action,
        clearCookie,
      };
    }
    const result = personOf(redeemed.claims, provider.settings, admin);
    if (!result.ok) {
      const { reason, action } = result;
      return { kind: 'failed', purpose, why: 'refused', reason, action, clearCookie };
    }
    const person = { ...result.person, login: redeemed.login };
    return { kind: 'person', purpose, person, clearCookie };
  }

  return {
    async begin(purpose, provider) {
      const checks = { state: randomId(), nonce: randomId(), codeVerifier: `${randomId()}${randomId()}` };
      const url = await provider.authorizationUrl(checks);
      if (url === undefined) return { ok: false, why: 'unreachable' };
      const browser = randomId();
      const kept = waiting.set(checks.state, { checks, provider: provider.settings.name, purpose, browser });
      if (!kept) return { ok: false, why: 'busy' };
      const cookie = cookies.set(cookieName(checks.state), browser, identityLimits.loginTtlMs);
      return { ok: true, url, cookie };
    },

    async finish(request) {
      const state = queryOf(request)?.get('state');
      const login = state === undefined ? undefined : waiting.take(state);
      if (login === undefined) return { kind: 'stray', refusal: undefined };
      if (cookies.read(request, cookieName(login.checks.state)) !== login.browser)
        return { kind: 'stray', refusal: 'the answer of the provider came from another browser' };
      return outcome(login, new URL(request.url).search);
    },
  };
}

const reasons = {
  unreachable: {
    reason: 'the identity provider cannot be reached',
    action: 'try again; if it stays so, tell the operator of the gateway',
  },
  refused: {
    reason: 'the identity provider refused the sign-in',
    action: 'try again, or ask its administrator',
  },
  invalid: {
    reason: 'the answer of the identity provider does not hold',
    action: 'ask the operator to check issuer, client and secret of this provider',
  },
} as const;
