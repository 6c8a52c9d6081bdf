import { commandFacts } from '../../codec/shell/facts.js';
import { writeMessage } from '../../codec/ssh/messages.js';
import type { CommandFacts } from '../../contract/ssh.js';
import type { Channel, ChannelLines } from './channel.js';
import { asked, judged, withinSession } from './judged.js';
import { sshLimits } from './limits.js';
import type { Hold, Parts } from './parts.js';
import { say } from './refuse.js';
import { acceptsLineAt, type CommandLine, LineReader } from './terminal/line-reader.js';

type Size = ConstructorParameters<typeof LineReader>[0];

/** Newest; a person who sends no command for long need not read all that happened. */
const noticesMax = 8;

/** What a terminal sends to give up the line that stands there (VINTR). */
const interrupt = Buffer.from([0x03]);

/**
 * The command lines of one terminal: read off the screen when Enter is pressed, kept for audit and, where a policy
 * looks at them, judged before Enter goes on. What an interactive shell runs without showing it stays unseen: a
 * connection for which that is too little allows `ssh:exec` only.
 */
export class TerminalLines implements ChannelLines {
  readonly #parts: Parts;
  readonly #channel: Channel;
  readonly #hold: Hold;
  readonly #reader: LineReader;
  #notices: string[] = [];

  constructor(parts: Parts, channel: Channel, size: Size, hold: Hold) {
    this.#parts = parts;
    this.#channel = channel;
    this.#hold = hold;
    this.#reader = new LineReader(shown(size));
  }

  output(bytes: Uint8Array): void {
    this.#reader.output(bytes);
  }

  resize(size: Size): void {
    this.#reader.resize(shown(size));
  }

  notice(text: string): void {
    this.#notices = [...this.#notices, text].slice(-noticesMax);
  }

  dispose(): void {
    this.#reader.dispose();
  }

  /** Keys on their way to the target. The bytes are copied where they have to wait. */
  input(data: Buffer): void {
    if (acceptsLineAt(data) === -1) {
      this.#pass(data);
      return;
    }
    const kept = Buffer.from(data);
    this.#hold((done) => void this.#linesThen(kept, done));
  }

  async #linesThen(data: Buffer, done: () => void): Promise<void> {
    try {
      await this.#lines(data);
    } catch (error) {
      this.#parts.context.guarded(() => {
        throw error;
      });
    }
    if (!this.#parts.context.isOver()) this.#parts.context.guarded(done);
  }

  /** Only below a command that stands there: what has the whole screen, or asks for a password, is left alone. */
  #sayNotices(line: CommandLine | undefined): void {
    if (line === undefined || line.text === '' || line.echoed === false) return;
    for (const text of this.#notices) say(this.#parts, this.#channel, `\r\n${text}`);
    this.#notices = [];
  }

  /** All of it, line by line, before anything that came behind it. */
  async #lines(data: Buffer): Promise<void> {
    const { context } = this.#parts;
    let rest = data;
    while (rest.length > 0 && !context.isOver()) {
      const at = acceptsLineAt(rest);
      if (at === -1) return this.#pass(rest);
      this.#pass(rest.subarray(0, at - 1));
      const enter = rest.subarray(at - 1, at);
      rest = rest.subarray(at);
      const line = await this.#line(rest.length === 0);
      if (context.isOver()) return;
      this.#sayNotices(line);
      this.#pass((await this.#mayRun(line)) ? enter : interrupt);
    }
  }

  /** `last`: nothing came with it behind the Enter, as it does in a paste, so there is time for the echo. */
  async #line(last: boolean): Promise<CommandLine | undefined> {
    const judging = this.#parts.context.judge.judgesLines();
    const attempts = judging ? sshLimits.echoAttempts : last ? 2 : 1;
    let line: CommandLine | undefined;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      line = await this.#reader.lineBefore();
      if (line === undefined || line.echoed !== false || attempt === attempts) return line;
      await new Promise((resolve) => setTimeout(resolve, sshLimits.echoWaitMs));
    }
    return line;
  }

  /** False: a policy says no, and the person was told. Never resolves when the journal keeps nothing any more. */
  #mayRun(line: CommandLine | undefined): Promise<boolean> {
    const { context } = this.#parts;
    // On the alternate screen no line is a command; what is typed without echo is not one that can be judged.
    if (line === undefined || line.text === '') return Promise.resolve(true);
    const { text, certain } = line;
    const verdict = context.judge.judgesLines()
      ? asked(context, { action: 'ssh:shell', command: withDoubt(commandFacts(text, true), certain) })
      : withinSession(context, 'ssh:shell');
    return new Promise((resolve) => {
      judged(context, {
        ...verdict,
        command: 'line',
        text,
        allowed: (_decision, _appended, use) => {
          use.end({ state: 'ok' });
          resolve(true);
        },
        denied: (reason) => {
          say(this.#parts, this.#channel, `\r\n${reason}`);
          resolve(false);
        },
      });
    });
  }

  #pass(keys: Buffer): void {
    const { targetId: recipient } = this.#channel;
    if (keys.length === 0 || recipient === undefined) return;
    this.#reader.input(keys);
    this.#parts.upstream.pass(writeMessage({ kind: 'data', recipient, data: keys }));
  }
}

/** RFC 4254 6.2: a size of zero says nothing; programs take it for that of a VT100. */
function shown({ columns, rows }: Size): Size {
  return { columns: columns === 0 ? 80 : columns, rows: rows === 0 ? 24 : rows };
}

/** A line that is not surely what the shell will read is one more thing that is not known. */
function withDoubt(facts: CommandFacts, certain: boolean): CommandFacts {
  if (certain || facts.unknown.includes('dynamic-script')) return facts;
  return { ...facts, unknown: [...facts.unknown, 'dynamic-script'] };
}
