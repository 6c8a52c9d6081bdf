import type { CommandUnknown } from '../../contract/ssh.js';
import type { Argument } from './arguments.js';

/** What a program of the tables says about its arguments. */
export interface Run {
  /** Runs `words[0]` with the rest as its arguments. No words: what runs is the target's to know. */
  program(words: readonly Argument[]): void;
  /**
   * The words, joined by blanks, are read as a shell's text. What of them is not plain makes it `dynamic-script`.
   * `here`: by this shell itself, so that functions of the line are known to it.
   */
  text(words: readonly Argument[], here?: boolean): void;
  unknown(why: CommandUnknown): void;
  elevated(): void;
  write(file: Argument): void;
  /** A variable of this name is set. `exported`: programs see it. `value`: what it is set to, where that is plain. */
  variable(name: string, exported: boolean, value: string | undefined): void;
}

/** `words`: the arguments, without the program's name. */
export type Program = (words: readonly Argument[], run: Run, name: string) => void;
