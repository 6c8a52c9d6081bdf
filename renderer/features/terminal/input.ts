import { terminalInputCharactersMax } from '../../../gateway-core/contract/bridge/ssh.js';
import { piecesOf } from './text.js';

/** Typed text that waits for the target; more is refused, as a terminal would. */
export const inputWaitingMax = 8 * 1024 * 1024;

/** Sends text in order, one piece under way at a time; what is typed meanwhile goes together. */
export class Input {
  readonly #send: (text: string, binary: boolean) => Promise<unknown>;
  readonly #failed: (cause: unknown) => void;
  #waiting: { text: string; readonly binary: boolean }[] = [];
  #characters = 0;
  #sending = false;

  constructor(send: (text: string, binary: boolean) => Promise<unknown>, failed: (cause: unknown) => void) {
    this.#send = send;
    this.#failed = failed;
  }

  /** @returns false when it was not taken: too much waits already */
  add(text: string, binary = false): boolean {
    if (this.#characters + text.length > inputWaitingMax) return false;
    this.#characters += text.length;
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.binary === binary) last.text += text;
    else this.#waiting.push({ text, binary });
    if (!this.#sending) void this.#run();
    return true;
  }

  /** The shell is over: what it did not take is for nobody else. */
  drop(): void {
    this.#waiting = [];
    this.#characters = 0;
  }

  async #run(): Promise<void> {
    this.#sending = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        const [first = '', ...rest] = piecesOf(next.text, terminalInputCharactersMax);
        this.#waiting.unshift(...rest.map((text) => ({ text, binary: next.binary })));
        this.#characters -= first.length;
        await this.#send(first, next.binary);
      }
    } catch (cause) {
      this.drop();
      this.#failed(cause);
    } finally {
      this.#sending = false;
    }
  }
}
