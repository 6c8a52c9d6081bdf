import { type Argument, mayBeOption, plainArgument, unknownArgument } from '../arguments.js';
import { readOptions } from '../options.js';
import type { Program, Run } from '../run.js';
import { setsVariable } from './launcher.js';

/** `env [options] [NAME=value]... [program]` (GNU coreutils, BSD). */
export const env: Program = (words, run) => {
  const options = readOptions(words, {
    flags: 'i0v',
    valued: 'uCPSL',
    longFlags: [
      'ignore-environment',
      'null',
      'debug',
      'list-signal-handling',
      'block-signal',
      'default-signal',
      'ignore-signal',
      'help',
      'version',
    ],
    longValued: ['unset', 'chdir', 'split-string', 'argv0'],
  });
  if (!options.sure) run.unknown('dynamic-program');
  const split: Argument[] = [];
  for (const { name, value } of options.given) {
    if (name === 'P') run.unknown('environment');
    if (name !== 'S' && name !== 'split-string') continue;
    // Its quotes, escapes and variables are a language of their own.
    if (value?.kind !== 'plain' || !/^[\w ./:,+@%=-]*$/.test(value.text)) run.unknown('dynamic-program');
    else for (const text of value.text.split(' ')) if (text !== '') split.push(plainArgument(text));
  }
  const rest = words.slice(options.operandsAt);
  // `env -S '-u X ls'`: the words of the string are options again.
  if (split.length > 0) return env([...split, ...rest], run, 'env');
  let at = rest[0]?.text === '-' ? 1 : 0;
  while (setsVariable(rest[at], run)) at += 1;
  if (at < rest.length) run.program(rest.slice(at));
};

/** `xargs [options] [program]`: words from standard input come behind, or with -I in the place of a name. */
export const xargs: Program = (words, run) => {
  const options = readOptions(words, {
    flags: '0oprtx',
    valued: 'adEILnPRsJS',
    optional: 'eil',
    longFlags: [
      'null',
      'open-tty',
      'interactive',
      'no-run-if-empty',
      'verbose',
      'exit',
      'show-limits',
      'eof',
      'replace',
    ],
    longValued: [
      'arg-file',
      'delimiter',
      'max-lines',
      'max-args',
      'max-procs',
      'max-chars',
      'process-slot-var',
    ],
  });
  if (!options.sure) run.unknown('dynamic-program');
  const names: string[] = [];
  for (const { name, value } of options.given) {
    if (name === 'process-slot-var') run.unknown('environment');
    if (name === 'I' || name === 'J' || name === 'i' || name === 'replace') names.push(value?.text || '{}');
  }
  const rest = words.slice(options.operandsAt);
  if (rest.length === 0) return;
  run.program([...rest.map((word) => replaced(word, names)), unknownArgument]);
};

function replaced(word: Argument, names: readonly string[]): Argument {
  if (word.kind === 'dynamic') return word;
  const at = names.map((name) => word.text.indexOf(name)).filter((index) => index >= 0);
  if (at.length === 0) return word;
  return { ...word, kind: 'dynamic', start: word.text.slice(0, Math.min(...at)), bare: false };
}

const findRuns = new Set(['-exec', '-execdir', '-ok', '-okdir']);
const findWrites = new Set(['-fprint', '-fprint0', '-fls', '-fprintf']);

/** `find ... -exec program ... ;`: every word may be an action, so words that are made at run time may be one. */
export const find: Program = (words, run) => {
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at];
    if (word === undefined) return;
    if (mayBeOption(word)) run.unknown('dynamic-program');
    if (word.kind !== 'plain') continue;
    if (findWrites.has(word.text)) run.write(words[at + 1] ?? unknownArgument);
    // Files of names that only the target knows are changed, with no program of their own.
    if (word.text === '-delete') run.write(unknownArgument);
    if (word.text === '-files0-from') run.unknown('remote');
    if (!findRuns.has(word.text)) continue;
    const end = endOfAction(words, at + 1);
    run.program(words.slice(at + 1, end).map((each) => replaced(each, ['{}'])));
    at = end;
  }
};

/** `;` ends it, and `+` right behind `{}` alone. */
function endOfAction(words: readonly Argument[], from: number): number {
  let end = from;
  while (end < words.length && words[end]?.text !== ';') {
    if (words[end]?.text === '+' && words[end - 1]?.text === '{}') break;
    end += 1;
  }
  return end;
}

/** `ssh [options] host [words...]`: the words are joined and read by a shell elsewhere, whose programs are named here, too. */
export const ssh: Program = (words, run) => {
  run.unknown('remote');
  let rest = words;
  let host = false;
  for (;;) {
    const options = readOptions(rest, {
      flags: '46AaCfGgKkMNnqsTtVvXxYy',
      valued: 'BbcDEeFIiJLlmOoPpQRSWw',
    });
    if (!options.sure) run.unknown('dynamic-program');
    for (const { name } of options.given) if ('oFISE'.includes(name)) run.unknown('interpreter');
    rest = rest.slice(options.operandsAt);
    // Options may stand behind the host once.
    if (host || rest.length === 0) break;
    if (rest[0]?.kind !== 'plain') run.unknown('dynamic-program');
    host = true;
    rest = rest.slice(1);
  }
  if (rest.length > 0) run.text(rest);
  else run.unknown('dynamic-script');
};

/** GNU parallel joins its words with what it reads into a shell's text; of its many options none is judged. */
export const parallel: Program = (words, run) => {
  run.unknown('dynamic-script');
  const at = words.findIndex((word) => !word.start.startsWith('-'));
  if (at >= 0) runFirst(words.slice(at), run);
};

function runFirst(words: readonly Argument[], run: Run): void {
  const end = words.findIndex((word) => word.text.startsWith(':::'));
  run.program([...(end < 0 ? words : words.slice(0, end)), unknownArgument]);
}

/** `busybox ls`: many programs in one. */
export const multiplexer: Program = (words, run) => {
  if (words.length === 0) return;
  if (words[0]?.text.startsWith('--') === true) run.unknown('remote');
  run.program(words);
};

/** The dynamic loader as a program: `ld.so [options] program`. */
export const loader: Program = (words, run) => {
  run.unknown('remote');
  const options = readOptions(words, {
    longFlags: ['list', 'verify', 'inhibit-cache', 'list-tunables', 'list-diagnostics', 'help', 'version'],
    longValued: [
      'library-path',
      'glibc-hwcaps-prepend',
      'glibc-hwcaps-mask',
      'inhibit-rpath',
      'audit',
      'preload',
      'argv0',
    ],
  });
  if (!options.sure) run.unknown('dynamic-program');
  if (options.operandsAt < words.length) run.program(words.slice(options.operandsAt));
};

/** Containers and clusters: what runs there is another machine's; the words behind `--` or the name are not judged. */
export const elsewhere: Program = (words, run) => {
  run.unknown('remote');
  const dashes = words.findIndex((word) => word.text === '--');
  if (dashes >= 0 && dashes + 1 < words.length) run.program(words.slice(dashes + 1));
};
