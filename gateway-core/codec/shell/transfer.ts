import { parse } from 'unbash';
import { type Argument, argumentOf } from './arguments.js';
import { differs } from './dialects.js';
import { shellLimits } from './limits.js';

export type TransferKind =
  | 'scp-source'
  | 'scp-sink'
  | 'rsync-sender'
  | 'rsync-receiver'
  | 'git-upload'
  | 'git-receive'
  | 'sftp-server';

/** A program that a file transfer's client starts on the far side. */
export interface Transfer {
  readonly kind: TransferKind;
  /** As they are written: relative ones begin in the home directory, patterns are the target's to expand. */
  readonly paths: readonly string[];
}

/**
 * Whether the line is nothing but such a program. undefined for everything else, and wherever there is doubt: one command,
 * words without expansions, no variables, no redirections, options that the clients themselves send. From the sources of
 * OpenSSH (scp.c: -t, -f), rsync(1) (--server), git (upload-pack, receive-pack).
 */
export function isTransfer(line: string): Transfer | undefined {
  const words = simpleCommand(line);
  const name = words?.[0];
  if (words === undefined || name?.kind !== 'plain') return undefined;
  const rest = words.slice(1);
  switch (name.text) {
    case 'scp':
      return scp(rest);
    case 'rsync':
      return rsync(rest);
    case 'git':
      return rest[0]?.kind === 'plain' ? git(rest[0].text, rest.slice(1)) : undefined;
    case 'git-upload-pack':
    case 'git-receive-pack':
      return git(name.text.slice('git-'.length), rest);
    case 'sftp-server':
    case '/usr/lib/openssh/sftp-server':
    case '/usr/libexec/openssh/sftp-server':
    case '/usr/libexec/sftp-server':
    case '/usr/lib/ssh/sftp-server':
      // Options change what it lets through and where it logs; clients send none.
      return rest.length === 0 ? { kind: 'sftp-server', paths: [] } : undefined;
    default:
      return undefined;
  }
}

/** The words of a line that is one simple command; undefined: it is more, or less plain. */
function simpleCommand(line: string): readonly Argument[] | undefined {
  // A newline, a carriage return or a NUL is no part of what these clients send; neither is a shell's own language of quotes.
  if (line.length > shellLimits.lineBytesMax || /\p{Cc}|[$`]/u.test(line) || !line.isWellFormed())
    return undefined;
  try {
    const script = parse(line);
    const [statement, more] = script.commands;
    if ((script.errors?.length ?? 0) > 0 || more !== undefined || statement?.background === true)
      return undefined;
    // A comment is in no tree: what stands behind the last word must be blank.
    const command = statement?.command;
    if (command?.type !== 'Command' || command.name === undefined || command.prefix.length > 0)
      return undefined;
    if (line.slice(0, command.pos).trim() !== '' || line.slice(command.end).trim() !== '') return undefined;
    const words = [argumentOf(command.name)];
    for (const each of command.suffix) {
      // To fish it may be two commands.
      if (each.type !== 'Word' || differs(each.text, each.parts)) return undefined;
      words.push(argumentOf(each));
    }
    return words.some((word) => word.kind === 'dynamic') ? undefined : words;
  } catch {
    return undefined;
  }
}

/** `scp [-v] [-r] [-p] [-d] -t|-f [--] path...` in any order, bundled or not. */
function scp(words: readonly Argument[]): Transfer | undefined {
  const { letters, operands } = bundles(words);
  if (letters === undefined || /[^vrpdtf]/.test(letters) || operands.length === 0) return undefined;
  const [sink, source] = [letters.includes('t'), letters.includes('f')];
  if (sink === source || (sink && operands.length > 1) || operands.some(mayBeOption)) return undefined;
  return { kind: sink ? 'scp-sink' : 'scp-source', paths: operands.map((word) => word.text) };
}

/** A pattern at the word's beginning may find a file whose name is an option. */
function mayBeOption(word: Argument): boolean {
  return word.start.startsWith('-') || (word.kind !== 'plain' && word.start === '');
}

/** Options as letters, until the first operand. undefined: something that is no plain bundle stands among them. */
function bundles(words: readonly Argument[]): { letters: string | undefined; operands: readonly Argument[] } {
  let letters = '';
  for (const [index, word] of words.entries()) {
    if (word.text === '--') return { letters, operands: words.slice(index + 1) };
    if (!word.text.startsWith('-')) return { letters, operands: words.slice(index) };
    if (word.kind !== 'plain' || !/^-[A-Za-z]+$/.test(word.text)) return { letters: undefined, operands: [] };
    letters += word.text.slice(1);
  }
  return { letters, operands: [] };
}

/**
 * `rsync --server [--sender] -letters[.letters] [--long[=value]]... . path...`. The letters are rsync's own and their
 * tail (`e.LsfxCIvu`) says what its client can do; long ones that run programs or write elsewhere are not in the list.
 */
function rsync(words: readonly Argument[]): Transfer | undefined {
  if (words[0]?.text !== '--server' || words[0].kind !== 'plain') return undefined;
  const dot = words.findIndex((word) => word.text === '.');
  if (dot < 0) return undefined;
  const options = words.slice(1, dot).map((word) => (word.kind === 'plain' ? word.text : ''));
  const sender = options[0] === '--sender';
  for (const option of sender ? options.slice(1) : options) {
    if (!rsyncLetters.test(option) && !rsyncOptions.test(option)) return undefined;
  }
  const paths = words.slice(dot + 1);
  // Options may stand anywhere for rsync, so no path may look like one.
  if (paths.length === 0 || paths.some((word) => word.start.startsWith('-') || word.start === ''))
    return undefined;
  return { kind: sender ? 'rsync-sender' : 'rsync-receiver', paths: paths.map((word) => word.text) };
}

/** Not `s`: then the paths come on standard input. Not those with a value in the next word. */
const rsyncLetters = /^-[vqnlLkKWgopDtNUrcxHAXESRCIzydmbOJiuFw]*(e\d*\.[\d.a-zA-Z]*)?$/;
const rsyncOptions =
  /^--(delete(-(before|during|after|delay|excluded|missing-args))?|partial|inplace|append|append-verify|ignore-existing|existing|size-only|numeric-ids|no-[a-z-]+|safe-links|copy-unsafe-links|munge-links|force|fuzzy|timeout=\d+|bwlimit=[\d.]+[kKmM]?|block-size=\d+|max-size=\d+|min-size=\d+|max-delete=-?\d+|modify-window=-?\d+|compress-level=\d+|compress-choice=[a-z0-9]+|new-compress|old-compress|checksum-choice=[a-z0-9,]+|log-format=[%a-zA-Z]*|stats|info=[\w,]+|debug=[\w,]+|ignore-errors|omit-dir-times|omit-link-times|specials|devices|fake-super|mkpath|relative|recursive|links|list-only|dirs|iconv=[\w.,-]+|protocol=\d+)$/;

/** `git-upload-pack [--strict] [--timeout=N] 'path'`; the path comes last and alone. */
function git(verb: string, words: readonly Argument[]): Transfer | undefined {
  if (verb !== 'upload-pack' && verb !== 'receive-pack') return undefined;
  const path = words.at(-1);
  if (path === undefined || mayBeOption(path) || path.text === '') return undefined;
  const options = words.slice(0, -1);
  if (
    !options.every((word) => word.kind === 'plain' && /^--(strict|no-strict|timeout=\d+)$/.test(word.text))
  ) {
    return undefined;
  }
  return { kind: verb === 'upload-pack' ? 'git-upload' : 'git-receive', paths: [path.text] };
}
