import type { Actor } from '../contract/chain.js';
import { ThroughlineError } from '../contract/errors.js';
import { type Clock, TokenBuckets } from './bounded.js';
import { checkProof, type Nonces, type Proof, proofAlgorithms, ReplayCache } from './dpop.js';
import { identityLimits, rates } from './limits.js';
import { sha256Base64url, sha256Hex } from './secrets.js';
import { keep, type RecordEvent, type SignIns, type TicketRow, ticketPattern } from './sign-ins.js';

/** One request as its listener saw it. Header values as received; two `DPoP` headers arrive joined by a comma. */
export interface PresentedRequest {
  /** As in the request line, upper case. */
  readonly method: string;
  /** Whole or only the path; its origin is not looked at, the gateway's own counts. */
  readonly url: string;
  readonly authorization: string | undefined;
  readonly dpop: string | undefined;
  /** Of the socket, never of a header. */
  readonly remoteAddress: string;
}

/** `dpopNonce` belongs into the answer's `DPoP-Nonce` header, whatever the result. */
export type Authenticated =
  | { readonly ok: true; readonly actor: Actor; readonly dpopNonce: string }
  | { readonly ok: false; readonly error: ThroughlineError; readonly dpopNonce: string };

export type Authenticate = (request: PresentedRequest) => Promise<Authenticated>;

/**
 * The `WWW-Authenticate` value of a failed `authenticate` (RFC 9449 7.1 and 9), or undefined for failures that no
 * other proof or ticket would mend.
 */
export function challengeOf(error: ThroughlineError): string | undefined {
  const codes: Readonly<Record<string, string | undefined>> = {
    'not-signed-in': 'invalid_token',
    'proof-invalid': 'invalid_dpop_proof',
    'proof-nonce': 'use_dpop_nonce',
  };
  const code = codes[error.code];
  return code === undefined ? undefined : `DPoP error="${code}", algs="${proofAlgorithms.join(' ')}"`;
}

const notSignedIn = (message: string) =>
  new ThroughlineError('not-signed-in', message, { action: 'sign in: throughline login' });
const proofInvalid = (message: string) =>
  new ThroughlineError('proof-invalid', message, {
    action: 'sign a new DPoP proof with the key of this sign-in; check the clock of this machine',
  });

/** Verifies tickets and the proofs that come with them (RFC 9449 7). */
export function createAuthenticate(options: {
  readonly clock: Clock;
  readonly origin: string;
  readonly nonces: Nonces;
  readonly record: RecordEvent;
  readonly signIns: SignIns;
}): Authenticate {
  const { clock, origin, nonces, record, signIns } = options;
  const replays = new ReplayCache(nonces);
  const refusals = new TokenBuckets(clock, rates.refusal);
  const ticketOf = ticketCache(signIns, clock);

  /** A live ticket in the wrong hands: kept in the log, bounded per address. */
  async function refuse(request: PresentedRequest, message: string): Promise<ThroughlineError> {
    const error = proofInvalid(message);
    const from = request.remoteAddress;
    if (!refusals.take(from))
      return new ThroughlineError('rate-limited', 'too many refused proofs from this address', {
        action: 'wait a minute',
      });
    await keep(record, { kind: 'identity.refused', code: error.code, reason: message, from });
    return error;
  }

  async function judge(request: PresentedRequest): Promise<Actor | ThroughlineError> {
    const ticket = /^DPoP +(\S+)$/i.exec(request.authorization ?? '')?.[1];
    if (ticket === undefined) return notSignedIn('this needs a ticket, shown as Authorization: DPoP');
    if (!ticketPattern.test(ticket)) return notSignedIn('the ticket is not one of this gateway');
    const checked = await checkProof(
      { proof: request.dpop, method: request.method, url: request.url },
      { clock, nonces, origin },
    );
    if (!checked.ok)
      return checked.kind === 'nonce'
        ? new ThroughlineError('proof-nonce', checked.message, { action: 'sign again with that nonce' })
        : proofInvalid(checked.message);
    const row = await ticketOf(sha256Hex(ticket));
    if (row === undefined) return notSignedIn('the ticket is unknown, expired or signed out');
    return (await misused(request, ticket, row, checked.proof)) ?? actorOf(row);
  }

  async function misused(request: PresentedRequest, ticket: string, row: TicketRow, proof: Proof) {
    if (proof.deviceKey !== row.deviceKey)
      return refuse(request, 'the ticket came with the key of another device');
    if (proof.ticketHash !== sha256Base64url(ticket))
      return refuse(request, 'the proof is for another ticket');
    // Only proofs of the right key reach the cache, so strangers cannot fill it.
    const use = replays.accept(proof);
    if (use === 'replayed') return refuse(request, 'the proof was used before');
    if (use === 'full')
      return new ThroughlineError('busy', 'too many requests are remembered for this device', {
        action: 'send fewer requests and try again in a few minutes',
      });
    return undefined;
  }

  return async (request) => {
    const result = await judge(request).catch((error: unknown) => {
      if (error instanceof ThroughlineError) return error;
      throw error;
    });
    const dpopNonce = nonces.current();
    return result instanceof ThroughlineError
      ? { ok: false, error: result, dpopNonce }
      : { ok: true, actor: result, dpopNonce };
  };
}

/** Tickets by hash; the database is asked once a ticket. A sign-in that ended is never answered from here. */
function ticketCache(signIns: SignIns, clock: Clock): (hash: string) => Promise<TicketRow | undefined> {
  const rows = new Map<string, TicketRow>();
  return async (hash) => {
    const cached = rows.get(hash);
    const row = cached ?? (await signIns.ticket(hash));
    if (row === undefined) return undefined;
    if (signIns.isEnded(row.signIn) || row.ticketExpiresAtMs <= clock()) {
      rows.delete(hash);
      return undefined;
    }
    if (cached === undefined) {
      const oldest = rows.size >= identityLimits.ticketsCachedMax ? rows.keys().next() : undefined;
      if (oldest?.done === false) rows.delete(oldest.value);
      rows.set(hash, row);
    }
    return row;
  };
}

function actorOf(row: TicketRow): Actor {
  return {
    chain: [{ id: row.principal, kind: 'person', name: row.displayName, assurance: 'proven' }],
    scopes: [{}],
    groups: row.groups,
    signIn: row.signIn,
    deviceKey: row.deviceKey,
    expiresAtMs: row.signInExpiresAtMs,
  };
}
