import { type Argument, mayBeOption, plainArgument } from '../arguments.js';
import { shellLimits } from '../limits.js';
import { readOptions } from '../options.js';
import type { Program, Run } from '../run.js';

/** A sed script, and a file's names, are judged only where they are plainly harmless; else it is an interpreter. */
export const sed: Program = (words, run) => {
  const options = readOptions(words, {
    flags: 'nErsuz',
    valued: 'eflI',
    optional: 'i',
    longFlags: [
      'quiet',
      'silent',
      'debug',
      'null-data',
      'posix',
      'regexp-extended',
      'separate',
      'sandbox',
      'unbuffered',
      'zero-terminated',
      'follow-symlinks',
      'help',
      'version',
    ],
    longValued: ['expression', 'file', 'line-length', 'in-place'],
  });
  const scripts = options.given
    .filter(({ name }) => name === 'e' || name === 'expression')
    .map(({ value }) => value);
  const files = options.given.some(({ name }) => name === 'f' || name === 'file');
  const operands = words.slice(options.operandsAt);
  if (scripts.length === 0 && !files) scripts.push(operands.shift());
  // GNU's getopt takes options from anywhere.
  const late = operands.some((word) => word.start.startsWith('-') || mayBeOption(word));
  if (!options.sure || files || late || !scripts.every(harmlessSed)) run.unknown('interpreter');
  if (!options.given.some(({ name }) => name === 'i' || name === 'I' || name === 'in-place')) return;
  for (const word of operands) run.write(word);
};

/** Addresses by number, `$` or a pattern, then one of the commands that neither write nor run, separated by `;`. */
const sedCommand =
  /^\s*(?:(?:\d+|\$|\/(?:[^/\\\n[]|\\.)*\/)(?:,(?:\d+|\$|\/(?:[^/\\\n[]|\\.)*\/))?)?\s*!?\s*(?:[pdqDhHgGnNxlP=]|s([/|,#:@])(?:(?!\1)[^\\\n[]|\\[^\n])*\1(?:(?!\1)[^\\\n[]|\\[^\n])*\1[gpiI0-9]{0,4}|y\/(?:[^/\\\n])*\/(?:[^/\\\n])*\/)\s*$/;

function harmlessSed(word: Argument | undefined): boolean {
  if (word?.kind !== 'plain' || word.text.length > shellLimits.sedCharactersMax) return false;
  return word.text.split(/[;\n]/).every((command) => command.trim() === '' || sedCommand.test(command));
}

/** An awk program is judged by what is not in it: no calls, pipes, files or inclusion. */
export const awk: Program = (words, run) => {
  const options = readOptions(words, { valued: 'Fv', longValued: ['field-separator', 'assign'] });
  const program = words[options.operandsAt];
  const harmless =
    options.sure &&
    program?.kind === 'plain' &&
    !/system|getline|[@>\\]|\|(?!\|)|(?<=\|\|)\|/.test(program.text.replaceAll('||', ' or ')) &&
    options.given.every(({ value }) => value === undefined || value.kind === 'plain');
  if (!harmless) run.unknown('interpreter');
};

/** git runs hooks, and what a repository's configuration names: `remote`, always. Its own options may do more than that. */
export const git: Program = (words, run) => {
  run.unknown('remote');
  const options = readOptions(words, {
    flags: 'P',
    valued: 'C',
    longFlags: ['no-pager', 'bare', 'literal-pathspecs', 'version'],
  });
  const verb = words[options.operandsAt];
  const rest = words.slice(options.operandsAt + 1);
  if (!options.sure || (verb !== undefined && !gitVerbs.has(verb.kind === 'plain' ? verb.text : ''))) {
    run.unknown('interpreter');
  }
  if (rest.some((word) => gitRisk.test(word.start) || mayBeOption(word))) run.unknown('interpreter');
  for (const word of rest) if (/^(-o|--outpu)/.test(word.start)) run.write(word);
};
const gitVerbs: ReadonlySet<string> = new Set(
  'add blame branch cat-file checkout cherry-pick clone commit describe diff fetch grep init log ls-files ls-remote ls-tree merge mv pull push reflog remote reset restore rev-list rev-parse revert rm shortlog show stash status switch tag upload-pack receive-pack upload-archive'.split(
    ' ',
  ),
);
/** Options, and their unique beginnings, that name a program; and addresses that are one. */
const gitRisk =
  /^(-[a-zA-Z]*[cuxO]|--(conf|exec|upl|rec|open|ext|tex|too|ed|stra|templ|gpg|sig|rec))|^ext::|::/;

/** `tee FILE...` */
export const tee: Program = (words, run) => {
  for (const word of words) if (!word.start.startsWith('-')) run.write(word);
};

/** `dd of=FILE` */
export const dd: Program = (words, run) => {
  for (const word of words) {
    if (word.start.startsWith('of=')) {
      const text = word.text.slice(3);
      run.write({ ...word, text, start: word.start.slice(3) });
    } else if (word.kind !== 'plain' && 'of='.startsWith(word.start)) run.write(word);
  }
};

/** Programs whose options run others: words that may be such an option make an interpreter of it. */
export interface RiskTable {
  /** Letters, wherever in a bundle. */
  readonly letters?: string;
  /** Long names; GNU takes any unique beginning, so any word that begins one is meant. */
  readonly names?: readonly string[];
  /** Old tar: the first word is letters without a dash. */
  readonly bundle?: boolean;
  /** Letters whose value is a file that is written. */
  readonly writes?: string;
  readonly words?: RegExp;
}

export function risky(table: RiskTable): Program {
  return (words, run) => {
    for (const [index, word] of words.entries()) {
      // -- ends options for most, but not all of them: what stands behind it is looked at like the rest.
      if (mayBeOption(word)) run.unknown('interpreter');
      if (isRisk(table, word, index)) run.unknown('interpreter');
      writes(table, words, index, run);
    }
  };
}

function isRisk(table: RiskTable, word: Argument, index: number): boolean {
  const { start } = word;
  if (table.words?.test(start) === true) return true;
  if (start.startsWith('--')) {
    const name = start.slice(2).split('=', 1)[0] ?? '';
    return name !== '' && (table.names ?? []).some((each) => each.startsWith(name));
  }
  const bundle = start.startsWith('-') || (table.bundle === true && index === 0);
  return bundle && (table.letters ?? '').split('').some((letter) => start.includes(letter));
}

function writes(table: RiskTable, words: readonly Argument[], index: number, run: Run): void {
  const word = words[index];
  if (word?.kind !== 'plain' || !/^-[A-Za-z]/.test(word.text) || table.writes === undefined) return;
  for (const letter of table.writes) {
    const at = word.text.indexOf(letter);
    if (at < 0) continue;
    const value = word.text.slice(at + 1);
    const next = words[index + 1];
    if (value !== '') run.write(plainArgument(value));
    else if (next !== undefined) run.write(next);
  }
}
