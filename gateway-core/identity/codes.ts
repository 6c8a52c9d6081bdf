import { type Clock, ExpiringMap } from './bounded.js';
import type { Person } from './claims.js';
import { identityLimits } from './limits.js';
import { randomToken, sha256Hex } from './secrets.js';

/** What a client asked for at the authorization endpoint, checked. */
export interface AuthorizationRequest {
  /** `http://127.0.0.1:PORT/callback` or `http://[::1]:PORT/callback`. */
  readonly redirectUri: string;
  readonly state: string;
  /** RFC 7636, S256. */
  readonly codeChallenge: string;
  /** RFC 9449 10: the key that alone may redeem the code. */
  readonly deviceKey: string | undefined;
}

/** What became of a code after its first use. */
export interface CodeUse {
  signIn: string | undefined;
  again: boolean;
}

export type TakenCode =
  | {
      readonly kind: 'first';
      readonly request: AuthorizationRequest;
      readonly person: Person;
      readonly use: CodeUse;
    }
  | { readonly kind: 'again'; readonly use: CodeUse }
  | { readonly kind: 'unknown' };

/** Authorization codes: in memory, one minute, used once whatever comes of it. */
export class Codes {
  private readonly live: ExpiringMap<{ readonly request: AuthorizationRequest; readonly person: Person }>;
  private readonly used: ExpiringMap<CodeUse>;

  constructor(clock: Clock) {
    const entriesMax = identityLimits.authorizationCodesMax;
    const ttlMs = identityLimits.authorizationCodeTtlMs;
    this.live = new ExpiringMap({ clock, ttlMs, entriesMax, whenFull: 'refuse' });
    this.used = new ExpiringMap({
      clock,
      ttlMs: identityLimits.usedCodeTtlMs,
      entriesMax,
      whenFull: 'evict',
    });
  }

  /** Undefined when too many are waiting. */
  issue(request: AuthorizationRequest, person: Person): string | undefined {
    const code = randomToken('tlc_');
    return this.live.set(sha256Hex(code), { request, person }) ? code : undefined;
  }

  take(code: string): TakenCode {
    const hash = sha256Hex(code);
    const before = this.used.get(hash);
    if (before !== undefined) {
      before.again = true;
      return { kind: 'again', use: before };
    }
    const entry = this.live.take(hash);
    if (entry === undefined) return { kind: 'unknown' };
    const use: CodeUse = { signIn: undefined, again: false };
    this.used.set(hash, use);
    return { kind: 'first', ...entry, use };
  }
}
