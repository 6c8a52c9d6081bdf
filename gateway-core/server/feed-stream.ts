import type { SessionView } from '../contract/api.js';
import type { AgentChange, AgentNode } from '../contract/delegation.js';
import { type AgentTree, quiet } from './agent-tree.js';
import { feedLimits, type LineOf, type LiveFeed, lineOf } from './live-feed.js';

export interface FeedStreamOptions {
  readonly feed: LiveFeed;
  readonly signIn: string;
  /** When the sign-in ends at the latest. */
  readonly signInEndsAtMs: number;
  readonly maySee: (session: SessionView) => boolean;
  readonly isOwn: (session: SessionView) => boolean;
  readonly tree: Pick<AgentTree, 'onChange'>;
  readonly ownPrincipal: string;
  /** Whether the reader sees the tree of somebody else, who has sessions on these connections. */
  readonly maySeeTree: (connections: ReadonlySet<string>) => boolean;
  /** Whether the reader may view the sessions of this node's principal on its connections. */
  readonly maySeeStatements: (node: AgentNode) => boolean;
  readonly looksAfterPeople: () => boolean;
  /** Puts on record that this person reads along with others; until that is durable nothing of it is told. */
  readonly noteOthers: () => Promise<void>;
  /** Whether the reader's sign-in or delegation has ended, or an agent above it was revoked. Asked before anything is told. */
  readonly isOver: () => boolean;
  readonly onSignInEnded: (listener: (signIn: string) => void) => () => void;
  /** Ends the connection of a reader that does not read what it was sent. Does nothing once all was read. */
  readonly drop: () => void;
  readonly now: () => number;
}

/**
 * One reader's lines as a stream. A reader that is too slow loses what waited and is told so by `resync`; nothing ever
 * waits for a reader. Opening it subscribes: hand it to somebody who reads or cancels.
 */
export function feedStream(options: FeedStreamOptions): ReadableStream<Uint8Array> {
  return new FeedStream(options).stream;
}

const resyncLine = lineOf({ kind: 'resync' });
const rightsLine = lineOf({ kind: 'rights' });

/** What waits for one reader. INVARIANT: never more than one line above the limits. */
class WaitingLines {
  #lines: string[] = [];
  #characters = 0;
  /** Something of a session is among them. */
  #telling = false;
  /** It is told to read everything again: what comes before it does so need not wait. */
  #lost = false;

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  add(line: string, telling: boolean): void {
    if (this.#lost) return;
    const tooLong = this.#characters + line.length > feedLimits.waitingCharactersMax && !this.isEmpty;
    if (tooLong || this.#lines.length >= feedLimits.waitingMax) return this.#replace([resyncLine], true);
    this.#lines.push(line);
    this.#characters += line.length;
    this.#telling ||= telling;
  }

  /** What waited was meant for the rights of then. */
  rightsChanged(): void {
    if (this.#telling || this.#lost) this.#replace([rightsLine, resyncLine], true);
    else this.#replace([rightsLine], false);
  }

  #replace(lines: string[], lost: boolean): void {
    this.#lines = lines;
    this.#characters = lines.reduce((sum, line) => sum + line.length, 0);
    this.#telling = lost;
    this.#lost = lost;
  }

  take(): string {
    let count = 0;
    let characters = 0;
    for (const { length } of this.#lines) {
      if (count > 0 && characters + length > feedLimits.chunkCharactersMax) break;
      count += 1;
      characters += length;
    }
    const chunk = this.#lines.splice(0, count).join('');
    this.#characters -= characters;
    if (this.isEmpty) this.#replace([], false);
    return chunk;
  }
}

class FeedStream {
  readonly stream: ReadableStream<Uint8Array>;
  readonly #options: FeedStreamOptions;
  readonly #waiting = new WaitingLines();
  readonly #undo: (() => void)[] = [];
  #others: 'unnoted' | 'noting' | 'noted' = 'unnoted';
  #wake: (() => void) | undefined;
  #over = false;
  #cancelled = false;

  constructor(options: FeedStreamOptions) {
    this.#options = options;
    const { feed, signIn } = options;
    this.#undo.push(
      feed.subscribe({
        signIn,
        maySee: options.maySee,
        tell: (line, of, session) => this.#tell(line, of, session),
        alert: (line, principal) => {
          const { ownPrincipal, looksAfterPeople } = options;
          if (principal === ownPrincipal || looksAfterPeople()) this.#add(line, true);
        },
        rightsChanged: () => {
          this.#waiting.rightsChanged();
          this.#wake?.();
        },
      }),
      options.onSignInEnded((ended) => {
        if (ended === signIn) this.#stop();
      }),
      options.tree.onChange((changes, connectionsOf) => this.#tellTree(changes, connectionsOf)),
    );
    // By a clock that nobody can set back.
    const life = setTimeout(() => this.#stop(), feedLimits.lifeMsMax);
    const beats = setInterval(() => this.#beat(), feedLimits.beatMs);
    this.#undo.push(
      () => clearTimeout(life),
      () => clearInterval(beats),
    );
    this.#beat();
    // Nothing is read ahead: what a slow reader has not taken stands in `#waiting`, where it is bounded.
    this.stream = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => this.#pull(controller),
        cancel: () => {
          this.#cancelled = true;
          this.#stop();
        },
      },
      { highWaterMark: 0 },
    );
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#waiting.isEmpty && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    if (this.#options.isOver()) this.#stop();
    if (!this.#over) controller.enqueue(Buffer.from(this.#waiting.take()));
    else if (!this.#cancelled) controller.close();
  }

  #beat(): void {
    this.#add(lineOf({ kind: 'beat', at: new Date(this.#options.now()).toISOString() }), false);
  }

  #tellTree(
    changes: readonly AgentChange[],
    connectionsOf: (principal: string) => ReadonlySet<string>,
  ): void {
    const { ownPrincipal, maySeeTree } = this.#options;
    const verdicts = new Map<string, boolean>([[ownPrincipal, true]]);
    for (const each of changes) {
      const { principal } = each.node;
      const may = verdicts.get(principal) ?? maySeeTree(connectionsOf(principal));
      verdicts.set(principal, may);
      if (!may) continue;
      const node = this.#mayRead(each) ? each.node : quiet(each.node);
      this.#add(lineOf({ kind: 'agent', ...each, node }), true);
    }
  }

  /** Whether the reader is told what a node runs: with the right to view its sessions, and of others once that is on record. */
  #mayRead({ change, node }: AgentChange): boolean {
    if (node.statement === undefined) return true;
    if (change === 'ended' || !this.#options.maySeeStatements(node)) return false;
    if (node.principal === this.#options.ownPrincipal || this.#others === 'noted') return true;
    this.#note();
    return false;
  }

  #tell(line: string, of: LineOf, session: SessionView): void {
    if (of !== 'statement' || this.#others === 'noted' || this.#options.isOwn(session))
      return this.#add(line, true);
    this.#note();
  }

  /** Reading along with others goes on record; until it has, what they run is not told. */
  #note(): void {
    if (this.#others === 'noting') return;
    this.#others = 'noting';
    this.#options.noteOthers().then(
      () => {
        this.#others = 'noted';
        this.#add(resyncLine, true);
      },
      // What cannot be put on record cannot be read either.
      () => this.#stop(),
    );
  }

  #add(line: string, telling: boolean): void {
    if (this.#over) return;
    const { isOver, now, signInEndsAtMs } = this.#options;
    if (now() >= signInEndsAtMs || isOver()) return this.#stop();
    this.#waiting.add(line, telling);
    this.#wake?.();
  }

  #stop(): void {
    if (this.#over) return;
    this.#over = true;
    for (const undo of this.#undo) undo();
    this.#wake?.();
    if (!this.#cancelled) setTimeout(this.#options.drop, feedLimits.goodbyeMs).unref();
  }
}
