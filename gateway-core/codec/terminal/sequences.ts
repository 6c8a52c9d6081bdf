/** What a terminal's output is made of (ECMA-48, xterm's ctlseqs). Calls come in order. */
export interface SequenceHandler {
  /** Characters that are shown. */
  text(text: string): void;
  /** A control character: C0 without ESC, DEL, or C1. */
  control(code: number): void;
  /** `ESC [ ...`: private prefix or '', parameters, intermediates, final character. */
  sequence(prefix: string, parameters: string, intermediates: string, final: string): void;
  /** `ESC` with intermediates and a final character. */
  escape(intermediates: string, final: string): void;
}

/** A sequence that is longer says nothing to anybody: it is passed over. */
const sequenceCharactersMax = 256;

const states = { ground: 0, escape: 1, control: 2, string: 3 } as const;
type State = (typeof states)[keyof typeof states];

// oxlint-disable-next-line no-control-regex -- what it looks for
const notText = /[\x00-\x1f\x7f-\x9f]/g;

/** Splits text of a terminal into what is shown and what is obeyed. Strings (titles, links, clipboard) are left out. */
export class SequenceParser {
  readonly #handler: SequenceHandler;
  #state: State = states.ground;
  #held = '';
  #isCommand = false;

  constructor(handler: SequenceHandler) {
    this.#handler = handler;
  }

  push(text: string): void {
    for (let at = 0; at < text.length; ) {
      if (this.#state !== states.ground) {
        this.#step(text.charCodeAt(at));
        at++;
        continue;
      }
      notText.lastIndex = at;
      const next = notText.exec(text)?.index ?? text.length;
      if (next > at) this.#handler.text(text.slice(at, next));
      if (next < text.length) this.#step(text.charCodeAt(next));
      at = next + 1;
    }
  }

  #step(code: number): void {
    if (this.#state === states.string) return this.#inString(code);
    if (code === 0x1b) return this.#enter(states.escape);
    if (code === 0x18 || code === 0x1a) return this.#enter(states.ground);
    if (code >= 0x80 && code <= 0x9f) return this.#c1(code);
    if (code < 0x20 || code === 0x7f) return this.#handler.control(code);
    if (this.#state === states.escape) this.#escape(code);
    else if (this.#state === states.control) this.#sequence(code);
  }

  #enter(state: State): void {
    this.#state = state;
    this.#held = '';
  }

  #c1(code: number): void {
    this.#enter(states.ground);
    if (code === 0x9b) this.#enter(states.control);
    else if (code === 0x9d) this.#string(true);
    else if (code === 0x90 || code === 0x98 || code === 0x9e || code === 0x9f) this.#string(false);
    else if (code !== 0x9c) this.#handler.control(code);
  }

  #string(isCommand: boolean): void {
    this.#enter(states.string);
    this.#isCommand = isCommand;
  }

  #inString(code: number): void {
    if (code === 0x1b) this.#enter(states.escape);
    else if (code === 0x9c || code === 0x18 || code === 0x1a) this.#enter(states.ground);
    else if (code === 0x07 && this.#isCommand) this.#enter(states.ground);
  }

  #escape(code: number): void {
    const character = String.fromCharCode(code);
    if (code < 0x30) {
      this.#hold(character);
      return;
    }
    const held = this.#held;
    this.#enter(states.ground);
    if (held === '' && character === '[') this.#enter(states.control);
    else if (held === '' && character === ']') this.#string(true);
    else if (held === '' && /[PX^_]/.test(character)) this.#string(false);
    else if (code < 0x7f) this.#handler.escape(held, character);
    else this.#handler.text(character);
  }

  #sequence(code: number): void {
    const character = String.fromCharCode(code);
    if (code < 0x40) {
      this.#hold(character);
      return;
    }
    const held = this.#held;
    this.#enter(states.ground);
    const parts = /^([<-?]?)([0-9:;]*)([ -/]*)$/.exec(held);
    if (code > 0x7e || held.length > sequenceCharactersMax || parts === null) return;
    this.#handler.sequence(parts[1] ?? '', parts[2] ?? '', parts[3] ?? '', character);
  }

  #hold(character: string): void {
    if (this.#held.length <= sequenceCharactersMax) this.#held += character;
  }
}
