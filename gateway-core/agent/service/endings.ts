import type { SessionView } from '../../contract/api.js';
import type { EndCause } from '../../contract/events.js';
import type { Emit } from './emit.js';
import { serviceLimits } from './limits.js';
import { Once } from './once.js';
import { WatchedNotices } from './watched-notices.js';

/** Ends that a person did not cause and wants to hear of, also with the window closed. */
const told: Partial<Record<EndCause, string>> = {
  revoked: 'revoked',
  expired: 'ended: the time of its sign-in or delegation is over',
  orphaned: 'ended: what it worked for has ended',
  fault: 'ended: the gateway could not go on',
};

interface Ended {
  readonly session: SessionView;
  readonly words: string;
}

/** Tells the person of sessions of theirs that somebody else has ended, one notice for all that end together, or watches. */
export class Endings {
  readonly #emit: Emit;
  readonly #watched: WatchedNotices;
  readonly #told = new Once(serviceLimits.endingsKeptMax);
  #waiting: Ended[] = [];
  #quietUntilMs = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
    this.#watched = new WatchedNotices(emit);
  }

  /** This person ends something by this very app: they know. */
  expected(): void {
    this.#quietUntilMs = performance.now() + serviceLimits.expectedEndsMs;
  }

  heard(session: SessionView, principal: string | undefined): void {
    this.#watched.heard(session, principal);
    const words = session.state === 'ended' ? told[session.endCause ?? 'client'] : undefined;
    if (words === undefined || session.principal !== principal || !this.#told.isFirst(session.id)) return;
    if (performance.now() < this.#quietUntilMs) return;
    if (this.#waiting.length === 0) setTimeout(() => this.#tell(), serviceLimits.endingsTogetherMs).unref();
    this.#waiting.push({ session, words });
  }

  #tell(): void {
    const ended = this.#waiting;
    this.#waiting = [];
    const [first] = ended;
    if (first === undefined) return;
    const line = ({ session }: Ended): string =>
      `${session.chain.map((hop) => hop.name).join(' › ')} on ${session.connection}`;
    const one = ended.length === 1;
    const same = ended.every(({ words }) => words === first.words);
    this.#emit('notice', {
      level: 'warning',
      title: one
        ? `A session was ${first.words}`.slice(0, 200)
        : `${ended.length} of your sessions were ${same ? first.words : 'ended'}`.slice(0, 200),
      text: ended.slice(0, serviceLimits.endingsNamedMax).map(line).join('\n').slice(0, 2000),
      ...(one ? { session: first.session.id } : {}),
    });
  }
}
