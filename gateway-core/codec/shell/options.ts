import { type Argument, mayBeOption, plainArgument } from './arguments.js';

/** The options of a program that runs another one, as far as finding that other one needs. Letters without their dash. */
export interface OptionTable {
  readonly flags?: string;
  /** Letters with a value, in the same word or in the next. */
  readonly valued?: string;
  /** Letters with a value in the same word or none. */
  readonly optional?: string;
  /** Long names without their dashes; GNU programs take any unique beginning of one. */
  readonly longFlags?: readonly string[];
  readonly longValued?: readonly string[];
  /** `-5`: a number is an option (nice). */
  readonly numeric?: boolean;
  /** Long names have one dash (find, java): words are taken whole. */
  readonly single?: boolean;
}

export interface Options {
  /** Index of the first word that is no option. */
  readonly operandsAt: number;
  /** false: some word is not in the table, or made at run time, so `operandsAt` may be elsewhere. */
  readonly sure: boolean;
  /** Every option with its value: letters, and long names in full where one fits. */
  readonly given: readonly { readonly name: string; readonly value: Argument | undefined }[];
}

/** Reads options until the first operand (POSIX utility syntax guidelines 3 to 10, and GNU's long options). */
export function readOptions(words: readonly Argument[], table: OptionTable): Options {
  const reader = new OptionReader(words, table);
  reader.read();
  return { operandsAt: Math.min(reader.at, words.length), sure: reader.sure, given: reader.given };
}

class OptionReader {
  at = 0;
  sure = true;
  readonly given: { name: string; value: Argument | undefined }[] = [];
  readonly #words: readonly Argument[];
  readonly #table: OptionTable;

  constructor(words: readonly Argument[], table: OptionTable) {
    this.#words = words;
    this.#table = table;
  }

  read(): void {
    for (;;) {
      const word = this.#words[this.at];
      if (word === undefined) return;
      if (word.kind !== 'plain') {
        // It may be an option, several words, or none.
        if (mayBeOption(word)) this.sure = false;
        return;
      }
      if (word.text === '--') {
        this.at += 1;
        return;
      }
      if (word.text.length < 2 || !word.text.startsWith('-')) return;
      this.at += 1;
      if (word.text.startsWith('--') || this.#table.single === true) this.#long(word.text);
      else this.#letters(word.text);
    }
  }

  #long(text: string): void {
    const body = text.replace(/^--?/, '');
    const equals = body.indexOf('=');
    const name = equals < 0 ? body : body.slice(0, equals);
    const value = equals < 0 ? undefined : body.slice(equals + 1);
    const full = this.#fullName(name);
    if (full === undefined) this.sure = false;
    if (value !== undefined) {
      this.given.push({ name: full?.name ?? name, value: plainArgument(value) });
    } else if (full?.valued === true) this.#nextIsValue(full.name);
    else this.given.push({ name: full?.name ?? name, value: undefined });
  }

  #fullName(name: string): { name: string; valued: boolean } | undefined {
    const { longFlags = [], longValued = [] } = this.#table;
    if (longFlags.includes(name)) return { name, valued: false };
    if (longValued.includes(name)) return { name, valued: true };
    if (this.#table.single === true) return undefined;
    const flags = longFlags.filter((each) => each.startsWith(name));
    const valued = longValued.filter((each) => each.startsWith(name));
    const first = flags[0] ?? valued[0];
    if (first === undefined || (flags.length > 0 && valued.length > 0)) return undefined;
    return { name: first, valued: flags.length === 0 };
  }

  #letters(text: string): void {
    const { flags = '', valued = '', optional = '', numeric } = this.#table;
    if (numeric === true && /^-[-+]?\d+$/.test(text)) return;
    for (let index = 1; index < text.length; index += 1) {
      const letter = text.charAt(index);
      if (optional.includes(letter)) {
        this.given.push({ name: letter, value: plainArgument(text.slice(index + 1)) });
        return;
      }
      if (valued.includes(letter)) {
        if (index + 1 < text.length)
          this.given.push({ name: letter, value: plainArgument(text.slice(index + 1)) });
        else this.#nextIsValue(letter);
        return;
      }
      if (!flags.includes(letter)) this.sure = false;
      this.given.push({ name: letter, value: undefined });
    }
  }

  #nextIsValue(name: string): void {
    const value = this.#words[this.at];
    this.at += 1;
    // Without quotes it may be several words, or none: then the program stands elsewhere.
    if (value !== undefined && value.kind !== 'plain') this.sure = false;
    this.given.push({ name, value });
  }
}
