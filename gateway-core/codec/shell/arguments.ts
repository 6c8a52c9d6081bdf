import type { CommandArgument, Word, WordPart } from 'unbash';

/**
 * One word of a command, decoded (quotes and backslashes gone).
 * plain: `text` is exactly what the program gets. pattern: a glob, a tilde or a brace expansion decides; the target's files
 * or accounts may make any number of words of it. dynamic: an expansion or a substitution decides at run time.
 */
export interface Argument {
  readonly kind: 'plain' | 'pattern' | 'dynamic';
  /** For patterns and dynamic words as it is written. */
  readonly text: string;
  /** What it begins with for certain. The whole text of a plain word. */
  readonly start: string;
  /** It may become several words, or none: then nothing is certain of any but the first. Only where it is not plain. */
  readonly splits: boolean;
  /** Written without any quote, backslash or expansion, so that no shell reads it in another way. */
  readonly bare: boolean;
}

export function plainArgument(text: string): Argument {
  return { kind: 'plain', text, start: text, splits: false, bare: false };
}

/** A word that the target makes: input of xargs, names that find puts in. */
export const unknownArgument: Argument = { kind: 'dynamic', text: '', start: '', splits: true, bare: false };

/** Whether the word may turn out to be an option, or to bring one. */
export function mayBeOption(word: Argument): boolean {
  return word.kind !== 'plain' && (word.splits || word.start === '' || word.start.startsWith('-'));
}

export function argumentOf(word: CommandArgument): Argument {
  if (word.type === 'Assignment') return assignmentArgument(word.text, word.value);
  const text = word.value;
  // A tilde that is quoted in part does not expand, but what is written is what is looked at: shells differ.
  const tilde = word.text.startsWith('~');
  const { parts } = word;
  if (parts === undefined) {
    const bare = word.text === text;
    const kind = tilde ? 'pattern' : 'plain';
    return { kind, text, start: tilde ? '~' : text, splits: false, bare };
  }
  const made = startOf(parts);
  if (made.kind === 'plain' && tilde)
    return { kind: 'pattern', text, start: '~', splits: false, bare: false };
  return { ...made, text, bare: false };
}

function assignmentArgument(text: string, value: Word | { readonly type: 'ArrayValue' }): Argument {
  const equals = text.indexOf('=') + 1;
  const start = text.slice(0, equals);
  if (value.type !== 'Word') return { kind: 'dynamic', text, start, splits: false, bare: false };
  const inner = argumentOf(value);
  return { ...inner, text: start + inner.text, start: start + inner.start, bare: false };
}

type Made = Pick<Argument, 'kind' | 'start' | 'splits'>;

function startOf(parts: readonly WordPart[], quoted = false): Made {
  let kind: Argument['kind'] = 'plain';
  let start = '';
  let splits = false;
  for (const part of parts) {
    const made = partOf(part, quoted);
    if (kind === 'plain') start += made.start;
    if (made.kind !== 'plain' && kind !== 'dynamic') kind = made.kind;
    splits ||= made.splits;
  }
  return { kind, start, splits };
}

function partOf(part: WordPart, quoted: boolean): Made {
  switch (part.type) {
    case 'Literal':
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      return { kind: 'plain', start: part.value, splits: false };
    case 'DoubleQuoted':
    case 'LocaleString':
      return startOf(part.parts, true);
    case 'Glob':
    case 'ExtendedGlob':
    case 'BraceExpansion':
      // More words, but each of them with what stands before.
      return { kind: 'pattern', start: '', splits: false };
    case 'SimpleExpansion':
    case 'ParameterExpansion':
      // "$@" and "${a[@]}" are many words inside of quotes, too.
      return { kind: 'dynamic', start: '', splits: !quoted || part.text.includes('@') };
    case 'CommandExpansion':
    case 'ArithmeticExpansion':
      return { kind: 'dynamic', start: '', splits: !quoted };
    case 'ProcessSubstitution':
      return { kind: 'dynamic', start: '', splits: false };
  }
}
