import { ThroughlineError } from '../../contract/errors.js';
import type { EndCause } from '../../contract/events.js';
import { limits } from '../../contract/limits.js';
import type { StreamMasker } from '../../masking/stream-masker.js';
import { type Crowd, leave } from '../crowd.js';
import { type Ending, recordEnd, recordStart, type SessionFacts, watchIdle } from '../session-record.js';
import { Channels } from './channel.js';
import type { ClientLeg } from './client.js';
import { ClientSide } from './client-side.js';
import type { Fault, SshContext } from './context.js';
import { forbiddenHost } from './forbidden-hosts.js';
import { GlobalRequests } from './global-requests.js';
import type { SshJudge } from './judge.js';
import { sshLimits } from './limits.js';
import { Outbox } from './outbox.js';
import { Output } from './output.js';
import type { Parts, Upstream } from './parts.js';
import type { TargetLeg } from './target.js';
import { endChannel, TargetSide } from './target-side.js';

export interface SshSessionInput extends SessionFacts {
  /** Software of the client as its version line says, masked. */
  readonly application: string | undefined;
  readonly judge: SshJudge;
  readonly keepBytesMax: number;
  readonly newMasker: ((terminal: boolean) => StreamMasker) | undefined;
  /** Names and addresses of the gateway: nobody forwards to them. */
  readonly gatewayHosts: readonly string[];
  readonly onLive: () => void;
  /** A mistake of ours ended the session: for the operator's log. */
  readonly onMistake: (error: unknown) => void;
}

/**
 * One session: hands the messages of the connection protocol (RFC 4254) from leg to leg, judging, masking and
 * recording what passes. `begin` makes its start durable; `run` resolves when it is over and its end is in the journal.
 */
export class SshSession {
  readonly #input: SshSessionInput;
  readonly #startedUs = process.hrtime.bigint();
  readonly #closed: Promise<void>;
  #over: () => void = () => undefined;
  #ending: Ending | undefined;
  #finishing = false;
  #lastActiveMs: number;
  #client: ClientLeg | undefined;
  #target: TargetLeg | undefined;
  #parts: Parts | undefined;
  /** Ended from outside: not even what is on its way passes. */
  #cut = false;

  constructor(input: SshSessionInput) {
    this.#input = input;
    this.#lastActiveMs = input.nowMs();
    this.#closed = new Promise((resolve) => {
      this.#over = resolve;
    });
  }

  statements(): number {
    return this.#parts?.context.seq ?? 0;
  }

  /** A line for whoever works in its terminals. Programs without one are not spoken over: their output is somebody's data. */
  notice(text: string): void {
    for (const channel of this.#parts?.channels.all() ?? []) channel.lines?.notice(text);
  }

  /** The session's begin is durable when it resolves. Throws `not-recordable`. */
  async begin(): Promise<void> {
    const { desktop, recorder, id } = this.#input;
    await recordStart(this.#input, 'ssh', this.#input.application);
    desktop?.wire.keep((entry) => recorder.content(id, 0, 'wire', entry));
  }

  async run(client: ClientLeg, target: TargetLeg): Promise<void> {
    this.#client = client;
    this.#target = target;
    const parts = this.#compose(client, target);
    this.#parts = parts;
    this.#relay(client, target, parts);
    this.#input.onLive();
    if (this.#ending !== undefined) this.#finish(undefined);
    await this.#closed;
    for (const channel of parts.channels.all()) endChannel(parts, channel, 'interrupted');
    for (const listening of parts.requests.all()) listening.use.end({ state: 'ok' });
    for (const asked of parts.requests.unanswered()) asked.use.end({ state: 'interrupted' });
    const { seq: statements, bytesFromClient, bytesToClient } = parts.context;
    await recordEnd(this.#input, this.#ending, { statements, bytesFromClient, bytesToClient });
  }

  /** The session began, and no client came of it. */
  async abandon(cause: EndCause, reason: string): Promise<void> {
    await recordEnd(this.#input, { cause, reason }, { statements: 0, bytesFromClient: 0, bytesToClient: 0 });
  }

  /**
   * Ends it from outside: revoked, expired, gateway stopping. The client gets the reason as the protocol's own
   * disconnect. Nothing passes either way from the call on.
   */
  async end(cause: EndCause, reason: string, crowd?: Crowd): Promise<void> {
    if (this.#ending === undefined) {
      this.#ending = { cause, reason };
      this.#cut = true;
      const turn = crowd?.turn();
      if (turn !== undefined) await turn;
      this.#client?.leg.disconnect(`throughline: ${reason}`);
      this.#finish(crowd);
    } else crowd?.clientIsGone();
    await this.#closed;
  }

  /** A leg said what it may not say. */
  violated(side: 'client' | 'target', reason: string): void {
    this.#fault(side === 'client' ? 'client-protocol' : 'target-protocol', reason);
  }

  #compose(client: ClientLeg, target: TargetLeg): Parts {
    const { recorder, judge, id, actor, durability, keepBytesMax, grounds, newMasker } = this.#input;
    const context: SshContext = {
      id,
      principal: actor.chain[0].id,
      recorder,
      judge,
      grounds,
      durability: durability === 'strict' ? 'durable' : 'recorded',
      keepBytesMax,
      nowUs: () => Number((process.hrtime.bigint() - this.#startedUs) / 1000n),
      seq: 0,
      bytesFromClient: 0,
      bytesToClient: 0,
      fail: (fault, reason) => this.#fault(fault, reason),
      guarded: (work) => this.#guarded(work),
      isOver: () => this.#ending !== undefined,
    };
    const upstream: Upstream = {
      begin: (payload) => upstream.pass(payload),
      pass: (payload) => {
        if (this.#ending !== undefined) return;
        target.leg.send(payload);
        if (target.leg.stream.writableNeedDrain) client.leg.stream.pause();
      },
    };
    const outbox = new Outbox({
      recorder,
      send: (payload) => {
        if (!this.#cut) client.leg.send(payload);
      },
      failed: (failure) => this.#fault('not-recordable', failure.message),
      changed: () => this.#resumeTarget(),
    });
    const output = new Output(context, outbox, newMasker);
    return {
      context,
      channels: new Channels(),
      requests: new GlobalRequests(),
      upstream,
      outbox,
      output,
      allowed: new Set(),
    };
  }

  #relay({ leg: client }: ClientLeg, { leg: target }: TargetLeg, parts: Parts): void {
    const forbidden = (host: string): string | undefined => forbiddenHost(host, this.#input.gatewayHosts);
    const clientSide = new ClientSide(parts, client.stream, forbidden);
    const targetSide = new TargetSide(parts);
    client.stream.on('close', () => this.#gone('client'));
    client.stream.on('end', () => this.#gone('client'));
    client.stream.on('drain', () => this.#resumeTarget());
    target.stream.on('close', () => this.#gone('target'));
    target.stream.on('end', () => this.#gone('target'));
    target.stream.on('drain', () => {
      if (!clientSide.busy) client.stream.resume();
    });
    watchIdle(this.#input, {
      isOver: () => this.#ending !== undefined,
      isBusy: () => parts.channels.all().some(({ kind, use }) => kind === 'exec' && use?.ended === false),
      lastActiveMs: () => this.#lastActiveMs,
      end: (cause, reason) => void this.end(cause, reason),
    });
    const active = (take: (payload: Buffer) => void) => (payload: Buffer) => {
      if (this.#ending !== undefined) return;
      this.#lastActiveMs = this.#input.nowMs();
      this.#guarded(() => take(payload));
    };
    target.listen(
      active((payload) => {
        targetSide.take(payload);
        this.#holdTarget();
      }),
    );
    client.listen(active((payload) => clientSide.take(payload)));
    // Who went while nobody listened yet is not told of again.
    if (client.stream.destroyed) this.#gone('client');
    else if (target.stream.destroyed) this.#gone('target');
  }

  #full(): boolean {
    const { recorder } = this.#input;
    return (
      this.#client?.leg.stream.writableNeedDrain === true ||
      (this.#parts?.outbox.pendingBytes ?? 0) > sshLimits.outboxBytesMax ||
      recorder.backlogBytes() > limits.backlogBytesMax
    );
  }

  #holdTarget(): void {
    if (this.#full()) this.#target?.leg.stream.pause();
  }

  #resumeTarget(): void {
    const stream = this.#target?.leg.stream;
    if (stream === undefined || !stream.isPaused()) return;
    if (!this.#full()) {
      // Not at once: a fast target would keep the loop from every other session.
      setImmediate(() => stream.resume());
    } else if (this.#input.recorder.backlogBytes() > limits.backlogBytesMax) {
      setTimeout(() => this.#resumeTarget(), sshLimits.backlogWaitMs).unref();
    }
  }

  #gone(who: 'client' | 'target'): void {
    if (this.#ending !== undefined) {
      if (who === 'client') this.#finish(undefined);
      return;
    }
    if (who === 'client') {
      this.#ending = { cause: 'client', reason: undefined };
      this.#finish(undefined);
      return;
    }
    const parts = this.#parts;
    const ending: Ending = { cause: 'target', reason: 'the target closed the connection' };
    if (parts === undefined) {
      this.#ending = ending;
      return;
    }
    // What it said last is on its way through the journal: behind it comes the end.
    parts.outbox.drained(() => {
      if (this.#ending !== undefined) return;
      this.#ending = ending;
      this.#client?.leg.disconnect('throughline: the target closed the connection');
      this.#finish(undefined);
    });
  }

  /** What is thrown here is a mistake of ours. It ends this session only: others share the process. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#input.onMistake(error);
      this.#fault('gateway', error instanceof ThroughlineError ? error.message : 'an unexpected state');
    }
  }

  #fault(fault: Fault, reason: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = { cause: 'fault', reason: `${fault}: ${reason}` };
    this.#client?.leg.disconnect(`throughline: ${reason}`);
    this.#finish(undefined);
  }

  /** Idempotent. The client gets its last bytes; the target is left now, or when the clients of `crowd` are gone. */
  #finish(crowd: Crowd | undefined): void {
    const client = this.#client;
    const target = this.#target;
    if (this.#finishing || client === undefined || target === undefined) {
      crowd?.clientIsGone();
      return;
    }
    this.#finishing = true;
    const { stream } = client.leg;
    if (crowd === undefined) target.destroy();
    void crowd?.clientsGone.then(() => target.destroy());
    void leave(stream, crowd).then(() => {
      client.destroy();
      target.destroy();
      this.#over();
    });
  }
}
