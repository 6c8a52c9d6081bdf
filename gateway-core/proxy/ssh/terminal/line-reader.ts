import { PendingOutput, type Piece } from './pending-output.js';
import { type Place, Screen, type Size } from './screen.js';
import { TypedText } from './typed-text.js';

/** Prompts that were seen before are known again in a line whose beginning was lost. */
const promptsMax = 8;
const promptCharactersMax = 256;
const lineCharactersMax = 16 * 1024;

/** How readline shows that it looks through the history. */
const searches = /^\((?:failed )?(?:reverse-)?i-search\)`[^']*': /;

/** What stands on the command line. */
export interface CommandLine {
  /** Without the prompt and without space at its end. Masked, as the output is that it was read from. */
  readonly text: string;
  readonly prompt: string;
  /**
   * Whether it is known to be what the program at the other end will read: its beginning is known from the shell's own
   * mark (OSC 133) or from where the first key was pressed, and what was typed stands there, key by key. False after
   * keys that move, complete or recall; the line is then what the screen shows.
   */
  readonly certain: boolean;
  /**
   * What was typed is on the screen. False: it is not echoed (a password), or not yet: wait a little and ask again.
   * Undefined where keys were pressed that make that unknown.
   */
  readonly echoed: boolean | undefined;
  /** Exit status of the command before, where the shell says so. */
  readonly exit: number | undefined;
}

/**
 * Reads command lines off a terminal: what stood on the line when Enter was pressed. Only what the screen shows is
 * read, so what is typed without echo never comes out.
 *
 * It lies beside the relay and not in codec: the emulator (@xterm/headless) paints in slices, with timers.
 *
 * Not known: lines that run without Enter (an editor opened by `fc` or C-x C-e), keys that are bound to run what
 * is not shown, text painted over by a program in the background.
 */
export class LineReader {
  private readonly pending = new PendingOutput();
  private readonly typed = new TypedText();
  private size: Size;
  private screen: Screen | undefined;
  /** Where the prompt ended, by the first key of the line. */
  private start: Place | undefined;
  /** The same of the line before: a key that was thought to send it may not have. */
  private startBefore: Place | undefined;
  private awaitsKey = true;
  private prompts: string[] = [];
  private reading: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(size: Size) {
    this.size = size;
  }

  /** What the terminal was sent, masked. Cheap whatever its amount: nothing is painted before a line is asked for. */
  output(bytes: Uint8Array): void {
    this.pending.push(bytes);
  }

  resize(size: Size): void {
    this.size = size;
    this.pending.resize(size);
  }

  /** What the person's terminal sent, and is sent on, in the order of `output`. */
  input(bytes: Uint8Array): void {
    const accepted = endsLineAt(bytes);
    const line = accepted === -1 ? bytes : bytes.subarray(0, accepted - 1);
    if (this.typed.push(line) && this.awaitsKey) {
      this.awaitsKey = false;
      this.pending.firstKey();
    }
    if (accepted === -1) return;
    this.typed.clear();
    this.awaitsKey = true;
    this.startBefore?.marker.dispose();
    this.startBefore = this.start;
    this.start = undefined;
    if (accepted < bytes.length) this.input(bytes.subarray(accepted));
  }

  /**
   * The line that stands there now; undefined on the alternate screen. Ask before the key that sends it is handed to
   * `input`.
   */
  async lineBefore(): Promise<CommandLine | undefined> {
    const turn = this.reading.then(() => this.read());
    this.reading = turn.catch(() => undefined);
    return turn;
  }

  dispose(): void {
    this.disposed = true;
    this.typed.clear();
    this.screen?.dispose();
  }

  private async read(): Promise<CommandLine | undefined> {
    if (this.disposed) return undefined;
    const { pieces, lost } = this.pending.take();
    this.screen ??= new Screen(this.size);
    const { screen } = this;
    if (lost !== undefined) {
      this.dropStart();
      await screen.restart(lost.alternate);
    }
    for (const piece of pieces) {
      await this.paint(screen, piece);
      if (this.disposed) return undefined;
    }
    this.pending.screenIs(screen.isAlternate);
    return screen.isAlternate ? undefined : this.readLine(screen);
  }

  private async paint(screen: Screen, piece: Piece): Promise<void> {
    if (piece.kind === 'bytes') await screen.write(piece.bytes);
    else if (piece.kind === 'size') screen.resize(piece.size);
    else {
      this.dropStart();
      this.start = screen.cursor();
    }
  }

  private readLine(screen: Screen): CommandLine {
    const marked = screen.line(screen.promptEnd).before;
    const pressed = screen.line(this.start).before;
    const older = screen.line(this.startBefore).before;
    const text = screen.line(undefined).text.slice(0, lineCharactersMax);
    // Still the line before: what stood on it then belongs to it. The first key may have come before the prompt did.
    const sure = marked ?? (older !== undefined && older.length < (pressed?.length ?? 0) ? older : pressed);
    const prompt = sure === undefined || sure === '' || searches.test(text) ? this.promptOf(text) : sure;
    const line = text.slice(prompt.length).trimEnd();
    const known = prompt === sure || this.isEmptyAt(text, prompt);
    if (known) this.learn(prompt);
    const echoed = this.typed.isShownAs(line);
    return { text: line, prompt, certain: known && echoed === true, echoed, exit: screen.exit };
  }

  /** No key was pressed: all that stands there is a prompt. */
  private isEmptyAt(text: string, prompt: string): boolean {
    return this.awaitsKey && prompt.trimEnd() === text;
  }

  /** The part of `text` that is a prompt seen before or readline's search, else up to the first sign that prompts end with. */
  private promptOf(text: string): string {
    if (this.awaitsKey) return text;
    const searching = searches.exec(text)?.[0];
    const seen = this.prompts.find((prompt) => text.startsWith(prompt));
    return searching ?? seen ?? /^.{0,200}?[$#%>❯»] /.exec(text)?.[0] ?? '';
  }

  private learn(prompt: string): void {
    if (prompt.trim() === '' || prompt.length > promptCharactersMax) return;
    this.prompts = [prompt, ...this.prompts.filter((each) => each !== prompt)].slice(0, promptsMax);
  }

  private dropStart(): void {
    this.start?.marker.dispose();
    this.start = undefined;
  }
}

/** The same for a line that is sent or given up (C-c). Where C-c does something else, what stands there is not certain. */
function endsLineAt(bytes: Uint8Array): number {
  return (
    bytes.findIndex((byte) => byte === 0x0d || byte === 0x0a || byte === 0x0f || byte === 0x03) + 1 || -1
  );
}

/**
 * The index behind the first byte that sends a line, -1 without one: Enter (CR), C-j (LF), and C-o, by which shells
 * run a line of the history and fetch the next. Every one counts, in pasted text too: whether the program at the other
 * end takes a paste as one is for it to say, and it may not be asked.
 */
export function acceptsLineAt(bytes: Uint8Array): number {
  return bytes.findIndex((byte) => byte === 0x0d || byte === 0x0a || byte === 0x0f) + 1 || -1;
}
