import type { Kysely, Selectable, Updateable } from 'kysely';
import { ThroughlineError } from '../contract/errors.js';
import type { AuditEventInput } from '../contract/events.js';
import { PrincipalId } from '../contract/ids.js';
import type { SignInsTable, StateSchema } from '../store/schema.js';
import type { Clock } from './bounded.js';
import { type BootstrapAdmin, type Claims, type Person, personOf } from './claims.js';
import { outageMaxMinutes, type ProviderSettings } from './config.js';
import { identityLimits } from './limits.js';
import type { ProviderTokens, TokenPlace } from './provider-tokens.js';
import type { Checked, Provider } from './providers.js';
import { keep, parseGroups, type RecordEvent, type SignIns } from './sign-ins.js';

/** A live sign-in that a provider can be asked about. */
interface Watched {
  readonly signIn: string;
  readonly provider: string;
  readonly principal: PrincipalId;
  readonly subject: string;
  readonly expiresAtMs: number;
  groups: readonly string[];
  /** The token to send next. */
  sealed: Uint8Array;
  /** The database has an older token than this one. */
  unsaved: boolean;
  /** The token was sent, and no answer came: it may have been exchanged for one that is lost. */
  unanswered: boolean;
  /** The provider stood by it then. */
  checkedAtMs: number;
  dueAtMs: number;
}

/** Checks at one provider. */
interface Round {
  failing: boolean;
  running: Promise<void> | undefined;
}

type WithdrawalCause = Extract<AuditEventInput, { kind: 'identity.withdrawn' }>['cause'];

const minuteMs = 60_000;
const defaultTimes = { providerCheckMinutes: 5 };

/**
 * Asks providers whether they still stand by the sign-ins that live, each by the refresh token of its login. Who is no
 * longer known loses the sign-in with everything below it; other groups count at the next decision; while a provider
 * does not answer, sign-ins stay, and after a while begin no new session.
 *
 * INVARIANT: one question at a time for a sign-in, and the token that an answer carries is stored before the next one.
 * A crash between answer and store loses that token. The one before is then refused by providers that rotate, and
 * nobody can tell that from a person who was removed: the sign-in ends (`unanswered`), and the person signs in again.
 */
export class ProviderChecks {
  readonly #state: Kysely<StateSchema>;
  readonly #clock: Clock;
  readonly #record: RecordEvent;
  readonly #signIns: SignIns;
  readonly #tokens: ProviderTokens;
  readonly #providers: ReadonlyMap<string, Provider>;
  readonly #admin: BootstrapAdmin | undefined;
  readonly #random: () => number;
  readonly #watched = new Map<string, Watched>();
  readonly #rounds = new Map<string, Round>();
  readonly #regrouped = new Set<() => void>();
  #purgedAtMs = 0;
  #stopped = false;

  constructor(options: {
    readonly state: Kysely<StateSchema>;
    readonly clock: Clock;
    readonly record: RecordEvent;
    readonly signIns: SignIns;
    readonly tokens: ProviderTokens;
    readonly providers: ReadonlyMap<string, Provider>;
    readonly admin: BootstrapAdmin | undefined;
    /** 0 to 1: spreads the checks over their interval. */
    readonly random?: () => number;
  }) {
    this.#state = options.state;
    this.#clock = options.clock;
    this.#record = options.record;
    this.#signIns = options.signIns;
    this.#tokens = options.tokens;
    this.#providers = options.providers;
    this.#admin = options.admin;
    this.#random = options.random ?? Math.random;
    options.signIns.onEnded((signIn) => this.#watched.delete(signIn));
  }

  /** What was live when the gateway stopped. What is overdue is asked first of all. */
  async load(): Promise<void> {
    for (const row of await this.#rows().execute()) this.#add(row);
  }

  /** A sign-in that has just begun. Does nothing where there is no token to ask with. */
  async watch(signIn: string): Promise<void> {
    const row = await this.#rows().where('id', '=', signIn).executeTakeFirst();
    if (row !== undefined) this.#add(row);
  }

  /** @returns how to stop */
  onRegrouped(listener: () => void): () => void {
    this.#regrouped.add(listener);
    return () => this.#regrouped.delete(listener);
  }

  /** Why this sign-in begins no session now; undefined: nothing of this room stands against it. */
  refusal(signIn: string): ThroughlineError | undefined {
    const found = this.#watched.get(signIn);
    if (found === undefined) return undefined;
    const times = this.#providers.get(found.provider)?.settings ?? defaultTimes;
    if (this.#clock() - found.checkedAtMs <= outageMaxMinutes(times) * minuteMs) return undefined;
    return new ThroughlineError(
      'denied',
      `the identity provider ${found.provider} has not confirmed this sign-in since ${new Date(found.checkedAtMs).toISOString()}`,
      { action: 'try again once the provider answers, or sign in again: throughline login' },
    );
  }

  /**
   * Asks about everybody who is due, and resolves when they are through. To be called every few seconds; a provider
   * that is still being asked is not asked twice. Never rejects.
   */
  async run(): Promise<void> {
    const now = this.#clock();
    const due = new Map<string, Watched[]>();
    for (const each of this.#watched.values()) {
      if (each.expiresAtMs <= now) this.#watched.delete(each.signIn);
      else if (each.dueAtMs <= now) {
        const list = due.get(each.provider) ?? [];
        list.push(each);
        due.set(each.provider, list);
      }
    }
    await this.#purge(now);
    const rounds = [...due].map(([provider, list]) => {
      const round = this.#roundOf(provider);
      round.running ??= this.#round(round, list).finally(() => {
        round.running = undefined;
      });
      return round.running;
    });
    await Promise.all(rounds);
  }

  /** Begins no more questions. Resolves when those under way have their answers stored, or after `waitMs`. */
  async stop(waitMs: number): Promise<void> {
    this.#stopped = true;
    const running = [...this.#rounds.values()].map((round) => round.running ?? Promise.resolve());
    let timer: NodeJS.Timeout | undefined;
    const waited = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, waitMs);
    });
    await Promise.race([Promise.all(running), waited]);
    clearTimeout(timer);
  }

  #rows() {
    return this.#state
      .selectFrom('sign_ins')
      .selectAll()
      .where('provider_token', 'is not', null)
      .where('ended_at_ms', 'is', null)
      .where('expires_at_ms', '>', this.#clock());
  }

  #add(row: Selectable<SignInsTable>): void {
    const { id, provider, provider_subject: subject, provider_token: sealed } = row;
    if (provider === null || subject === null || sealed === null || this.#signIns.isEnded(id)) return;
    const checkedAtMs = row.provider_checked_at_ms ?? row.created_at_ms;
    this.#watched.set(id, {
      signIn: id,
      provider,
      principal: PrincipalId.parse(row.principal),
      subject,
      expiresAtMs: row.expires_at_ms,
      groups: parseGroups(row.groups),
      sealed,
      unsaved: false,
      unanswered: row.provider_asked_at_ms !== null,
      checkedAtMs,
      dueAtMs: checkedAtMs + this.#spread(this.#intervalMs(provider)),
    });
  }

  /** While a provider does not answer, one sign-in asks: an answer that gets lost may cost that one its token. */
  async #round(round: Round, due: Watched[]): Promise<void> {
    due.sort((one, other) => other.dueAtMs - one.dueAtMs);
    const askNext = async (): Promise<boolean> => {
      const next = this.#stopped ? undefined : due.pop();
      if (next === undefined) return false;
      // What cannot be recorded or stored is tried again when it is due again.
      if (this.#watched.get(next.signIn) === next) await this.#check(next, round).catch(() => undefined);
      return !round.failing;
    };
    const askAll = async (): Promise<void> => {
      while (await askNext());
    };
    if (round.failing && !(await askNext())) return;
    await Promise.all(Array.from({ length: identityLimits.providerChecksMax }, askAll));
  }

  async #check(watched: Watched, round: Round): Promise<void> {
    const askedAtMs = this.#clock();
    watched.dueAtMs =
      askedAtMs +
      this.#spread(Math.min(this.#intervalMs(watched.provider), identityLimits.providerCheckAgainMs));
    const provider = this.#providers.get(watched.provider);
    if (provider === undefined) return this.#failed(watched.provider, round, 'not-configured');
    const token = this.#tokens.open(placeOf(watched, provider.settings), watched.sealed);
    if (token === undefined) {
      const name = watched.provider;
      return this.#withdraw(
        watched,
        'elsewhere',
        `another identity provider has the name ${name} than the one of this sign-in`,
      );
    }
    try {
      await this.#save(watched, { provider_asked_at_ms: askedAtMs });
    } catch {
      // Nobody is asked whose answer could not be kept.
      return;
    }
    const answer = await provider.check(token);
    if (answer.refreshToken !== undefined) {
      watched.sealed = this.#tokens.seal(placeOf(watched, provider.settings), answer.refreshToken);
      watched.unsaved = true;
    }
    await this.#answered(watched, provider, answer, askedAtMs, round);
  }

  /** Rejects when what came of it cannot be kept; then it is no confirmation. */
  async #answered(
    watched: Watched,
    provider: Provider,
    answer: Checked,
    askedAtMs: number,
    round: Round,
  ): Promise<void> {
    const lost = watched.unanswered;
    watched.unanswered = answer.kind === 'failed' && answer.refreshToken === undefined;
    if (answer.kind === 'failed') {
      await this.#save(watched, watched.unanswered ? {} : { provider_asked_at_ms: null });
      return this.#failed(watched.provider, round, answer.code);
    }
    await this.#succeeded(watched.provider, round);
    if (this.#signIns.isEnded(watched.signIn)) return undefined;
    const name = watched.provider;
    if (answer.kind === 'refused')
      return lost
        ? this.#withdraw(
            watched,
            'unanswered',
            `an answer of the identity provider ${name} was lost, and it no longer confirms the sign-in (${answer.code})`,
          )
        : this.#withdraw(
            watched,
            'unknown',
            `the person is no longer known at the identity provider ${name} (${answer.code})`,
          );
    await this.#save(watched, { provider_asked_at_ms: null });
    const person = answer.claims === undefined ? undefined : this.#personOf(watched, answer.claims, provider);
    if (typeof person === 'string') return this.#withdraw(watched, 'changed', person);
    if (person !== undefined) await this.#regroup(watched, person.groups);
    await this.#save(watched, { provider_checked_at_ms: askedAtMs });
    watched.checkedAtMs = askedAtMs;
    watched.dueAtMs = askedAtMs + this.#spread(this.#intervalMs(name));
  }

  /** Who signs in by these claims, when that is the one who did; else why not. */
  #personOf(watched: Watched, claims: Claims, { settings }: Provider): Person | string {
    const somebodyElse = `the identity provider ${watched.provider} now speaks of somebody else`;
    if (claims.sub !== watched.subject) return somebodyElse;
    const result = personOf(claims, settings, this.#admin);
    if (!result.ok)
      return `the identity provider ${watched.provider} would not sign the person in now: ${result.reason}`;
    return result.person.principal === watched.principal ? result.person : somebodyElse;
  }

  /** What is taken away counts at once, what is given once it is on record. */
  async #regroup(watched: Watched, groups: readonly string[]): Promise<void> {
    const before = watched.groups;
    const kept = before.filter((each) => groups.includes(each));
    if (kept.length === before.length && kept.length === groups.length) return;
    if (kept.length < before.length) await this.#put(watched, kept);
    const { provider, principal, signIn } = watched;
    await keep(this.#record, {
      kind: 'identity.groups-changed',
      provider,
      principal,
      signIn,
      before: [...before],
      groups: [...groups],
    });
    await this.#save(watched, { groups: JSON.stringify(groups) });
    await this.#put(watched, groups);
  }

  async #put(watched: Watched, groups: readonly string[]): Promise<void> {
    watched.groups = groups;
    if (!this.#signIns.regroup(watched.signIn, groups))
      await this.#withdraw(watched, 'changed', 'its groups have changed, and the gateway cannot follow');
    for (const listener of this.#regrouped) listener();
  }

  /** Why goes to the log first; nothing waits for it. */
  async #withdraw(watched: Watched, cause: WithdrawalCause, reason: string): Promise<void> {
    const { provider, principal, signIn } = watched;
    await withdraw(this.#signIns, this.#record, { provider, principal, signIn, cause, reason });
  }

  async #failed(provider: string, round: Round, code: string): Promise<void> {
    if (round.failing) return;
    round.failing = true;
    await keep(this.#record, { kind: 'identity.provider', provider, state: 'failing', code });
  }

  async #succeeded(provider: string, round: Round): Promise<void> {
    if (!round.failing) return;
    round.failing = false;
    await keep(this.#record, { kind: 'identity.provider', provider, state: 'answering' }).catch(
      () => undefined,
    );
  }

  /** Never of a sign-in that has ended: its token is gone for good. */
  async #save(watched: Watched, values: Updateable<SignInsTable>): Promise<void> {
    const { sealed, unsaved } = watched;
    const all = unsaved ? { ...values, provider_token: sealed } : values;
    if (Object.keys(all).length === 0) return;
    await this.#state
      .updateTable('sign_ins')
      .set(all)
      .where('id', '=', watched.signIn)
      .where('ended_at_ms', 'is', null)
      .execute();
    if (watched.sealed === sealed) watched.unsaved = false;
  }

  /** Tokens of sign-ins whose time is over. */
  async #purge(now: number): Promise<void> {
    if (now - this.#purgedAtMs < identityLimits.purgeIntervalMs) return;
    this.#purgedAtMs = now;
    await this.#state
      .updateTable('sign_ins')
      .set({ provider_token: null })
      .where('provider_token', 'is not', null)
      .where('expires_at_ms', '<=', now)
      .execute()
      .catch(() => undefined);
  }

  #roundOf(provider: string): Round {
    const round = this.#rounds.get(provider) ?? { failing: false, running: undefined };
    this.#rounds.set(provider, round);
    return round;
  }

  #intervalMs(provider: string): number {
    return (this.#providers.get(provider)?.settings ?? defaultTimes).providerCheckMinutes * minuteMs;
  }

  /** Never later than `ms`, and seldom at the same time as others. */
  #spread(ms: number): number {
    return ms * (0.75 + 0.25 * this.#random());
  }
}

function placeOf({ signIn, provider }: Watched, { issuer }: ProviderSettings): TokenPlace {
  return { signIn, provider, issuer };
}

/** Ends a sign-in because its provider took back its word. Effective at once; why is handed to the log before all else. */
export async function withdraw(
  signIns: SignIns,
  record: RecordEvent,
  why: Omit<Extract<AuditEventInput, { kind: 'identity.withdrawn' }>, 'kind'>,
): Promise<void> {
  const told = keep(record, { kind: 'identity.withdrawn', ...why });
  const over = signIns.end(why.signIn, `provider-${why.cause}`, why.reason);
  const [first, second] = await Promise.allSettled([told, over]);
  if (first.status === 'rejected') throw first.reason;
  if (second.status === 'rejected') throw second.reason;
}
