import {
  writeAuthenticationOk,
  writeBackendKeyData,
  writeParameterStatus,
  writeReadyForQuery,
} from '../../codec/postgres/backend-writers.js';
import { writeBareFrontend } from '../../codec/postgres/frontend.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import { ThroughlineError } from '../../contract/errors.js';
import type { EndCause } from '../../contract/events.js';
import { limits } from '../../contract/limits.js';
import type { JournalFailure } from '../../contract/recorder.js';
import { Crowd, leave } from '../crowd.js';
import { type Ending, recordEnd, recordStart, watchIdle } from '../session-record.js';
import { ClientSide } from './client-side.js';
import { endStatement, type Fault, type SessionContext } from './context.js';
import { fatal } from './farewell.js';
import { faults } from './faults.js';
import { Replies } from './replies.js';
import type { SessionInput } from './session-input.js';
import { Slices } from './slices.js';
import { writeAll } from './stream-reader.js';
import { TargetSide } from './target-side.js';
import { cancelUpstream, connectUpstream, isOurParameter, type Upstream } from './upstream.js';
import { UpstreamQueue } from './upstream-queue.js';

const outboxBytesMax = limits.sliceBytes;

/**
 * One session: joins a client that is signed in with a target, judging, masking and recording what passes. `run`
 * resolves when it is over and its end is in the journal. `end` ends it from outside.
 */
export class PostgresSession {
  readonly #input: SessionInput;
  readonly #startedUs = process.hrtime.bigint();
  #upstream: Upstream | undefined;
  #context: SessionContext | undefined;
  #clientSide: ClientSide | undefined;
  #targetSide: TargetSide | undefined;
  #ending: Ending | undefined;
  #over: (() => void) | undefined;
  readonly #closed: Promise<void>;
  #lastActiveMs: number;
  #pendingBytes = 0;
  readonly #slices = new Slices();
  #sliceTurn: NodeJS.Immediate | undefined;
  #cancelling = false;
  #finishing = false;
  /** Ended from outside: not even what is on its way passes. */
  #cut = false;
  /** The client said Terminate; the target has the rest of what it sent. */
  #leaving = false;
  #removeKey: (() => void) | undefined;

  constructor(input: SessionInput) {
    this.#input = input;
    this.#lastActiveMs = input.nowMs();
    this.#closed = new Promise((resolve) => {
      this.#over = resolve;
    });
  }

  get signIn(): string {
    return this.#input.actor.signIn;
  }

  statements(): number {
    return this.#context?.seq ?? 0;
  }

  /** Errors before the session is live are thrown (ThroughlineError); the caller tells the client. */
  async run(signal: AbortSignal): Promise<void> {
    const input = this.#input;
    const principal = input.actor.chain[0].id;
    const upstream = await connectUpstream(
      input.target,
      [
        ...input.settings,
        // The target's own log names the person. 63 bytes are kept there: the principal comes first.
        ['application_name', `throughline/${principal}/${input.id}`],
      ],
      signal,
    );
    this.#upstream = upstream;
    try {
      const { application } = input;
      await recordStart(input, 'postgres', application && input.judge.maskText(application));
      input.desktop?.wire.keep((entry) => input.recorder.content(input.id, 0, 'wire', entry));
      await this.#greet(upstream);
    } catch (error) {
      upstream.stream.destroy();
      throw error;
    }
    this.#relay(upstream);
    input.onLive();
    if (this.#ending !== undefined) this.#finish();
    await this.#closed;
    await this.#recordEnd();
  }

  /**
   * Ends it from outside: revoked, expired, gateway stopping. The client gets the reason as the protocol's own error.
   * Nothing passes either way from the call on; the target is left when the clients of the whole `crowd` are gone.
   */
  async end(cause: EndCause, reason: string, crowd = new Crowd(1)): Promise<void> {
    if (this.#ending === undefined) {
      this.#ending = { cause, reason };
      this.#cut = true;
      this.#context?.queue.close();
      const turn = crowd.turn();
      if (turn !== undefined) await turn;
      this.#write(
        crowd.goodbye('postgres', () => fatal({ code: '57P01', message: reason, hint: undefined })),
      );
      this.#finish(crowd);
      this.#interrupt();
    } else crowd.clientIsGone();
    await this.#closed;
  }

  /** Interrupts the statement that runs now; a later one cannot be met, because none is sent until the target has it. */
  cancel(): void {
    const upstream = this.#upstream;
    const context = this.#context;
    if (upstream === undefined || context === undefined || this.#cancelling) return;
    if (context.replies.length === 0) return;
    this.#cancelling = true;
    context.queue.pause();
    void cancelUpstream(this.#input.target, upstream)
      .catch(() => undefined)
      .finally(() => {
        this.#cancelling = false;
        context.queue.resume();
      });
  }

  async #greet(upstream: Upstream): Promise<void> {
    const writer = new MessageWriter();
    const keyBytes = this.#input.minor === 2 ? 32 : 4;
    const key = this.#input.cancelKeys.add(this, keyBytes);
    this.#removeKey = key.remove;
    if (this.#input.greeting !== undefined) writer.bytes(this.#input.greeting);
    writeAuthenticationOk(writer);
    for (const [name, value] of upstream.parameters) {
      if (!isOurParameter(name)) writeParameterStatus(writer, name, value);
    }
    if (this.#input.marks) writeParameterStatus(writer, 'throughline.session', this.#input.id);
    writeBackendKeyData(writer, key.processId, key.secretKey);
    writeReadyForQuery(writer, 'I');
    this.#processId = key.processId;
    await writeAll(this.#input.client, writer.take());
  }

  #processId = 0;

  #relay(upstream: Upstream): void {
    const { client, recorder, judge, id } = this.#input;
    const queue = new UpstreamQueue(upstream.stream, () => this.#resumeClient());
    const context: SessionContext = {
      id,
      recorder,
      judge,
      queue,
      replies: new Replies(),
      prepared: new Map(),
      portals: new Map(),
      intentDurability: this.#input.durability === 'strict' ? 'durable' : 'recorded',
      keepBytesMax: this.#input.keepBytesMax,
      marks: this.#input.marks,
      nowUs: () => Number((process.hrtime.bigint() - this.#startedUs) / 1000n),
      status: 'I',
      copies: new Set(),
      copyIn: undefined,
      waiters: [],
      seq: 0,
      bytesFromClient: 0,
      bytesToClient: 0,
      fail: (fault, reason) => this.#fault(fault, reason),
      guarded: (work) => this.#guarded(work),
      isOver: () => this.#ending !== undefined,
    };
    this.#context = context;
    this.#clientSide = new ClientSide(context, client);
    this.#targetSide = new TargetSide(context, { real: upstream.processId, told: this.#processId });

    client.on('data', (chunk: Buffer) => this.#guarded(() => this.#fromClient(chunk)));
    client.on('end', () => this.#clientEnded());
    client.on('error', () => undefined);
    client.on('close', () => this.#gone('client'));
    client.on('drain', () => this.#resumeTarget());
    upstream.stream.on('data', (chunk: Buffer) => this.#guarded(() => this.#fromTarget(chunk)));
    upstream.stream.on('end', () => this.#targetEnded());
    upstream.stream.on('error', () => undefined);
    upstream.stream.on('close', () => this.#gone('target'));
    upstream.stream.on('drain', () => this.#resumeClient());
    watchIdle(this.#input, {
      isOver: () => this.#ending !== undefined,
      isBusy: () => (this.#context?.replies.length ?? 0) > 0,
      lastActiveMs: () => this.#lastActiveMs,
      end: (cause, reason) => void this.end(cause, reason),
    });
    client.resume();
    upstream.stream.resume();
    // Who went while nobody listened yet is not told of again.
    if (client.destroyed) this.#gone('client');
    else if (upstream.stream.destroyed) this.#gone('target');
  }

  #fromClient(chunk: Buffer): void {
    if (this.#ending !== undefined) return;
    this.#lastActiveMs = this.#input.nowMs();
    this.#clientSide?.push(chunk);
    if (this.#upstream?.stream.writableNeedDrain === true) this.#input.client.pause();
  }

  #resumeClient(): void {
    if (this.#ending !== undefined || this.#clientSide?.waiting === true) return;
    if (this.#context?.queue.waitingBytes !== 0) return;
    if (this.#upstream?.stream.writableNeedDrain === false) this.#input.client.resume();
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

  #fromTarget(chunk: Buffer): void {
    if (this.#ending !== undefined) return;
    this.#lastActiveMs = this.#input.nowMs();
    this.#slices.push(chunk);
    if (this.#sliceTurn === undefined) this.#nextSlice();
  }

  /** Works on one slice. The target is not read on before all of them are through. */
  #nextSlice(): void {
    this.#sliceTurn = undefined;
    const slice = this.#slices.next();
    if (slice === undefined || this.#ending !== undefined) return;
    this.#passOn(slice);
    if (this.#slices.empty) return;
    this.#upstream?.stream.pause();
    this.#resumeTarget();
  }

  #passOn(chunk: Buffer): void {
    const context = this.#context;
    if (context === undefined) return;
    const pieces = this.#targetSide?.push(chunk) ?? [];
    const waiters = context.waiters;
    context.waiters = [];
    for (const told of waiters) told();
    let bytes = 0;
    for (const piece of pieces) bytes += piece.length;
    this.#pendingBytes += bytes;
    if (this.#pendingBytes > outboxBytesMax || context.recorder.backlogBytes() > limits.backlogBytesMax) {
      this.#upstream?.stream.pause();
    }
    // INVARIANT: nothing goes to the client that the journal does not have.
    context.recorder.flush((failure) => this.#deliver(pieces, bytes, failure));
  }

  #deliver(pieces: readonly Uint8Array[], bytes: number, failure: JournalFailure | undefined): void {
    const { client } = this.#input;
    const context = this.#context;
    this.#pendingBytes -= bytes;
    if (failure !== undefined) {
      this.#fault('not-recordable', failure.message);
      return;
    }
    if (client.destroyed || client.writableEnded || this.#cut || context === undefined) return;
    context.bytesToClient += bytes;
    if (pieces.length > 1) client.cork();
    for (const piece of pieces) client.write(piece);
    if (pieces.length > 1) client.uncork();
    this.#resumeClient();
    this.#resumeTarget();
  }

  #resumeTarget(): void {
    const { client } = this.#input;
    const stream = this.#upstream?.stream;
    const context = this.#context;
    if (stream === undefined || context === undefined || !stream.isPaused()) return;
    if (client.writableNeedDrain || this.#pendingBytes > outboxBytesMax) return;
    if (context.recorder.backlogBytes() > limits.backlogBytesMax) {
      setTimeout(() => this.#resumeTarget(), 20).unref();
      return;
    }
    // Not at once: a fast target would keep the loop from every other session.
    if (this.#slices.empty) setImmediate(() => stream.resume());
    else this.#sliceTurn ??= setImmediate(() => this.#guarded(() => this.#nextSlice()));
  }

  #clientEnded(): void {
    if (this.#ending !== undefined || this.#leaving) return;
    if (this.#clientSide?.terminated === true) {
      // It said goodbye behind what it sent: the target finishes that, then closes.
      this.#leaving = true;
      return;
    }
    this.#ending = { cause: 'client', reason: undefined };
    // Gone without a word: nobody reads the answer of what runs, so nobody needs it.
    this.#interrupt();
    if (this.#context?.replies.length === 0) {
      const writer = new MessageWriter();
      writeBareFrontend(writer, 'terminate');
      this.#upstream?.stream.write(writer.take());
    }
    this.#finish();
  }

  #targetEnded(): void {
    // What it said before a reset.
    while (this.#ending === undefined && !this.#slices.empty) this.#guarded(() => this.#nextSlice());
    if (this.#ending !== undefined) return;
    const context = this.#context;
    // Who has said goodbye has left, even if the end of its socket comes behind the target's.
    this.#ending =
      this.#leaving || this.#clientSide?.terminated === true
        ? { cause: 'client', reason: undefined }
        : { cause: 'target', reason: 'the target closed the connection' };
    // What it said last is on its way through the journal: behind it comes the end.
    context?.recorder.flush(() => {
      if (context.replies.length > 0)
        this.#say(
          '08006',
          'the target closed the connection',
          'What ran is interrupted; look at the session to see what was done.',
        );
      this.#finish();
    });
  }

  #gone(who: 'client' | 'target'): void {
    if (this.#ending === undefined) {
      if (who === 'target') {
        this.#targetEnded();
        return;
      }
      if (this.#leaving || this.#clientSide?.terminated === true) {
        this.#leaving = true;
        return;
      }
      this.#ending = { cause: 'client', reason: undefined };
      this.#interrupt();
    }
    if (who === 'client') this.#finish();
  }

  #fault(fault: Fault, reason: string): void {
    if (this.#ending !== undefined) return;
    const { code, cause, hint } = faults[fault];
    this.#ending = { cause, reason: `${fault}: ${reason}` };
    this.#interrupt();
    this.#say(code, reason, hint);
    this.#finish();
  }

  /** Stops what the target runs for us, also when nobody waits for it any more. */
  #interrupt(): void {
    const upstream = this.#upstream;
    if (upstream === undefined || (this.#context?.replies.running().length ?? 0) === 0) return;
    void cancelUpstream(this.#input.target, upstream).catch(() => undefined);
  }

  #say(code: string, message: string, hint: string | undefined): void {
    this.#write(fatal({ code, message, hint }));
  }

  #write(goodbye: Uint8Array): void {
    const { client } = this.#input;
    if (!client.destroyed && this.#context !== undefined) client.write(goodbye);
  }

  /** Idempotent. Closes both ends: the client's after its last bytes, the target's now, or when those of `crowd` are gone. */
  #finish(crowd?: Crowd): void {
    const { client } = this.#input;
    const stream = this.#upstream?.stream;
    if (this.#finishing || stream === undefined) {
      crowd?.clientIsGone();
      return;
    }
    this.#finishing = true;
    if (crowd === undefined && !stream.destroyed) stream.end(() => stream.destroy());
    void crowd?.clientsGone.then(() => stream.destroy());
    void leave(client, crowd).then(() => {
      client.destroy();
      stream.destroy();
      this.#over?.();
    });
  }

  async #recordEnd(): Promise<void> {
    const context = this.#context;
    this.#removeKey?.();
    if (context === undefined) return;
    for (const statement of context.replies.running()) endStatement(context, statement, 'interrupted');
    const { seq: statements, bytesFromClient, bytesToClient } = context;
    await recordEnd(this.#input, this.#ending, { statements, bytesFromClient, bytesToClient });
  }
}
