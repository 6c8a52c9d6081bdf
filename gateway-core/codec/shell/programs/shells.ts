import { mayBeOption, plainArgument, unknownArgument } from '../arguments.js';
import { readOptions } from '../options.js';
import type { Program, Run } from '../run.js';

const optionWord = /^[-+]./;

/**
 * `sh -c TEXT`, `sh FILE`, `sh -s`, `sh` (POSIX sh, bash, ksh, zsh). Standard input as a script is never known here: even
 * where a here-document gives it, what the script runs may read from it and so decide where the shell goes on.
 */
export const shell: Program = (words, run) => {
  let hasText = false;
  let fromInput = false;
  let at = 0;
  for (let word = words[at]; word !== undefined; word = words[at]) {
    if (word.kind !== 'plain' && (word.splits || !/^[^-+]/.test(word.start))) {
      run.unknown('dynamic-script');
      return;
    }
    at += 1;
    if (word.text === '--' || word.text === '-') break;
    if (word.kind !== 'plain' || !optionWord.test(word.text)) {
      at -= 1;
      break;
    }
    if (word.text.startsWith('--')) {
      at += shellLongOption(word.text, run);
      continue;
    }
    if (word.text.includes('c')) hasText = true;
    if (word.text.includes('s')) fromInput = true;
    // An interactive or a login shell reads files of the account first.
    if (/[il]/.test(word.text)) run.unknown('remote');
    // Options by name: what they are called may change how the text is read.
    const named = word.text.match(/[oOA]/g)?.length ?? 0;
    for (let left = named; left > 0; left -= 1) {
      if (!plainOptions.has(words[at]?.text ?? '')) run.unknown('dialect');
      at += 1;
    }
  }
  const operand = words[at];
  if (hasText) run.text(operand === undefined ? [unknownArgument] : [operand]);
  else if (fromInput || operand === undefined) run.unknown('dynamic-script');
  else run.unknown('remote');
};

const plainOptions: ReadonlySet<string> = new Set([
  'errexit',
  'errtrace',
  'noclobber',
  'noglob',
  'nounset',
  'pipefail',
  'verbose',
  'xtrace',
]);

/** How many words the option takes besides its own. */
function shellLongOption(text: string, run: Run): number {
  if (text === '--posix' || text === '--noprofile' || text === '--norc' || text === '--restricted') return 0;
  run.unknown('remote');
  return text === '--rcfile' || text === '--init-file' ? 1 : 0;
}

/** `eval WORD...`: the words are joined and read by this very shell. */
export const evaluate: Program = (words, run) => {
  const from = words[0]?.text === '--' ? 1 : 0;
  if (words.length > from) run.text(words.slice(from), true);
};

/** `trap TEXT SIGNAL...`, `trap - SIGNAL`, `trap -p`. */
export const trap: Program = (words, run) => {
  const rest = words[0]?.text === '--' ? words.slice(1) : words;
  const text = rest[0];
  if (text === undefined || text.text === '-' || text.text === '-p' || text.text === '-l') return;
  if (rest.length > 1 || text.kind !== 'plain') run.text([text], true);
};

/** An alias may hold a part of a grammar (`alias x='echo $('`), so what follows it is not what it looks like. */
export const alias: Program = (words, run) => {
  for (const word of words) {
    const equals = word.start.indexOf('=');
    if (equals < 0 && word.kind === 'plain') continue;
    run.unknown('dynamic-script');
    if (word.kind !== 'plain') continue;
    const text = word.text.slice(equals + 1);
    run.text([plainArgument(text)]);
  }
};

/** su (shadow, util-linux): options may stand behind the user, and the user's shell gets what is left. */
export const su: Program = (words, run) => {
  run.elevated();
  const table = {
    flags: 'lmpPfhV',
    valued: 'cCgGsw',
    longFlags: ['login', 'preserve-environment', 'pty', 'fast', 'help', 'version'],
    longValued: ['command', 'session-command', 'group', 'supp-group', 'shell', 'whitelist-environment'],
  };
  let hasText = false;
  let rest = words;
  let operands = 0;
  while (rest.length > 0) {
    const options = readOptions(rest, table);
    if (!options.sure) run.unknown('dynamic-script');
    for (const { name, value } of options.given) {
      if (name === 's' || name === 'shell') run.unknown('remote');
      if (!['c', 'C', 'command', 'session-command'].includes(name)) continue;
      hasText = true;
      run.text([value ?? unknownArgument]);
    }
    const operand = rest[options.operandsAt];
    if (operand !== undefined && operand.text !== '-') operands += 1;
    rest = rest.slice(options.operandsAt + 1);
  }
  // The second operand and those behind it are the shell's own arguments.
  if (!hasText || operands > 1) run.unknown('dynamic-script');
};

/** util-linux: `runuser -u USER program...` runs it as it is; in every other way it is su. */
export const runuser: Program = (words, run) => {
  const options = readOptions(words, {
    flags: 'lmpPfhV',
    valued: 'ucgGsw',
    longFlags: ['login', 'preserve-environment', 'pty', 'fast', 'help', 'version'],
    longValued: [
      'user',
      'command',
      'session-command',
      'group',
      'supp-group',
      'shell',
      'whitelist-environment',
    ],
  });
  const named = options.given.some(({ name }) => name === 'u' || name === 'user');
  if (!named) return su(words, run, 'su');
  run.elevated();
  if (!options.sure) run.unknown('dynamic-program');
  const rest = words.slice(options.operandsAt);
  if (rest.length === 0) run.unknown('dynamic-script');
  else run.program(rest);
};

/** `script [-c TEXT] [FILE]`: a shell, and all of its terminal in a file. */
export const script: Program = (words, run) => {
  const options = readOptions(words, {
    flags: 'aefqhV',
    valued: 'cBEIOoTm',
    optional: 't',
    longFlags: ['append', 'return', 'flush', 'force', 'quiet'],
    longValued: [
      'command',
      'log-io',
      'echo',
      'log-in',
      'log-out',
      'logging-format',
      'log-timing',
      'output-limit',
    ],
  });
  const texts = options.given.filter(({ name }) => name === 'c' || name === 'command');
  if (!options.sure || texts.length === 0) run.unknown('dynamic-script');
  for (const { value } of texts) run.text([value ?? unknownArgument]);
  for (const word of words.slice(options.operandsAt)) {
    // Its options may also stand behind the file.
    if (word.start.startsWith('-') || mayBeOption(word)) run.unknown('dynamic-script');
    run.write(word);
  }
};

/** `flock [options] FILE|DIRECTORY command...`, `flock FILE -c TEXT`, `flock NUMBER`. */
export const flock: Program = (words, run) => {
  const options = readOptions(words, {
    flags: 'esxuonFvhV',
    valued: 'Ew',
    longFlags: ['exclusive', 'shared', 'unlock', 'nonblock', 'nb', 'close', 'no-fork', 'verbose'],
    longValued: ['conflict-exit-code', 'timeout', 'wait'],
  });
  if (!options.sure) run.unknown('dynamic-program');
  const rest = words.slice(options.operandsAt + 1);
  const first = rest[0];
  if (first === undefined) return;
  if (first.text === '-c' || first.text === '--command') run.text(rest.slice(1, 2));
  else run.program(rest);
};
