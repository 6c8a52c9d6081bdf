import { codecLimits } from './limits.js';
import {
  attribute,
  deriveKeys,
  equalBytes,
  fromBase64,
  hmacSha256,
  isNonce,
  type ScramFailure,
  type ScramKeys,
  type ScramMechanism,
  scramFailure,
  scramMechanisms,
  scramText,
  sha256,
  xor32,
} from './scram.js';

export type ChannelBindingUse = 'disable' | 'prefer' | 'require';

/** The mechanism to answer with, and the GS2 header that says how the client stands to channel binding. */
export interface ScramChoice {
  readonly kind: 'chosen';
  readonly mechanism: ScramMechanism;
  /** RFC 5802 section 6. `y,,`: we could, you did not offer it; a server that did offer it then sees the downgrade. */
  readonly gs2Header: 'n,,' | 'y,,' | 'p=tls-server-end-point,,';
  /** tls-server-end-point data, when it is used. */
  readonly binding: Uint8Array | undefined;
}

/**
 * Chooses from what AuthenticationSASL offers. `binding`: tlsServerEndPoint of the target's certificate, undefined
 * without TLS or where the certificate has none.
 */
export function chooseScram(
  offered: readonly string[],
  options: {
    readonly tls: boolean;
    readonly binding: Uint8Array | undefined;
    readonly channelBinding: ChannelBindingUse;
  },
): ScramChoice | ScramFailure {
  const plus = offered.includes(scramMechanisms.plus);
  // A server cannot bind to a channel that is not there: someone between us took TLS away.
  if (plus && !options.tls) return scramFailure('channel binding was offered without TLS');
  const able = options.tls && options.binding !== undefined && options.channelBinding !== 'disable';
  if (plus && able) {
    const gs2Header = 'p=tls-server-end-point,,';
    return { kind: 'chosen', mechanism: scramMechanisms.plus, gs2Header, binding: options.binding };
  }
  if (options.channelBinding === 'require')
    return scramFailure('channel binding is required and not possible');
  if (!offered.includes(scramMechanisms.plain)) return scramFailure('no SCRAM-SHA-256 was offered');
  const gs2Header = able ? 'y,,' : 'n,,';
  return { kind: 'chosen', mechanism: scramMechanisms.plain, gs2Header, binding: undefined };
}

export interface ScramClientOptions {
  readonly choice: ScramChoice;
  readonly password: string;
  /** At least 18 random bytes in base64, handed in, never used twice. */
  readonly nonce: string;
  /** PostgreSQL ignores it and libpq leaves it empty. */
  readonly user?: string;
  readonly iterationsMin?: number;
  readonly iterationsMax?: number;
  /** From an earlier exchange: saves the PBKDF2 when salt and iterations are the same. */
  readonly knownKeys?: ScramKeys | undefined;
}

/**
 * The client's side of one exchange: `first`, then `answer`, then `verify`. Only after `verify` gave `ok` is the
 * server known to hold the verifier, so an AuthenticationOk that comes earlier must be refused (a server that merely
 * says yes has proved nothing).
 */
export class ScramClient {
  readonly #options: ScramClientOptions;
  readonly #firstBare: string;
  #state: 'new' | 'first-sent' | 'deriving' | 'final-sent' | 'verified' | 'failed' = 'new';
  #serverSignature: Buffer | undefined;
  #keys: ScramKeys | undefined;

  constructor(options: ScramClientOptions) {
    if (options.nonce.length < codecLimits.scramNonceBytesMin || !isNonce(options.nonce)) {
      throw new Error('a SCRAM nonce is visible ASCII without commas, and long');
    }
    this.#options = options;
    const user = (options.user ?? '').replace(/=/g, '=3D').replace(/,/g, '=2C');
    this.#firstBare = `n=${user},r=${options.nonce}`;
  }

  /** True once the server has proved that it knows the verifier. */
  get verified(): boolean {
    return this.#state === 'verified';
  }

  /** Keys to hand to the next exchange with this credential, once `verified`. Secret. */
  get keys(): ScramKeys | undefined {
    return this.verified ? this.#keys : undefined;
  }

  /** client-first-message, for SASLInitialResponse. */
  first(): Uint8Array {
    if (this.#state !== 'new') throw new Error('the exchange has begun');
    this.#state = 'first-sent';
    return Buffer.from(`${this.#options.choice.gs2Header}${this.#firstBare}`, 'utf8');
  }

  /** From server-first-message (AuthenticationSASLContinue) to client-final-message, for SASLResponse. */
  async answer(
    serverFirst: Uint8Array,
  ): Promise<{ readonly kind: 'answer'; readonly data: Uint8Array } | ScramFailure> {
    if (this.#state !== 'first-sent') return this.#fail('a SCRAM message out of order');
    const text = scramText(serverFirst);
    const challenge = text === undefined ? undefined : this.#readChallenge(text);
    if (text === undefined || challenge === undefined) return this.#fail('a malformed SCRAM challenge');
    if ('kind' in challenge) return this.#fail(challenge.reason);
    this.#state = 'deriving';
    const keys = await this.#deriveOnce(challenge.salt, challenge.iterations);
    if (this.#state !== 'deriving') return this.#fail('a SCRAM message out of order');
    const { gs2Header, binding } = this.#options.choice;
    const bound = Buffer.concat([Buffer.from(gs2Header, 'latin1'), binding ?? new Uint8Array(0)]);
    const withoutProof = `c=${bound.toString('base64')},r=${challenge.nonce}`;
    const authMessage = `${this.#firstBare},${text},${withoutProof}`;
    const proof = xor32(keys.clientKey, hmacSha256(sha256(keys.clientKey), authMessage));
    this.#serverSignature = hmacSha256(keys.serverKey, authMessage);
    this.#keys = keys;
    this.#state = 'final-sent';
    return { kind: 'answer', data: Buffer.from(`${withoutProof},p=${proof.toString('base64')}`, 'latin1') };
  }

  /** server-final-message (AuthenticationSASLFinal): does the server know the verifier? */
  verify(serverFinal: Uint8Array): { readonly kind: 'ok' } | ScramFailure {
    if (this.#state !== 'final-sent' || this.#serverSignature === undefined) {
      return this.#fail('a SCRAM message out of order');
    }
    const text = scramText(serverFinal);
    if (text?.startsWith('e=')) return this.#fail('the server refused the SCRAM exchange');
    const signature = fromBase64(attribute(text, 'v') ?? '');
    if (signature === undefined) return this.#fail('a malformed SCRAM verdict');
    if (!equalBytes(signature, this.#serverSignature)) return this.#fail('the server signature is wrong');
    this.#state = 'verified';
    return { kind: 'ok' };
  }

  /** RFC 5802 section 7, server-first-message. Extensions are refused, as libpq does: none is defined. */
  #readChallenge(
    text: string,
  ): { nonce: string; salt: Buffer; iterations: number } | ScramFailure | undefined {
    const parts = text.split(',');
    const nonce = attribute(parts[0], 'r');
    const salt = fromBase64(attribute(parts[1], 's') ?? '');
    const digits = attribute(parts[2], 'i');
    if (parts.length !== 3 || nonce === undefined || salt === undefined || digits === undefined)
      return undefined;
    if (salt.length > codecLimits.scramSaltBytesMax || !/^[1-9]\d{0,9}$/.test(digits)) return undefined;
    if (!isNonce(nonce)) return undefined;
    const own = this.#options.nonce;
    if (!nonce.startsWith(own) || nonce.length === own.length) {
      return scramFailure('the server nonce does not extend ours');
    }
    const iterations = Number(digits);
    const { iterationsMin, iterationsMax } = this.#options;
    if (iterations < (iterationsMin ?? codecLimits.scramIterationsMin)) {
      return scramFailure('the server asks for too few iterations');
    }
    if (iterations > (iterationsMax ?? codecLimits.scramIterationsMax)) {
      return scramFailure('the server asks for too many iterations');
    }
    return { nonce, salt, iterations };
  }

  async #deriveOnce(salt: Buffer, iterations: number): Promise<ScramKeys> {
    const known = this.#options.knownKeys;
    if (known !== undefined && known.iterations === iterations && equalBytes(known.salt, salt)) return known;
    return deriveKeys(this.#options.password, salt, iterations);
  }

  #fail(reason: string): ScramFailure {
    this.#state = 'failed';
    return scramFailure(reason);
  }
}
