import type { SignInsTable } from '../store/schema.js';
import type { ProviderLogin } from './claims.js';

/** What the store does with secrets, as this room needs it. */
export interface Sealer {
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** Throws when bytes, key and context do not belong together. */
  open(sealed: Uint8Array, context: string): Uint8Array;
}

/** Whose token it is: sealed, it opens for nobody else, so it never goes to another issuer than the one that gave it. */
export interface TokenPlace {
  readonly signIn: string;
  readonly provider: string;
  readonly issuer: string;
}

/** Refresh tokens of providers, sealed. */
export class ProviderTokens {
  readonly #sealer: Sealer;

  constructor(sealer: Sealer) {
    this.#sealer = sealer;
  }

  seal(place: TokenPlace, token: string): Uint8Array {
    return this.#sealer.seal(Buffer.from(token, 'utf8'), contextOf(place));
  }

  /** Undefined: it was sealed for another place or with another key. */
  open(place: TokenPlace, sealed: Uint8Array): string | undefined {
    try {
      return Buffer.from(this.#sealer.open(sealed, contextOf(place))).toString('utf8');
    } catch {
      return undefined;
    }
  }
}

function contextOf({ signIn, provider, issuer }: TokenPlace): string {
  return JSON.stringify(['provider-token', signIn, provider, issuer]);
}

type ProviderColumns = Pick<SignInsTable, Extract<keyof SignInsTable, `provider${string}`>>;

/** What a new sign-in's row says of the login behind it. */
export function providerColumns(
  signIn: string,
  login: ProviderLogin | undefined,
  tokens: ProviderTokens,
): ProviderColumns {
  const token = login?.refreshToken;
  return {
    provider: login?.provider ?? null,
    provider_subject: login?.subject ?? null,
    provider_sid: login?.sid ?? null,
    provider_token:
      login === undefined || token === undefined ? null : tokens.seal({ ...login, signIn }, token),
    provider_checked_at_ms: login?.atMs ?? null,
    provider_asked_at_ms: null,
  };
}
