import type { Identity } from '../identity/index.js';
import type { LiveFeed } from './live-feed.js';
import type { LiveSessions } from './live-sessions.js';
import type { GatewayRecorder } from './recorder.js';

/** How often it is looked which sign-ins a provider is to be asked about. */
const lookMs = 5000;
/** How long closing waits for answers of providers. One that comes later carries a token that is lost. */
const closingWaitMs = 3000;

/** Sessions end with their sign-in. */
export function endWithSignIns(identity: Pick<Identity, 'onSignInEnded'>, live: LiveSessions): () => void {
  const words = 'the sign-in behind this session has ended';
  return identity.onSignInEnded((signIn, _cause, reason) => {
    void live.end(
      (session) => session.actor.signIn === signIn,
      'revoked',
      reason === undefined ? words : `${words}: ${reason}`,
    );
  });
}

/**
 * What runs under a sign-in follows it: its end, its groups, and what its provider says of it.
 * @returns how to stop
 */
export function keepSignIns(rooms: {
  readonly identity: Identity;
  readonly live: LiveSessions;
  readonly feed: Pick<LiveFeed, 'rightsChanged'>;
  readonly recorder: Pick<GatewayRecorder, 'complain'>;
}): () => Promise<void> {
  const { identity, live, feed, recorder } = rooms;
  const stops = [endWithSignIns(identity, live), identity.checks.onRegrouped(() => feed.rightsChanged())];
  const looking = setInterval(() => {
    identity
      .checkProviders()
      .catch((error: unknown) => recorder.complain('identity providers could not be asked', error));
  }, lookMs);
  return async () => {
    clearInterval(looking);
    for (const stop of stops) stop();
    await identity.checks.stop(closingWaitMs);
  };
}
