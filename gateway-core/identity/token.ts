import { clientId, demoGrant, deviceGrant, type TokenResponse, workloadGrant } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';
import { isLoopbackAddress, TokenBuckets } from './bounded.js';
import { type Person, personOf } from './claims.js';
import { demoRules, type IdentityContext } from './context.js';
import { invalidClient } from './device.js';
import { checkProof, ReplayCache } from './dpop.js';
import {
  type Endpoint,
  type Fields,
  failureOf,
  formOf,
  isFailure,
  json,
  type OAuthFailure,
  oauthError,
  type RequestInfo,
  rateLimited,
} from './http.js';
import { rates } from './limits.js';
import { equalSecrets, sha256Base64url } from './secrets.js';
import { keep, type Tokens } from './sign-ins.js';

/** A failure that says something about who tried: it goes into the audit log. */
interface Refusal extends OAuthFailure {
  readonly refusal: true;
}

type Outcome = Tokens | OAuthFailure | Refusal;

const workloadTokenTypes: readonly string[] = [
  'urn:ietf:params:oauth:token-type:jwt',
  'urn:ietf:params:oauth:token-type:id_token',
];

const invalidRequest = (description: string): OAuthFailure => ({
  error: 'invalid_request',
  description,
  code: 'invalid-request',
});

const refusal = (description: string, error = 'invalid_grant'): Refusal => ({
  error,
  description,
  code: 'sign-in-refused',
  action: 'sign in again: throughline login',
  refusal: true,
});

const waiting = (error: 'authorization_pending' | 'slow_down'): OAuthFailure => ({
  error,
  description: error === 'slow_down' ? 'polled too early: add five seconds' : 'nobody has answered yet',
  code: 'sign-in-pending',
});

/** The token endpoint (RFC 6749 3.2, RFC 8628 3.4, RFC 9449 5) and revocation (RFC 7009). */
export function createToken(context: IdentityContext): Readonly<Record<'token' | 'revoke', Endpoint>> {
  const { checks, clock, codes, devices, logouts, nonces, origin, record, signIns } = context;
  const buckets = new TokenBuckets(clock, rates.token);
  const refusals = new TokenBuckets(clock, rates.refusal);
  const replays = new ReplayCache(nonces);

  async function token(request: Request, info: RequestInfo): Promise<Response> {
    if (!buckets.take(info.remoteAddress)) return oauthError(rateLimited);
    const outcome = await judged(() => grant(request, info), info);
    const headers = { 'dpop-nonce': nonces.current() };
    if (isFailure(outcome)) return oauthError(outcome, headers);
    const answer: TokenResponse = {
      access_token: outcome.ticket,
      token_type: 'DPoP',
      expires_in: Math.max(0, Math.floor((outcome.ticketExpiresAtMs - clock()) / 1000)),
      ...(outcome.refreshToken === undefined ? {} : { refresh_token: outcome.refreshToken }),
      principal: outcome.principal,
    };
    return json(answer, headers);
  }

  /** Refusals are in the log before they are told. */
  async function judged(work: () => Promise<Outcome>, info: RequestInfo): Promise<Tokens | OAuthFailure> {
    try {
      const outcome = await work();
      if (!('refusal' in outcome)) return outcome;
      const { code, description: reason } = outcome;
      if (!refusals.take(info.remoteAddress)) return rateLimited;
      await keep(record, { kind: 'identity.refused', code, reason, from: info.remoteAddress });
      return outcome;
    } catch (error) {
      if (error instanceof ThroughlineError) return failureOf(error);
      throw error;
    }
  }

  async function grant(request: Request, info: RequestInfo): Promise<Outcome> {
    const fields = await formOf(request);
    if (fields === undefined) return invalidRequest('a form is needed, each field at most once');
    if (fields.get('client_id') !== clientId) return invalidClient;
    const key = await deviceKeyOf(request);
    if (typeof key !== 'string') return key;
    switch (fields.get('grant_type')) {
      case 'authorization_code':
        return byCode(fields, key);
      case 'refresh_token':
        return byRefreshToken(fields, key);
      case deviceGrant:
        return byDeviceCode(fields, key);
      case demoGrant:
        return byDemoSecret(fields, key, request, info);
      case workloadGrant:
        return byWorkloadToken(fields, key);
      case undefined:
        return invalidRequest('grant_type is missing');
      default:
        return {
          error: 'unsupported_grant_type',
          description: 'unknown grant_type',
          code: 'invalid-request',
        };
    }
  }

  /** The key that signed this request: every token of ours is bound to one. */
  async function deviceKeyOf(request: Request): Promise<string | OAuthFailure> {
    const proof = request.headers.get('dpop') ?? undefined;
    const checked = await checkProof(
      { proof, method: request.method, url: request.url },
      { clock, nonces, origin },
    );
    if (!checked.ok)
      return {
        error: checked.kind === 'nonce' ? 'use_dpop_nonce' : 'invalid_dpop_proof',
        description: checked.message,
        code: checked.kind === 'nonce' ? 'proof-nonce' : 'proof-invalid',
      };
    const use = replays.accept(checked.proof);
    if (use === 'fresh') return checked.proof.deviceKey;
    if (use === 'full') return { ...rateLimited, code: 'busy', status: 503 };
    return { error: 'invalid_dpop_proof', description: 'the proof was used before', code: 'proof-invalid' };
  }

  async function byCode(fields: Fields, key: string): Promise<Outcome> {
    const code = fields.get('code');
    if (code === undefined) return invalidRequest('code is missing');
    // INVARIANT: taken before anything is checked, so nobody gets a second try at a code.
    const taken = codes.take(code);
    if (taken.kind === 'unknown') return refusal('the code is unknown or expired');
    const { use } = taken;
    if (taken.kind === 'again') {
      // RFC 6749 4.1.2: somebody else has it, so what came of it ends.
      if (use.signIn !== undefined) await signIns.end(use.signIn, 'code-reused');
      return refusal('the code was used before');
    }
    const { request, person } = taken;
    const verifier = fields.get('code_verifier') ?? '';
    if (
      !/^[\w.~-]{43,128}$/.test(verifier) ||
      !equalSecrets(sha256Base64url(verifier), request.codeChallenge)
    )
      return refusal('code_verifier does not fit the code');
    if (request.deviceKey !== undefined && request.deviceKey !== key)
      return refusal('the code is bound to the key of another device');
    if ((fields.get('redirect_uri') ?? request.redirectUri) !== request.redirectUri)
      return refusal('redirect_uri is not the one that the code was issued for');
    const tokens = await begin(person, 'browser', key);
    if (isFailure(tokens)) return tokens;
    use.signIn = tokens.signIn;
    if (!use.again) return tokens;
    await signIns.end(tokens.signIn, 'code-reused');
    return refusal('the code was used before');
  }

  /** Somebody whom a provider vouched for a while ago: unless it has signed them out since. */
  async function begin(person: Person, method: 'browser' | 'device-code', key: string) {
    const over = refusal('the identity provider has ended this login meanwhile');
    if (logouts.hasEnded(person.login)) return over;
    const tokens = await signIns.begin(person, method, key);
    await checks.watch(tokens.signIn);
    if (!logouts.hasEnded(person.login)) return tokens;
    await signIns.end(tokens.signIn, 'provider-logout', over.description);
    return over;
  }

  async function byRefreshToken(fields: Fields, key: string): Promise<Outcome> {
    const refreshToken = fields.get('refresh_token');
    if (refreshToken === undefined) return invalidRequest('refresh_token is missing');
    const result = await signIns.refresh(refreshToken, key);
    return result.ok ? result.tokens : refusal(result.reason);
  }

  async function byDeviceCode(fields: Fields, key: string): Promise<Outcome> {
    const deviceCode = fields.get('device_code');
    if (deviceCode === undefined) return invalidRequest('device_code is missing');
    const poll = devices.poll(deviceCode, key);
    switch (poll.kind) {
      case 'approved':
        return begin(poll.person, 'device-code', key);
      case 'pending':
        return waiting('authorization_pending');
      case 'slow-down':
        return waiting('slow_down');
      case 'refused':
        return refusal('the sign-in was refused at the browser', 'access_denied');
      case 'expired':
        return refusal('the device code expired before anybody answered', 'expired_token');
      case 'unknown':
        return refusal('the device code is unknown or was used before');
      case 'other-key':
        return refusal('the device code is bound to the key of another device');
      default:
        return poll satisfies never;
    }
  }

  async function byDemoSecret(
    fields: Fields,
    key: string,
    request: Request,
    info: RequestInfo,
  ): Promise<Outcome> {
    const { demo, admin } = context;
    if (demo === undefined)
      return {
        error: 'unsupported_grant_type',
        description: 'this is no demo gateway',
        code: 'invalid-request',
      };
    // A proxy on this machine would make every stranger look like loopback.
    const proxied = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'].some((name) =>
      request.headers.has(name),
    );
    if (proxied || !isLoopbackAddress(info.remoteAddress))
      return refusal('the demo sign-in works only from the same machine');
    if (!equalSecrets(fields.get('demo_secret') ?? '', demo.secret))
      return refusal('the demo secret is wrong');
    const name = fields.get('demo_user') ?? '';
    const claims = Object.hasOwn(demo.accounts, name) ? demo.accounts[name] : undefined;
    if (claims === undefined)
      return refusal(`demo_user must be one of ${Object.keys(demo.accounts).join(', ')}`);
    const result = personOf(claims, demoRules, admin);
    return result.ok ? signIns.begin(result.person, 'demo', key) : refusal(result.reason);
  }

  /** RFC 8693 2.1: a platform's token for a ticket of ours. It can be shown again, so nothing is handed out to renew with. */
  async function byWorkloadToken(fields: Fields, key: string): Promise<Outcome> {
    const subject = fields.get('subject_token');
    if (subject === undefined) return invalidRequest('subject_token is missing');
    const type = fields.get('subject_token_type');
    if (type !== undefined && !workloadTokenTypes.includes(type))
      return invalidRequest('subject_token_type must be that of a JWT or an ID token');
    const result = await context.workloads.verify(subject, key);
    if (!result.ok) return refusal(result.reason);
    return signIns.begin(result.person, 'workload', key, result.ttlMs);
  }

  /** Whoever holds a token of a sign-in may end it; a token that is unknown changes nothing and is no error. */
  async function revoke(request: Request, info: RequestInfo): Promise<Response> {
    if (!buckets.take(info.remoteAddress)) return oauthError(rateLimited);
    const fields = await formOf(request);
    const held = fields?.get('token');
    if (fields === undefined || held === undefined) return oauthError(invalidRequest('token is missing'));
    if (fields.get('client_id') !== clientId) return oauthError(invalidClient);
    try {
      const signIn = await signIns.signInOfToken(held);
      if (signIn !== undefined) await signIns.end(signIn, 'signed-out');
      return json({});
    } catch (error) {
      if (error instanceof ThroughlineError) return oauthError(failureOf(error));
      throw error;
    }
  }

  return { token, revoke };
}
