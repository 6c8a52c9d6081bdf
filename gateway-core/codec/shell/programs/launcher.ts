import type { CommandUnknown } from '../../../contract/ssh.js';
import type { Argument } from '../arguments.js';
import { type OptionTable, readOptions } from '../options.js';
import type { Program, Run } from '../run.js';

/** A program whose arguments are another program and its arguments, after options of its own. */
export interface Launcher extends OptionTable {
  /** Words between the options and the program: `timeout 5 ls` has one. */
  readonly operands?: number;
  /** Those words are numbers: one that is none may be the program. */
  readonly numbers?: boolean;
  /** `NAME=value` words before the program set variables for it. */
  readonly assignments?: boolean;
  /** It runs as somebody else. */
  readonly elevated?: boolean;
  /** What it does when no program is named. Nothing, if absent. */
  readonly alone?: CommandUnknown;
  /** What is true of it however it is used. */
  readonly always?: CommandUnknown;
  /** The words are joined and read by a shell, instead of being run as they are. */
  readonly joined?: boolean;
  /** Options that mean that nothing is run: `command -v`. */
  readonly quiet?: readonly string[];
  /** Options whose value is a shell's text: `su -c`. */
  readonly texts?: readonly string[];
  /** Options that need more than this table says, and what they may do. */
  readonly risky?: Readonly<Record<string, CommandUnknown>>;
}

export function launcher(table: Launcher): Program {
  return (words, run) => launch(table, words, run);
}

function launch(table: Launcher, words: readonly Argument[], run: Run): void {
  if (table.elevated === true) run.elevated();
  if (table.always !== undefined) run.unknown(table.always);
  const options = readOptions(words, table);
  if (!options.sure) run.unknown('dynamic-program');
  let hasText = false;
  for (const { name, value } of options.given) {
    if (table.quiet?.includes(name) === true && options.sure) return;
    const risk = table.risky?.[name];
    if (risk !== undefined) run.unknown(risk);
    if (table.texts?.includes(name) === true && value !== undefined) {
      hasText = true;
      run.text([value]);
    }
  }
  const at = afterOperands(table, words, options.operandsAt, run);
  if (at < words.length) {
    const rest = words.slice(at);
    if (table.joined === true) run.text(rest);
    else run.program(rest);
  } else if (!hasText && table.alone !== undefined) run.unknown(table.alone);
}

function afterOperands(table: Launcher, words: readonly Argument[], from: number, run: Run): number {
  let at = from;
  for (let left = table.operands ?? 0; left > 0 && at < words.length; left -= 1) {
    const word = words[at];
    if (word?.kind !== 'plain') run.unknown('dynamic-program');
    else if (table.numbers === true && !/^\d+$/.test(word.text)) {
      run.unknown('dynamic-program');
      run.program(words.slice(at));
    }
    at += 1;
  }
  if (table.assignments === true) {
    while (setsVariable(words[at], run)) at += 1;
  }
  return at;
}

/** Whether the word is `NAME=value`; then the variable is told. */
export function setsVariable(word: Argument | undefined, run: Run): boolean {
  const equals = word?.start.indexOf('=') ?? -1;
  if (word === undefined || equals < 0) return false;
  if (word.start.slice(0, equals).includes('/')) return false;
  run.variable(
    word.start.slice(0, equals),
    true,
    word.kind === 'plain' ? word.text.slice(equals + 1) : undefined,
  );
  // Without quotes what follows the sign may be more words, and the second of them the program.
  if (word.kind !== 'plain') run.unknown('dynamic-program');
  return true;
}
