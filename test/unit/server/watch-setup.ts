import headless from '@xterm/headless';
import { statementContent } from '../../../gateway-core/codec/content.js';
import type { ReplayItem } from '../../../gateway-core/contract/api.js';
import type { Actor, Chain } from '../../../gateway-core/contract/chain.js';
import type { Appended } from '../../../gateway-core/contract/decision.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import type { AuditEvent, AuditEventInput } from '../../../gateway-core/contract/events.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import type { ContentStream, JournalFailure, Recorder } from '../../../gateway-core/contract/recorder.js';
import { type Watcher, WatchItem } from '../../../gateway-core/contract/watch.js';
import { SessionReplay } from '../../../gateway-core/recording/session-replay.js';
import type { LiveSession } from '../../../gateway-core/server/live-sessions.js';
import { gatewayRecorder } from '../../../gateway-core/server/recorder.js';
import { Watches } from '../../../gateway-core/server/watch/watches.js';
import { sessionId } from '../../sim/sealer-journal.js';

type JournalEntry =
  | { readonly kind: 'event'; readonly event: AuditEventInput }
  | {
      readonly kind: 'content';
      readonly session: SessionId;
      readonly seq: number;
      readonly stream: ContentStream;
      readonly bytes: Buffer;
    };

export const startedAtMs = Date.parse('2026-11-21T08:00:00.000Z');

/** A journal whose syncs the test may hold, what is recorded in it, and who watches. */
export class WatchWorld {
  readonly clock = { nowMs: startedAtMs };
  readonly journal: JournalEntry[] = [];
  readonly told: (readonly Watcher[])[] = [];
  readonly notices: string[] = [];
  readonly complaints: string[] = [];
  /** Syncs wait until this is false. */
  held = false;
  failing = false;
  readonly watches: Watches;
  readonly recorder: Recorder;
  readonly #waiting: (() => void)[] = [];

  constructor() {
    const failure = new ThroughlineError('not-recordable', 'the disk is full') as JournalFailure;
    const journal: Recorder & { durable(done: (failed?: JournalFailure) => void): void } = {
      event: (event, _durability, done) => {
        const position = this.journal.push({ kind: 'event', event }) - 1;
        this.#afterSync(() => done(this.failing ? failure : ({ position } as Appended)));
      },
      content: (session, seq, stream, bytes) =>
        void this.journal.push({ kind: 'content', session, seq, stream, bytes: Buffer.from(bytes) }),
      flush: (done) => this.#afterSync(() => done(this.failing ? failure : undefined)),
      durable: (done) => this.#afterSync(() => done(this.failing ? failure : undefined)),
      backlogBytes: () => 0,
      failed: undefined,
    };
    this.watches = new Watches({
      recorder: () => recorder,
      journal,
      sealer: {
        caughtUp: () => Promise.resolve(),
        replay: (session, to) => this.#replay(session, to),
      },
      feed: { watched: (_session, watchers) => void this.told.push(watchers) },
      now: () => this.clock.nowMs,
    });
    const recorder = gatewayRecorder({
      journal,
      tap: this.watches.tap,
      heard: (event, kept) => this.watches.hear(event, kept),
      maskText: (text) => text,
      log: (line) => void this.complaints.push(line),
    });
    this.recorder = recorder.journal;
  }

  /** Everything that waited for the disk goes on. */
  release(): void {
    this.held = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  session(number = 1, principal = 'demo/engineer'): LiveSession {
    const id = sessionId(number);
    this.event({
      kind: 'session.started',
      session: id,
      connection: 'host' as never,
      protocol: 'ssh',
      chain: personOf(principal),
      signIn: 'sgn_e',
      via: 'tunnel',
      durability: 'strict',
      policy: [],
      policyVersion: 'v',
    });
    return {
      id,
      connection: 'host',
      protocol: 'ssh',
      actor: actorOf(personOf(principal)),
      startedAtMs,
      via: 'tunnel',
      application: undefined,
      program: undefined,
      statements: () => 1,
      notice: (text) => void this.notices.push(text),
      end: () => Promise.resolve(),
    };
  }

  event(event: AuditEventInput): void {
    this.recorder.event(event, 'durable', () => undefined);
  }

  decided(session: LiveSession, seq: number, text: string, command = 'shell'): void {
    this.event({
      kind: 'statement.decided',
      session: session.id,
      seq,
      decision: 'allowed',
      policy: [],
      policyVersion: 'v',
      action: 'ssh:shell',
      command,
      payload: { text, exactHash: '' },
    });
  }

  ended(session: LiveSession, seq: number): void {
    this.event({
      kind: 'statement.ended',
      session: session.id,
      seq,
      state: 'ok',
      durationUs: 1,
      bytes: 1,
      maskedValues: 0,
    });
  }

  sessionEnded(session: LiveSession): void {
    this.event({
      kind: 'session.ended',
      session: session.id,
      endCause: 'client',
      statements: 1,
      bytesFromClient: 0,
      bytesToClient: 0,
    });
  }

  /** A shell's terminal of 40 by 10, with nothing on it. */
  shell(session: LiveSession, seq = 1): void {
    this.decided(session, seq, 'shell');
    this.recorder.content(session.id, seq, 'terminal-size', Buffer.from('40x10'));
  }

  show(session: LiveSession, text: string | Uint8Array, seq = 1, stream: ContentStream = 'terminal'): void {
    this.recorder.content(session.id, seq, stream, Buffer.from(text as string));
  }

  async watch(session: LiveSession, more: Partial<WatchOf> = {}): Promise<TestWatch> {
    let dropped = false;
    const chain = more.chain ?? personOf('demo/admin', 'Ada Admin');
    const stream = await this.watches.open({
      session,
      actor: { ...actorOf(chain), signIn: more.signIn ?? 'sgn_a' },
      refusal: more.refusal ?? (() => undefined),
      drop: () => {
        dropped = true;
      },
    });
    return new TestWatch(stream, () => dropped);
  }

  events(kind: AuditEventInput['kind']): AuditEventInput[] {
    return this.journal.flatMap((entry) =>
      entry.kind === 'event' && entry.event.kind === kind ? [entry.event] : [],
    );
  }

  #afterSync(go: () => void): void {
    if (this.held) this.#waiting.push(go);
    else setImmediate(go);
  }

  async *#replay(session: SessionId, to: number): AsyncGenerator<ReplayItem> {
    const replay = new SessionReplay(startedAtMs, statementContent);
    for (const [position, entry] of this.journal.entries()) {
      if (position > to) return;
      // As from another thread: others have their turn in between.
      if (position % 8 === 0) await new Promise((resolve) => setImmediate(resolve));
      const at = new Date(startedAtMs).toISOString();
      if (entry.kind === 'content') {
        if (entry.session === session) yield* replay.items({ ...entry, position, atMs: startedAtMs });
      } else if ('session' in entry.event && entry.event.session === session) {
        const event = { v: 1, at, node: 'n', ...entry.event } as AuditEvent;
        yield* replay.items({ kind: 'event', position, logIndex: position, event } as never);
      }
    }
  }
}

interface WatchOf {
  readonly chain: Chain;
  readonly signIn: string;
  readonly refusal: (full: boolean) => 'rights' | 'signed-out' | undefined;
}

/** Reads when it is asked to, and paints what it reads. */
export class TestWatch {
  readonly items: WatchItem[] = [];
  readonly dropped: () => boolean;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #terminal = newTerminal(40, 10);
  /** The terminal that is painted. */
  readonly seq = 1;
  bytes = 0;

  constructor(stream: ReadableStream<Uint8Array>, dropped: () => boolean) {
    this.#reader = stream.getReader();
    this.dropped = dropped;
  }

  /** Reads until `found` gives something. */
  async until<T>(found: (items: readonly WatchItem[]) => T | undefined): Promise<T> {
    for (;;) {
      const value = found(this.items);
      if (value !== undefined) return value;
      if (!(await this.#read())) throw new Error(`it ended: ${JSON.stringify(this.items.slice(-3))}`);
    }
  }

  /** Reads until the screen is this one. */
  async untilScreen(wanted: string): Promise<void> {
    while ((await screenOf(this.#terminal)) !== wanted) {
      if (!(await this.#read())) throw new Error(`it ended with ${await screenOf(this.#terminal)}`);
    }
  }

  /** Reads to the end. */
  async rest(): Promise<readonly WatchItem[]> {
    while (await this.#read());
    return this.items;
  }

  of<K extends WatchItem['kind']>(kind: K): Extract<WatchItem, { kind: K }>[] {
    return this.items.filter((item): item is Extract<WatchItem, { kind: K }> => item.kind === kind);
  }

  screen(): Promise<string> {
    return screenOf(this.#terminal);
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }

  async #read(): Promise<boolean> {
    const { done, value } = await this.#reader.read();
    if (done) return false;
    this.bytes += value.length;
    // The stream gives whole lines only.
    for (const line of Buffer.from(value).toString().trimEnd().split('\n')) {
      const item = WatchItem.parse(JSON.parse(line));
      this.items.push(item);
      if (!('seq' in item) || item.seq !== this.seq) continue;
      if (item.kind === 'screen') this.#terminal.reset();
      if (item.kind === 'screen' || item.kind === 'size') this.#terminal.resize(item.columns, item.rows);
      if (item.kind === 'screen' || item.kind === 'terminal') this.#terminal.write(item.data);
    }
    return true;
  }
}

export function newTerminal(cols: number, rows: number): headless.Terminal {
  return new headless.Terminal({ cols, rows, scrollback: 100, allowProposedApi: true, logLevel: 'off' });
}

/** Text, cursor and which screen it is, once everything that was written is painted. */
export async function screenOf(terminal: headless.Terminal): Promise<string> {
  await new Promise<void>((resolve) => terminal.write('', resolve));
  const { active } = terminal.buffer;
  const rows = Array.from(
    { length: terminal.rows },
    (_, row) => active.getLine(active.baseY + row)?.translateToString(true) ?? '',
  );
  return `${active.type} ${active.cursorX},${active.cursorY} ${terminal.cols}x${terminal.rows}\n${rows.join('\n')}`;
}

export function personOf(id: string, name = id.split('/')[1] ?? id): Chain {
  return [{ id, kind: 'person', name, assurance: 'proven' }];
}

export function agentOf(id: string, agent: string): Chain {
  return [
    ...personOf(id),
    { id: 'dlg_1', kind: 'agent', name: agent, assurance: 'issued' },
  ] as unknown as Chain;
}

function actorOf(chain: Chain): Actor {
  return {
    chain,
    scopes: chain.map(() => ({})),
    groups: [],
    signIn: 'sgn_e',
    expiresAtMs: startedAtMs + 3600_000,
  };
}
