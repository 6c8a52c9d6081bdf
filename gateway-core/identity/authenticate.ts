import type { Actor, Chain } from '../contract/chain.js';
import { delegationLimits, Lineage, type MisuseRules } from '../contract/delegation.js';
import { ThroughlineError } from '../contract/errors.js';
import { attribute, MisusedCredential } from './attribution.js';
import { type Clock, TokenBuckets } from './bounded.js';
import type { Delegation } from './delegation.js';
import { actorOfDelegation, type Delegations } from './delegations.js';
import { checkProof, type Nonces, type Proof, proofAlgorithms, ReplayCache } from './dpop.js';
import { identityLimits, rates } from './limits.js';
import { acceptOffline } from './offline-tokens.js';
import { sha256Base64url, sha256Hex } from './secrets.js';
import { actorOf, keep, type RecordEvent, type SignIns, type TicketRow, ticketPattern } from './sign-ins.js';

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
  /** Header `throughline-lineage`: which processes are behind the request. */
  readonly lineage?: string | undefined;
  /** Header `throughline-delegations`: hops that were minted offline. */
  readonly tokens?: string | undefined;
  /** A stream is one program's session; a request is made by whoever stands before that program. */
  readonly use?: 'stream' | 'request';
}

/** `dpopNonce` belongs into the answer's `DPoP-Nonce` header, whatever the result. */
export type Authenticated =
  | {
      readonly ok: true;
      readonly actor: Actor;
      /** What the desktop said about the processes behind it. */
      readonly lineage: Lineage | undefined;
      readonly dpopNonce: string;
    }
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

const delegatedPattern = /^(dlg_[0-9A-HJKMNP-TV-Z]{26})(?:\.(tlh_[A-Za-z0-9_-]{32}))?$/;

/** @throws ThroughlineError invalid-request: what cannot be read is refused, not ignored */
function lineageOf(header: string | undefined): Lineage | undefined {
  if (header === undefined || header === '') return undefined;
  const parsed = Lineage.safeParse(
    header.length > delegationLimits.lineageBytesMax * 2 ? undefined : jsonOf(header),
  );
  if (parsed.success) return parsed.data;
  throw new ThroughlineError('invalid-request', 'the lineage header cannot be read', {
    action: 'use the same version of Throughline on both sides',
  });
}

function jsonOf(header: string): unknown {
  try {
    return JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}

/** Verifies tickets and the proofs that come with them (RFC 9449 7). */
export function createAuthenticate(options: {
  readonly clock: Clock;
  readonly origin: string;
  readonly nonces: Nonces;
  readonly record: RecordEvent;
  readonly signIns: SignIns;
  readonly delegations: Delegations;
  /** Whether a process without a delegation of its own was revoked, by the id of its node. */
  readonly isRevoked: (node: string) => boolean;
  readonly misuse: MisuseRules;
}): Authenticate {
  const { clock, origin, nonces, record, signIns, delegations } = options;
  const replays = new ReplayCache(nonces);
  const refusals = new TokenBuckets(clock, rates.refusal);
  const misuses = new TokenBuckets(clock, rates.refusal);
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
    const delegated = delegatedPattern.exec(ticket);
    if (delegated === null && !ticketPattern.test(ticket))
      return notSignedIn('the ticket is not one of this gateway');
    const checked = await checkProof(
      { proof: request.dpop, method: request.method, url: request.url },
      { clock, nonces, origin },
    );
    if (!checked.ok)
      return checked.kind === 'nonce'
        ? new ThroughlineError('proof-nonce', checked.message, { action: 'sign again with that nonce' })
        : proofInvalid(checked.message);
    if (delegated !== null) return delegate(request, ticket, delegated, checked.proof);
    const row = await ticketOf(sha256Hex(ticket));
    if (row === undefined) return notSignedIn('the ticket is unknown, expired or signed out');
    return (await misused(request, ticket, row.deviceKey, checked.proof)) ?? signIns.asNow(actorOf(row));
  }

  /** By the delegation's own key (`dlg_...`), or by its handle and the key of the device that it was made on. */
  async function delegate(
    request: PresentedRequest,
    ticket: string,
    [, id = '', handle]: RegExpExecArray,
    proof: Proof,
  ): Promise<Actor | ThroughlineError> {
    if (handle === undefined && request.tokens !== undefined && request.tokens !== '')
      await acceptOffline(request.tokens, { delegations, signIns, clock });
    const found = handle === undefined ? delegations.get(id) : delegations.ofHandle(id, handle);
    const over = notSignedIn('the delegation is unknown, has ended or has expired');
    if (found === undefined) return over;
    const root = await signIns.live(found.signIn);
    if (root === undefined) return over;
    const key = handle === undefined ? found.key : root.actor.deviceKey;
    if (key === undefined) return over;
    if (handle !== undefined && proof.deviceKey !== key) {
      await misuse('other-device', found, found.above, 'denied');
      return refuse(request, 'the handle came with the key of another device');
    }
    const wrong = await misused(request, ticket, key, proof);
    if (wrong !== undefined) return wrong;
    const actor = actorOfDelegation(
      found,
      handle === undefined ? 'proven' : 'issued',
      root.actor.expiresAtMs,
    );
    const { groups, deviceKey } = root.actor;
    if (handle !== undefined) return { ...actor, groups, deviceKey: key };
    return { ...actor, groups, ...(deviceKey === undefined ? {} : { signInDevice: deviceKey }) };
  }

  async function misuse(
    kind: 'shared' | 'inherited' | 'other-device',
    delegation: Delegation,
    chain: Chain,
    verdict: 'denied' | 'attributed',
    to?: string,
  ): Promise<void> {
    if (!misuses.take(delegation.id)) return;
    await keep(record, {
      kind: 'credential.misused',
      misuse: kind,
      delegation: delegation.id,
      chain,
      verdict,
      ...(to === undefined ? {} : { to }),
    });
  }

  /** Adds what the person's machine says about who is behind the request. */
  async function placed(
    use: 'stream' | 'request',
    lineage: Lineage | undefined,
    actor: Actor,
  ): Promise<Actor> {
    try {
      const { isRevoked, misuse: rules } = options;
      const found = attribute(actor, lineage, { delegations, isRevoked, misuse: rules }, use);
      if (found.misuse !== undefined)
        await misuse(
          found.misuse.kind,
          found.misuse.delegation,
          found.actor.chain,
          'attributed',
          found.misuse.to,
        );
      return found.actor;
    } catch (error) {
      if (error instanceof MisusedCredential)
        await misuse(error.misuse, error.delegation, error.presented.chain, 'denied');
      throw error;
    }
  }

  async function misused(request: PresentedRequest, ticket: string, key: string, proof: Proof) {
    if (proof.deviceKey !== key) return refuse(request, 'the ticket came with the key of another device');
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
    try {
      const presented = await judge(request);
      if (presented instanceof ThroughlineError) throw presented;
      const lineage = lineageOf(request.lineage);
      const actor = await placed(request.use ?? 'request', lineage, presented);
      return { ok: true, actor, lineage, dpopNonce: nonces.current() };
    } catch (error) {
      if (!(error instanceof ThroughlineError)) throw error;
      return { ok: false, error, dpopNonce: nonces.current() };
    }
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
