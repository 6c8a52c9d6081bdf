import { ThroughlineError } from '../../contract/errors.js';
import { signInAction } from './answers.js';
import { authorizationClient, type OAuthError, type Session, signInRefused } from './oauth.js';
import type { ClientState, SignIn } from './state.js';

/** The access token that requests carry; renewed before it ends, by one process at a time. */
export interface Tickets {
  /** A ticket that has not ended. @throws ThroughlineError not-signed-in */
  current(): Promise<string>;
  /** A ticket other than `refused`, which the gateway did not take. @throws ThroughlineError not-signed-in */
  replace(refused: string): Promise<string>;
}

type Tokens = NonNullable<SignIn['tokens']>;

export function createTickets(state: ClientState, session: Session, initial: Tokens): Tickets {
  let tokens = initial;
  let renewal: Promise<Tokens> | undefined;

  const renew = async (unwanted: string): Promise<string> => {
    renewal ??= renewOnce(state, session, unwanted, initial.principal).finally(() => {
      renewal = undefined;
    });
    tokens = await renewal;
    return tokens.accessToken;
  };

  return {
    current: async () => {
      const now = Date.now();
      if (now < tokens.renewAtMs) return tokens.accessToken;
      try {
        return await renew(tokens.accessToken);
      } catch (error) {
        // The old ticket still holds: a gateway that is away for a moment is the next request's matter.
        if (isUnreachable(error) && now < tokens.expiresAtMs) return tokens.accessToken;
        throw error;
      }
    },
    replace: (refused) =>
      tokens.accessToken === refused ? renew(refused) : Promise.resolve(tokens.accessToken),
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof ThroughlineError && error.code === 'gateway-unreachable';
}

/**
 * INVARIANT: a refresh token is used once. It rotates, and a second use looks like theft to the gateway: so the
 * state is read again under the lock, and what another process already renewed is taken from there.
 */
function renewOnce(
  state: ClientState,
  session: Session,
  unwanted: string,
  principal: string,
): Promise<Tokens> {
  const gateway = session.transport.origin;
  return state.locked(gateway, async () => {
    const signIn = await state.signIn(gateway);
    const kept = signIn?.tokens;
    if (signIn === undefined || kept === undefined) throw notSignedIn(gateway);
    // A tunnel that runs while somebody else signs in must not go on as that person.
    if (kept.principal !== principal) throw notSignedIn(gateway);
    if (kept.accessToken !== unwanted && Date.now() < kept.renewAtMs) return kept;
    if (kept.refreshToken === undefined) throw notSignedIn(gateway);
    const answer = await authorizationClient(session).token({
      kind: 'refresh',
      refreshToken: kept.refreshToken,
    });
    if (answer.kind === 'refused') throw refreshRefused(answer.error);
    await state.saveSignIn({ ...signIn, tokens: answer.tokens });
    return answer.tokens;
  });
}

function refreshRefused(error: OAuthError): ThroughlineError {
  if (error.error !== 'invalid_grant') return signInRefused(error);
  return new ThroughlineError('not-signed-in', 'the sign-in has ended', { action: signInAction });
}

export function notSignedIn(gateway: string): ThroughlineError {
  return new ThroughlineError('not-signed-in', `nobody is signed in to ${gateway}`, {
    action: `run \`throughline login --gateway ${gateway}\``,
  });
}
