import { type Argument, mayBeOption } from '../arguments.js';
import { readOptions } from '../options.js';
import type { Program, Run } from '../run.js';

/**
 * Builtins that take names of variables. bash evaluates the index of such a name, so `a[$(rm x)]` in quotes runs rm;
 * and the name may be one that steers what is run next.
 */
function named(exported: boolean): Program {
  return (words, run) => {
    for (const word of words) name(word, exported, run);
  };
}

function name(word: Argument, exported: boolean, run: Run): void {
  const equals = word.start.indexOf('=');
  const certain = word.splits
    ? undefined
    : equals >= 0
      ? word.start.slice(0, equals)
      : word.kind === 'plain'
        ? word.text
        : undefined;
  if (certain === undefined) {
    run.unknown('dynamic-script');
    run.unknown('environment');
  } else if (certain.startsWith('-')) return;
  else {
    if (certain.includes('[')) run.unknown('dynamic-script');
    const value = equals >= 0 && word.kind === 'plain' ? word.text.slice(equals + 1) : undefined;
    // `export LANG` gives on what was looked at where it was set.
    const given = exported && equals < 0 ? '' : value;
    run.variable(certain.replace(/\+$/, ''), exported, given);
  }
}

/**
 * declare, typeset, local: -x exports, -i evaluates what is assigned, -n names another variable; others make numbers of it
 * in ksh and zsh, as `integer` and `float` do. Theirs too, `readonly` and `export` take such options.
 */
function declares(exported: boolean): Program {
  return (words, run, called) => {
    const letters = words.filter((word) => /^[-+]/.test(word.start)).map((word) => word.text);
    if (called === 'integer' || called === 'float' || letters.some((text) => /[in]/.test(text)))
      run.unknown('dynamic-script');
    if (letters.some((text) => /[^-+AafgIilnprtux]/.test(text))) run.unknown('dialect');
    const gives = exported || letters.some((text) => text.includes('x'));
    for (const word of words) name(word, gives, run);
  };
}

/** `let`: arithmetic, which evaluates what variables hold. */
const arithmetic: Program = (words, run) => {
  if (words.some((word) => word.kind !== 'plain' || /[A-Za-z_$`]/.test(word.text)))
    run.unknown('dynamic-script');
};

/**
 * `test` and `[`. What -v and -R name has an index that bash evaluates, and words that are made at run time may be such
 * an operator. Numbers are arithmetic to ksh and mksh.
 */
const test: Program = (all, run) => {
  const words = all.at(-1)?.text === ']' ? all.slice(0, -1) : all;
  for (const [index, word] of words.entries()) {
    const next = words[index + 1];
    if (word.kind !== 'plain') {
      const operand = next === undefined || (next.kind === 'plain' && betweenOperands.test(next.text));
      if (!isNumber(word) && (word.splits || globs(word) || !operand)) run.unknown('dynamic-script');
    } else if (word.text === '-v' || word.text === '-R') {
      if (next !== undefined && (next.kind !== 'plain' || next.text.includes('[')))
        run.unknown('dynamic-script');
    } else if (numberTests.test(word.text)) {
      for (const each of [words[index - 1], next])
        if (each !== undefined && !isNumber(each)) run.unknown('dialect');
    }
  }
};
const betweenOperands = /^(=|==|!=|<|>|-(eq|ne|lt|le|gt|ge|nt|ot|ef|a|o)|\))$/;
/** `-t` takes the number of a descriptor. */
const numberTests = /^-(eq|ne|lt|le|gt|ge|t)$/;

/** Whatever files there are may become operators. A tilde becomes one word. */
function globs(word: Argument): boolean {
  return word.kind === 'pattern' && !/^~[\w./-]*$/.test(word.text);
}

/** A number as it is written, or one that the shell itself gives: `$?`, `$#`, `$$`, `$!`. */
function isNumber(word: Argument): boolean {
  return word.kind === 'plain' ? /^[-+]?\d+(\.\d+)?$/.test(word.text) : /^\$[?#$!]$/.test(word.text);
}

/** Builtins whose operands are arithmetic to ksh, mksh or zsh: `exit 'a[$(rm x)]'`. Options stay as they are. */
const counts: Program = (words, run) => {
  for (const word of words)
    if (!isNumber(word) && !(word.kind === 'plain' && /^(-[A-Za-z]*|unlimited|hard|soft|)$/.test(word.text)))
      run.unknown('dialect');
};

/** -v names a variable. Where the format asks for numbers, the rest is arithmetic to zsh and ksh. */
const printf: Program = (words, run) => {
  const first = words[0];
  if (first === undefined) return;
  if (mayBeOption(first)) run.unknown('dynamic-script');
  let format = first.text === '--' ? 1 : 0;
  if (first.text === '-v' && words[1] !== undefined) {
    name(words[1], false, run);
    format = 2;
  } else if (first.text.startsWith('-v')) run.unknown('dynamic-script');
  const asked = words[format];
  const texts = asked?.kind === 'plain' && !/%/.test(asked.text.replaceAll(textFormat, ''));
  if (!texts && !words.slice(format + 1).every(isNumber)) run.unknown('dialect');
};
const textFormat = /%%|%(\d{1,9}\$)?[-+ #0]*\d{0,9}(\.\d{0,9})?[sbqc]/g;

const read: Program = (words, run) => {
  const options = readOptions(words, { flags: 'ersE', valued: 'adinNptu' });
  if (!options.sure) run.unknown('dynamic-script');
  for (const { name: option, value } of options.given) {
    if (option === 'a' && value !== undefined) name(value, false, run);
    if ('nNtu'.includes(option) && value !== undefined && !isNumber(value)) run.unknown('dialect');
  }
  for (const word of words.slice(options.operandsAt)) name(word, false, run);
};

const mapfile: Program = (words, run) => {
  const options = readOptions(words, { flags: 't', valued: 'cCdnOsu' });
  if (!options.sure || options.given.some(({ name: option }) => option === 'C'))
    run.unknown('dynamic-script');
  for (const word of words.slice(options.operandsAt)) name(word, false, run);
};

/** -a exports every variable, -k takes assignments from anywhere, -A (ksh, zsh) sets the one that is named. */
const set: Program = (words, run) => {
  for (const [index, word] of words.entries()) {
    if (word.text === '--') return;
    if (word.kind !== 'plain') {
      if (word.start === '' || /^[-+]/.test(word.start)) run.unknown('environment');
      return;
    }
    if (!/^[-+]/.test(word.text)) return;
    if (/^[-+][A-Za-z]*[akAP]/.test(word.text)) run.unknown('environment');
    if (!word.text.includes('o')) continue;
    const option = words[index + 1];
    if (option === undefined) return;
    if (!plainOptions.has(option.text)) run.unknown('environment');
    return;
  }
};
const plainOptions: ReadonlySet<string> = new Set([
  'errexit',
  'nounset',
  'pipefail',
  'xtrace',
  'verbose',
  'noclobber',
  'noglob',
]);

/** `hash -p PATH NAME`, and zsh's `hash NAME=PATH`, make a name mean another program. */
const hash: Program = (words, run) => {
  if (words.some((word) => word.kind !== 'plain' || /^-[a-z]*p|=/.test(word.text)))
    run.unknown('environment');
};

/** `enable -f FILE` loads code. */
const enable: Program = (words, run) => {
  if (words.some((word) => word.kind !== 'plain' || /^-[a-z]*f/.test(word.text))) run.unknown('interpreter');
};

const says =
  (why: 'dynamic-script' | 'dialect'): Program =>
  (_words, run) =>
    run.unknown(why);

export const builtins: readonly (readonly [names: string, Program])[] = [
  ['export', declares(true)],
  ['declare typeset local readonly integer float', declares(false)],
  ['unset getopts wait', named(false)],
  ['exit return break continue shift logout ulimit', counts],
  ['let', arithmetic],
  ['test [', test],
  ['printf', printf],
  ['read', read],
  ['mapfile readarray', mapfile],
  ['set', set],
  ['hash', hash],
  ['enable', enable],
  ['complete compgen compopt bind fc history r vared print', says('dynamic-script')],
  [
    'shopt setopt unsetopt zmodload autoload emulate functions zle sched zcompile always foreach nameref',
    says('dialect'),
  ],
];
