import { setTimeout as sleep } from 'node:timers/promises';
import { sizeOf } from '../../codec/terminal/content.js';
import { Utf8Text } from '../../codec/terminal/utf8.js';
import type { ReplayItem } from '../../contract/api.js';
import type { AuditEventInput, WatchEnd } from '../../contract/events.js';
import type { SessionId } from '../../contract/ids.js';
import type { ContentStream } from '../../contract/recorder.js';
import type { WatchItem } from '../../contract/watch.js';
import { PendingOutput, type Taken } from '../../proxy/ssh/terminal/pending-output.js';
import { watchLimits } from './limits.js';
import { Past } from './past.js';
import { WatchedTerminal } from './terminal.js';

type Decided = Extract<AuditEventInput, { kind: 'statement.decided' }>;
type Ended = Extract<AuditEventInput, { kind: 'statement.ended' }>;
type SessionEnded = Extract<AuditEventInput, { kind: 'session.ended' }>;
type Told = Decided | Ended | SessionEnded;

export interface WatchedOptions {
  readonly id: SessionId;
  readonly startedAtMs: number;
  /** Resolves once everything that was handed to the journal is durable; rejects when it is not. */
  readonly durable: (session: SessionId) => Promise<void>;
  /** What is recorded of it up to this position of the journal. */
  readonly recorded: (session: SessionId, to: number) => AsyncIterable<ReplayItem>;
  readonly now: () => number;
  /** Lines for everybody who watches. */
  readonly tell: (lines: readonly string[]) => void;
  /** `settled` became true. */
  readonly ready: () => void;
  readonly over: (why: WatchEnd) => void;
}

interface OutputText {
  readonly seq: number;
  readonly stream: 'stdout' | 'stderr';
  readonly pending: PendingOutput;
  text: Utf8Text;
}

/** What one round tells: all of it durable before any of it is painted. */
interface Round {
  readonly atMs: number;
  readonly decided: readonly Decided[];
  readonly terminals: readonly { readonly terminal: WatchedTerminal; readonly taken: Taken }[];
  readonly outputs: readonly { readonly output: OutputText; readonly taken: Taken }[];
  readonly ended: readonly (Ended | SessionEnded)[];
}

/**
 * A session that somebody watches: the masked content that the recorder is given, painted here and told on once it is
 * durable. It takes from the session a copy of its last output and nothing else: whatever it is behind, nobody waits.
 */
export class WatchedSession {
  readonly #options: WatchedOptions;
  /** By statement; those that were painted last stand last. */
  readonly #terminals = new Map<number, WatchedTerminal>();
  /** Sizes of terminals that had to make room. */
  readonly #hidden = new Map<number, { readonly columns: number; readonly rows: number }>();
  readonly #outputs = new Map<string, OutputText>();
  readonly #running = new Map<number, string>();
  #told: Told[] = [];
  #state: 'waiting' | 'reading' | 'live' | 'over' = 'waiting';
  #going = false;
  #painting = false;

  constructor(options: WatchedOptions) {
    this.#options = options;
  }

  /** `snapshot` may be taken: it is what everything told so far comes to. */
  get settled(): boolean {
    return this.#state === 'live' && !this.#painting;
  }

  /** In the turn in which the recorder was given it. */
  content(seq: number, stream: ContentStream, bytes: Uint8Array): void {
    if (this.#state === 'over') return;
    if (stream === 'terminal') this.#terminal(seq, undefined).push(bytes);
    else if (stream === 'terminal-size') {
      const size = sizeOf(bytes);
      if (size !== undefined) this.#terminal(seq, size).resize(size);
    } else if (stream === 'stdout' || stream === 'stderr') this.#output(seq, stream).pending.push(bytes);
    else return;
    this.#go();
  }

  /** What stands in the journal. */
  hear(event: Told): void {
    if (this.#state === 'over') return;
    this.#told.push(event);
    this.#go();
  }

  /** Reads what was recorded before, up to and with `position`: everything behind it was handed to this. Once only. */
  begin(position: number): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'reading';
    this.#read(position).then(
      () => {
        if (this.#state !== 'reading') return;
        this.#state = 'live';
        this.#options.ready();
        this.#go();
      },
      () => this.#over('lost'),
    );
  }

  /** What runs and every terminal as it stands, as lines. */
  snapshot(): string[] {
    const atMs = this.#atMs();
    const screens = [...this.#terminals.values()].map((terminal) => lineOf(terminal.picture(atMs)));
    return [...this.#running.values(), ...screens];
  }

  dispose(): void {
    this.#state = 'over';
    for (const terminal of this.#terminals.values()) terminal.dispose();
    this.#terminals.clear();
    this.#outputs.clear();
    this.#told = [];
  }

  async #read(position: number): Promise<void> {
    const { id, recorded } = this.#options;
    const past = new Past();
    for await (const item of recorded(id, position)) {
      if (this.#state === 'over') return;
      past.add(item);
    }
    for (const item of past.statements) this.#run(item.seq, lineOf(item));
    for (const [seq, size] of past.sizes) if (!this.#terminals.has(seq)) this.#hidden.set(seq, size);
    for (const { seq, size, pieces, whole } of past.terminals) {
      await this.#terminal(seq, undefined).paintPast(size, pieces, whole);
      if (this.#state === 'over') return;
    }
  }

  #terminal(seq: number, size: { columns: number; rows: number } | undefined): WatchedTerminal {
    const known = this.#terminals.get(seq);
    this.#terminals.delete(seq);
    const hidden = this.#hidden.get(seq);
    this.#hidden.delete(seq);
    const began = size !== undefined && hidden === undefined;
    const terminal = known ?? new WatchedTerminal(seq, size ?? hidden ?? { columns: 80, rows: 24 }, began);
    this.#terminals.set(seq, terminal);
    const [oldest] = this.#terminals.values();
    if (this.#terminals.size > watchLimits.terminalsMax && oldest !== undefined) this.#hide(oldest);
    return terminal;
  }

  #hide(terminal: WatchedTerminal): void {
    this.#terminals.delete(terminal.seq);
    this.#hidden.set(terminal.seq, terminal.size);
    terminal.dispose();
  }

  #output(seq: number, stream: 'stdout' | 'stderr'): OutputText {
    const key = `${seq} ${stream}`;
    let output = this.#outputs.get(key);
    if (output === undefined) {
      output = { seq, stream, pending: new PendingOutput(), text: new Utf8Text() };
      this.#outputs.set(key, output);
    }
    return output;
  }

  #run(seq: number, line: string): void {
    this.#running.set(seq, line);
    const [oldest] = this.#running.keys();
    if (this.#running.size > watchLimits.statementsMax && oldest !== undefined) this.#running.delete(oldest);
  }

  #go(): void {
    if (this.#state !== 'live' || this.#going) return;
    this.#going = true;
    this.#goOn().catch(() => this.#over('lost'));
  }

  async #goOn(): Promise<void> {
    // Behind what the same turn still brings: a statement is told before what it shows.
    await new Promise((resolve) => setImmediate(resolve));
    for (let round = this.#take(); round !== undefined; round = this.#take()) {
      await this.#options.durable(this.#options.id);
      await this.#show(round);
      await sleep(watchLimits.roundMs, undefined, { ref: false });
    }
    // In the turn in which nothing was left: what comes in the next one begins anew.
    this.#going = false;
  }

  #take(): Round | undefined {
    if (this.#state !== 'live') return undefined;
    const told = this.#told;
    this.#told = [];
    const terminals = [...this.#terminals.values()]
      .filter(({ waiting }) => waiting)
      .map((terminal) => ({ terminal, taken: terminal.take() }));
    const outputs = [...this.#outputs.values()]
      .map((output) => ({ output, taken: output.pending.take() }))
      .filter(({ taken }) => taken.pieces.length > 0);
    if (told.length + terminals.length + outputs.length === 0) return undefined;
    const decided = told.filter((event): event is Decided => event.kind === 'statement.decided');
    const ended = told.filter((event): event is Ended | SessionEnded => event.kind !== 'statement.decided');
    return { atMs: this.#atMs(), decided, terminals, outputs, ended };
  }

  async #show({ atMs, decided, terminals, outputs, ended }: Round): Promise<void> {
    for (const event of decided) {
      const line = lineOf(decidedItem(event, atMs));
      if (event.decision === 'allowed' || event.decision === 'approved') this.#run(event.seq, line);
      this.#tell([line]);
    }
    for (const { terminal, taken } of terminals) {
      if (this.#terminals.get(terminal.seq) !== terminal) continue;
      this.#painting = true;
      const items = await terminal.paint(taken, atMs);
      this.#painting = false;
      if (this.#isOver()) return;
      this.#tell(items.map(lineOf));
    }
    if (terminals.length > 0) this.#options.ready();
    for (const { output, taken } of outputs) this.#tell(outputItems(output, taken, atMs).map(lineOf));
    for (const event of ended) this.#end(event, atMs);
  }

  #end(event: Ended | SessionEnded, atMs: number): void {
    if (event.kind === 'session.ended') {
      this.#tell([lineOf({ kind: 'end', atMs, endCause: event.endCause })]);
      this.#over('session-ended');
      return;
    }
    const { seq, state, payload } = event;
    const error = payload?.error ?? event.error?.code;
    this.#tell([
      lineOf({
        kind: 'outcome',
        seq,
        atMs,
        state,
        ...(payload?.tag === undefined ? {} : { tag: payload.tag }),
        ...(error === undefined ? {} : { error }),
      }),
    ]);
    this.#running.delete(seq);
    this.#hidden.delete(seq);
    this.#terminals.get(seq)?.dispose();
    this.#terminals.delete(seq);
    for (const stream of ['stdout', 'stderr']) this.#outputs.delete(`${seq} ${stream}`);
  }

  #tell(lines: readonly string[]): void {
    if (lines.length > 0 && this.#state === 'live') this.#options.tell(lines);
  }

  #isOver(): boolean {
    return this.#state === 'over';
  }

  #over(why: WatchEnd): void {
    if (this.#state === 'over') return;
    this.dispose();
    this.#options.over(why);
  }

  #atMs(): number {
    return Math.max(0, this.#options.now() - this.#options.startedAtMs);
  }
}

/** One item as it goes out. */
export function lineOf(item: WatchItem): string {
  return `${JSON.stringify(item)}\n`;
}

function decidedItem({ seq, command, decision, payload }: Decided, atMs: number): WatchItem {
  const { text, message } = payload;
  return {
    kind: 'statement',
    seq,
    atMs,
    command,
    text,
    decision,
    ...(message === undefined ? {} : { message }),
  };
}

function outputItems(output: OutputText, { pieces, lost }: Taken, atMs: number): WatchItem[] {
  if (lost !== undefined) output.text = new Utf8Text();
  const { seq, stream } = output;
  let text = '';
  for (const piece of pieces) if (piece.kind === 'bytes') text += output.text.push(piece.bytes);
  if (text === '' && lost === undefined) return [];
  return [{ kind: 'output', seq, stream, atMs, text, cut: lost !== undefined }];
}
