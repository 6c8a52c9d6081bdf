import type { Kysely } from 'kysely';
import { PrincipalId } from '../contract/ids.js';
import type { StateSchema } from '../store/schema.js';
import { type Clock, ExpiringMap, TokenBuckets } from './bounded.js';
import type { ProviderLogin } from './claims.js';
import { formOf, json, type RequestInfo } from './http.js';
import { identityLimits, rates } from './limits.js';
import { type Logout, verifyLogoutToken } from './logout-token.js';
import { withdraw } from './provider-checks.js';
import type { Provider } from './providers.js';
import { keep, type RecordEvent, type SignIns } from './sign-ins.js';

/** Logouts that providers have sent, for logins that are still on their way to a sign-in. */
export class RecentLogouts {
  readonly #atMs: ExpiringMap<number>;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = new ExpiringMap({
      clock,
      ttlMs: identityLimits.logoutKeptMs,
      entriesMax: identityLimits.logoutsMax,
      whenFull: 'evict',
    });
  }

  add(provider: string, { subject, sid }: Logout): void {
    if (sid !== undefined) this.#atMs.set(keyOf(provider, 'sid', sid), this.#clock());
    if (subject === undefined) return;
    this.#atMs.set(keyOf(provider, sid === undefined ? 'sub' : 'sub-without-sid', subject), this.#clock());
  }

  /** Whether the provider has signed this login out since it vouched for it. */
  hasEnded(login: ProviderLogin | undefined): boolean {
    if (login === undefined) return false;
    const { provider, subject, sid, atMs } = login;
    // The provider's name for a session is never given again.
    if (sid !== undefined && this.#atMs.get(keyOf(provider, 'sid', sid)) !== undefined) return true;
    const kinds = sid === undefined ? (['sub', 'sub-without-sid'] as const) : (['sub'] as const);
    return kinds.some((kind) => (this.#atMs.get(keyOf(provider, kind, subject)) ?? -1) >= atMs);
  }
}

function keyOf(provider: string, kind: 'sid' | 'sub' | 'sub-without-sid', value: string): string {
  return JSON.stringify([provider, kind, value]);
}

/** POST of a logout token (OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8). */
export type BackChannelLogout = (provider: string, request: Request, info: RequestInfo) => Promise<Response>;

export function createBackChannelLogout(options: {
  readonly state: Kysely<StateSchema>;
  readonly clock: Clock;
  readonly record: RecordEvent;
  readonly signIns: SignIns;
  readonly providers: ReadonlyMap<string, Provider>;
  readonly logouts: RecentLogouts;
}): BackChannelLogout {
  const { state, clock, record, signIns, providers, logouts } = options;
  const requests = new TokenBuckets(clock, rates.logout);
  const refusals = new TokenBuckets(clock, rates.refusal);
  // Only what a provider has signed gets in here, so strangers cannot fill it.
  const used = new ExpiringMap<true>({
    clock,
    ttlMs: identityLimits.logoutTokenAgeMsMax + 2 * identityLimits.logoutClockSkewMs,
    entriesMax: identityLimits.logoutsMax,
    whenFull: 'refuse',
  });

  async function refuse(name: string, reason: string, info: RequestInfo): Promise<Response> {
    if (refusals.take(info.remoteAddress))
      await keep(record, {
        kind: 'identity.refused',
        code: 'sign-in-refused',
        reason: `back-channel logout of ${name}: ${reason}`,
        from: info.remoteAddress,
      }).catch(() => undefined);
    return badRequest(reason);
  }

  /** By `sid` that login's sign-ins, and those of the person whose login has no name here; by `sub` alone all. */
  async function affected(provider: string, { subject, sid }: Logout) {
    const rows = await state
      .selectFrom('sign_ins')
      .select(['id', 'principal', 'provider_subject', 'provider_sid'])
      .where('provider', '=', provider)
      .where((where) =>
        where.or([
          ...(sid === undefined ? [] : [where('provider_sid', '=', sid)]),
          ...(subject === undefined ? [] : [where('provider_subject', '=', subject)]),
        ]),
      )
      .where('ended_at_ms', 'is', null)
      .where('expires_at_ms', '>', clock())
      .execute();
    return rows.filter((row) => {
      if (subject !== undefined && row.provider_subject !== subject) return false;
      return sid === undefined || row.provider_sid === null || row.provider_sid === sid;
    });
  }

  async function end(name: string, logout: Logout): Promise<void> {
    // INVARIANT: remembered first. A sign-in that begins meanwhile is either found below or finds this.
    logouts.add(name, logout);
    const reason = `the person was signed out at the identity provider ${name}`;
    const ended = await Promise.allSettled(
      (await affected(name, logout)).map(({ id, principal }) =>
        withdraw(signIns, record, {
          provider: name,
          principal: PrincipalId.parse(principal),
          signIn: id,
          cause: 'logout',
          reason,
        }),
      ),
    );
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
  }

  return async (name, request, info) => {
    if (!requests.take(info.remoteAddress)) return badRequest('too many requests from this address', 429);
    const provider = providers.get(name);
    const token = (await formOf(request))?.get('logout_token');
    if (provider === undefined) return refuse('nobody', 'there is no such provider here', info);
    if (token === undefined) return refuse(name, 'a form with logout_token is needed', info);
    const signer = await provider.signer();
    if (signer === undefined) return refuse(name, 'the provider gives no usable metadata', info);
    const { clientId } = provider.settings;
    const result = await verifyLogoutToken(token, { signer, clientId, nowMs: clock() });
    if (!result.ok) return refuse(name, result.reason, info);
    const id = JSON.stringify([name, result.logout.id]);
    if (used.get(id) === true) return refuse(name, 'the logout token was used before', info);
    if (!used.set(id, true)) return refuse(name, 'too many logout tokens are remembered: try later', info);
    try {
      await end(name, result.logout);
    } catch {
      // Ended all the same, as far as it was found; the provider may send it again.
      used.delete(id);
      return badRequest('the logout could not be kept');
    }
    return new Response(null, { status: 200, headers });
  };
}

const headers = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** 2.8. */
function badRequest(description: string, status = 400): Response {
  const retry: Record<string, string> = status === 429 ? { 'retry-after': '5' } : {};
  return json({ error: 'invalid_request', error_description: description }, { ...headers, ...retry }, status);
}
