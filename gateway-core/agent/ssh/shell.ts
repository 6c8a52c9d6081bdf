import type { Client, ClientChannel } from 'ssh2';
import type { SshSession, TerminalPiece, TerminalSize } from '../../contract/bridge/ssh.js';
import { terminalPieceBytesMax } from '../../contract/bridge/ssh.js';
import { ThroughlineError } from '../../contract/errors.js';
import { sshLimits } from './limits.js';
import { Output } from './output.js';
import { channelRefusal, problemOf } from './reasons.js';

type ShellState = SshSession['shell'];

interface Reader {
  readonly from: number;
  readonly answer: (piece: TerminalPiece) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * The shell of one terminal, over as many channels as it is opened again on: its output has one count from the first
 * byte on. INVARIANT: output that no window has taken pauses the channel, so nothing here grows with it; where no window
 * looks any more, the oldest output is let go instead, so that the program there goes on.
 */
export class Shell {
  readonly #output = new Output(sshLimits.keptBytesMax);
  readonly #changed: () => void;
  readonly #readers = new Set<Reader>();
  #channel: ClientChannel | undefined;
  #state: ShellState = { state: 'none' };
  #paused = false;
  #readAtMs = Date.now();
  #inputBytes = 0;
  readonly #watching: NodeJS.Timeout;

  constructor(changed: () => void) {
    this.#changed = changed;
    this.#watching = setInterval(() => this.#flow(), sshLimits.detachedAfterMs / 2);
    this.#watching.unref();
  }

  get state(): ShellState {
    return this.#state;
  }
  get isOpen(): boolean {
    return this.#state.state === 'open' || this.#state.state === 'opening';
  }

  /** Asks for a terminal and a shell (RFC 4254 6.2, 6.5). A refusal is a state, no error. */
  async open(client: Client, size: TerminalSize): Promise<void> {
    if (this.isOpen) return;
    this.#become({ state: 'opening' });
    try {
      const channel = await askForShell(client, size);
      this.#take(channel);
      this.#become({ state: 'open' });
    } catch (cause) {
      this.#become({ state: 'refused', problem: problemOf(channelRefusal(cause)) });
    }
  }

  /** The next output behind `from`, at once or when it comes; after a while, none. */
  read(from: number): Promise<TerminalPiece> {
    this.#readAtMs = Date.now();
    this.#output.take(from);
    this.#flow();
    const piece = this.#piece(from);
    if (piece.data !== '' || piece.ended) return Promise.resolve(piece);
    return new Promise((answer) => {
      const timer = setTimeout(() => this.#answer(reader), sshLimits.readWaitMs);
      timer.unref();
      const reader: Reader = { from, answer, timer };
      const [oldest] = this.#readers;
      if (this.#readers.size >= sshLimits.readersMax && oldest !== undefined) this.#answer(oldest);
      this.#readers.add(reader);
    });
  }

  /** Resolves once the target has taken it. @throws ThroughlineError target-refused, too-large */
  async write(bytes: Buffer): Promise<void> {
    const channel = this.#channel;
    if (channel === undefined || this.#state.state !== 'open') {
      throw new ThroughlineError('target-refused', 'there is no shell here', { action: 'connect again' });
    }
    if (this.#inputBytes + bytes.length > sshLimits.inputBytesMax) {
      throw new ThroughlineError('too-large', 'the target does not take what was typed', {
        action: 'wait until it does',
      });
    }
    this.#inputBytes += bytes.length;
    try {
      await new Promise<void>((resolve) => {
        channel.once('close', resolve);
        channel.write(bytes, () => {
          channel.off('close', resolve);
          resolve();
        });
      });
    } finally {
      this.#inputBytes -= bytes.length;
    }
  }

  resize({ columns, rows }: TerminalSize): void {
    if (this.#state.state === 'open') this.#channel?.setWindow(rows, columns, 0, 0);
  }

  /** The connection below it is over. */
  lost(): void {
    this.#channel = undefined;
    if (this.isOpen) this.#become({ state: 'ended' });
  }

  close(): void {
    clearInterval(this.#watching);
    this.#channel?.close();
    this.lost();
    for (const reader of this.#readers) this.#answer(reader);
  }

  #take(channel: ClientChannel): void {
    this.#channel = channel;
    this.#paused = false;
    channel.on('data', (bytes: Buffer) => this.#hear(bytes));
    // With a terminal there is no second stream: what comes here is the gateway's own word, in bare lines.
    channel.stderr.on('data', (bytes: Buffer) =>
      this.#hear(Buffer.from(bytes.toString('latin1').replaceAll(/\r?\n/g, '\r\n'), 'latin1')),
    );
    let how: { status?: number; signal?: string } = {};
    channel.on('exit', (status: number | null, signal?: string) => {
      how = {
        ...(typeof status === 'number' ? { status } : {}),
        ...(typeof signal === 'string' ? { signal: signal.slice(0, 40) } : {}),
      };
    });
    channel.on('error', () => undefined);
    channel.once('close', () => {
      if (this.#channel !== channel) return;
      this.#channel = undefined;
      this.#become({ state: 'ended', ...how });
    });
  }

  #hear(bytes: Buffer): void {
    // ssh2 hands out parts of a buffer that it reads into again.
    this.#output.add(Buffer.from(bytes));
    this.#flow();
    this.#wake();
  }

  #flow(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    const watched = this.#readers.size > 0 || Date.now() - this.#readAtMs < sshLimits.detachedAfterMs;
    const pause = watched && this.#output.unread > sshLimits.unreadBytesMax;
    if (pause === this.#paused) return;
    this.#paused = pause;
    for (const stream of [channel, channel.stderr]) {
      if (pause) stream.pause();
      else stream.resume();
    }
  }

  #piece(from: number): TerminalPiece {
    const read = this.#output.read(from, terminalPieceBytesMax);
    return {
      from: read.from,
      data: read.bytes.toString('base64'),
      seen: this.#output.taken,
      ended: !this.isOpen && read.from + read.bytes.length === this.#output.end,
    };
  }

  #answer(reader: Reader): void {
    clearTimeout(reader.timer);
    this.#readers.delete(reader);
    this.#readAtMs = Date.now();
    reader.answer(this.#piece(reader.from));
  }

  #wake(): void {
    for (const reader of this.#readers) this.#answer(reader);
  }

  #become(state: ShellState): void {
    this.#state = state;
    if (!this.isOpen) this.#wake();
    this.#changed();
  }
}

function askForShell(client: Client, { columns, rows }: TerminalSize): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    // A connection that goes meanwhile answers nothing any more.
    const gone = () => reject(new Error('the connection was lost'));
    client.once('close', gone);
    const window = { term: 'xterm-256color', cols: columns, rows, width: 0, height: 0 };
    client.shell(window, (error, channel) => {
      client.off('close', gone);
      if (error === undefined) resolve(channel);
      else reject(error);
    });
  });
}
