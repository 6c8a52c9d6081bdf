import { asBuffer } from './bytes.js';
import { codecLimits } from './limits.js';
import {
  attribute,
  equalBytes,
  fromBase64,
  hmacSha256,
  isNonce,
  type ScramFailure,
  type ScramMechanism,
  type ScramVerifier,
  scramFailure,
  scramMechanisms,
  scramText,
  sha256,
  xor32,
} from './scram.js';

export interface ScramServerOptions {
  readonly verifier: ScramVerifier;
  /** At least 18 random bytes in base64, handed in, never used twice. */
  readonly nonce: string;
  /** tlsServerEndPoint of our own certificate; undefined where this socket has no TLS: PLUS is not offered then. */
  readonly binding: Uint8Array | undefined;
}

/** For AuthenticationSASL: what a socket with, or without, channel binding data offers. PLUS first, as servers do. */
export function offeredMechanisms(binding: Uint8Array | undefined): readonly ScramMechanism[] {
  return binding === undefined ? [scramMechanisms.plain] : [scramMechanisms.plus, scramMechanisms.plain];
}

/**
 * The server's side of one exchange: `challenge`, then `verdict`. Every failure is told to the client with one and
 * the same error (28P01): which step failed is for our own log.
 */
export class ScramServer {
  readonly #options: ScramServerOptions;
  #state: 'new' | 'challenged' | 'done' = 'new';
  #gs2Header = '';
  #bound = false;
  #firstBare = '';
  #serverFirst = '';
  #nonce = '';

  constructor(options: ScramServerOptions) {
    if (options.nonce.length < codecLimits.scramNonceBytesMin || !isNonce(options.nonce)) {
      throw new Error('a SCRAM nonce is visible ASCII without commas, and long');
    }
    this.#options = options;
  }

  /** From SASLInitialResponse to server-first-message, for AuthenticationSASLContinue. */
  challenge(
    mechanism: string,
    clientFirst: Uint8Array | undefined,
  ): { readonly kind: 'challenge'; readonly data: Uint8Array } | ScramFailure {
    if (this.#state !== 'new') return this.#fail('a SCRAM message out of order');
    this.#state = 'done';
    const text = clientFirst === undefined ? undefined : openingText(clientFirst);
    if (text === undefined) return scramFailure('a malformed SCRAM opening');
    // RFC 5802 section 7: gs2-header ends at the second comma; an authorization identity or m= is not supported.
    const parts = text.split(',');
    const [flag, identity, user, nonce] = parts;
    if (parts.length !== 4 || identity !== '' || attribute(user, 'n') === undefined) {
      return scramFailure('a malformed SCRAM opening');
    }
    const clientNonce = attribute(nonce, 'r');
    if (clientNonce === undefined || !isNonce(clientNonce)) return scramFailure('a malformed SCRAM nonce');
    const refusal = this.#refuseFlag(mechanism, flag ?? '');
    if (refusal !== undefined) return scramFailure(refusal);
    this.#bound = mechanism === scramMechanisms.plus;
    this.#gs2Header = `${flag},,`;
    this.#firstBare = `${user},${nonce}`;
    this.#nonce = clientNonce + this.#options.nonce;
    const { salt, iterations } = this.#options.verifier;
    this.#serverFirst = `r=${this.#nonce},s=${Buffer.from(salt).toString('base64')},i=${iterations}`;
    this.#state = 'challenged';
    return { kind: 'challenge', data: Buffer.from(this.#serverFirst, 'latin1') };
  }

  /** From client-final-message to server-final-message, for AuthenticationSASLFinal: the client knows the password. */
  verdict(clientFinal: Uint8Array): { readonly kind: 'ok'; readonly data: Uint8Array } | ScramFailure {
    if (this.#state !== 'challenged') return this.#fail('a SCRAM message out of order');
    this.#state = 'done';
    const parts = scramText(clientFinal)?.split(',') ?? [];
    const [binding, nonce, proofPart] = parts;
    const proof = fromBase64(attribute(proofPart, 'p') ?? '');
    if (parts.length !== 3 || proof?.length !== 32) return scramFailure('a malformed SCRAM proof');
    if (attribute(nonce, 'r') !== this.#nonce)
      return scramFailure('the SCRAM nonce is not the one of this exchange');
    const bindingRight = this.#bindingRight(binding);
    const authMessage = Buffer.from(`${this.#firstBare},${this.#serverFirst},${binding},${nonce}`, 'latin1');
    const { storedKey, serverKey, mock } = this.#options.verifier;
    const clientKey = xor32(proof, hmacSha256(storedKey, authMessage));
    const proofRight = equalBytes(sha256(clientKey), storedKey);
    const signature = hmacSha256(serverKey, authMessage);
    if (!bindingRight) return scramFailure('the SCRAM channel binding does not match');
    if (!proofRight || mock === true) return scramFailure('the SCRAM proof is wrong');
    return { kind: 'ok', data: Buffer.from(`v=${signature.toString('base64')}`, 'latin1') };
  }

  /** RFC 5802 section 6. The reason to refuse, if there is one. */
  #refuseFlag(mechanism: string, flag: string): string | undefined {
    const offersPlus = this.#options.binding !== undefined;
    if (mechanism === scramMechanisms.plus) {
      if (!offersPlus) return 'a SCRAM mechanism that was not offered';
      return flag === 'p=tls-server-end-point' ? undefined : 'a wrong SCRAM channel binding flag';
    }
    if (mechanism !== scramMechanisms.plain) return 'a SCRAM mechanism that was not offered';
    if (flag === 'y')
      return offersPlus ? 'the offer of channel binding was taken away on its way' : undefined;
    return flag === 'n' ? undefined : 'a wrong SCRAM channel binding flag';
  }

  #bindingRight(part: string | undefined): boolean {
    const given = fromBase64(attribute(part, 'c') ?? '');
    if (given === undefined) return false;
    const data = this.#bound ? this.#options.binding : undefined;
    const expected = Buffer.concat([Buffer.from(this.#gs2Header, 'latin1'), data ?? new Uint8Array(0)]);
    return equalBytes(given, expected);
  }

  #fail(reason: string): ScramFailure {
    this.#state = 'done';
    return scramFailure(reason);
  }
}

/**
 * The user name in an opening may hold any UTF-8. It is ignored, but signed: one character per byte keeps the bytes
 * as they came, and no byte of a longer UTF-8 character looks like a comma.
 */
function openingText(clientFirst: Uint8Array): string | undefined {
  if (clientFirst.length > codecLimits.scramMessageBytesMax) return undefined;
  const text = asBuffer(clientFirst).toString('latin1');
  return /^[\x20-\x7e\x80-\xff]+$/.test(text) ? text : undefined;
}
