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
  /** Written without any quote, backslash or expansion, so that no shell reads it in another way. */
  readonly bare: boolean;
}

export function plainArgument(text: string): Argument {
  return { kind: 'plain', text, start: text, bare: false };
}

/** A word that the target makes: input of xargs, names that find puts in. */
export const unknownArgument: Argument = { kind: 'dynamic', text: '', start: '', bare: false };

export function argumentOf(word: CommandArgument): Argument {
  if (word.type === 'Assignment') return assignmentArgument(word.text, word.value);
  const text = word.value;
  // A tilde that is quoted in part does not expand, but what is written is what is looked at: shells differ.
  const tilde = word.text.startsWith('~');
  const { parts } = word;
  if (parts === undefined) {
    const bare = word.text === text;
    return tilde ? { kind: 'pattern', text, start: '~', bare } : { kind: 'plain', text, start: text, bare };
  }
  const made = startOf(parts);
  if (made.kind === 'plain' && tilde) return { kind: 'pattern', text, start: '~', bare: false };
  return { kind: made.kind, text, start: made.start, bare: false };
}

function assignmentArgument(text: string, value: Word | { readonly type: 'ArrayValue' }): Argument {
  const equals = text.indexOf('=') + 1;
  const start = text.slice(0, equals);
  if (value.type !== 'Word') return { kind: 'dynamic', text, start, bare: false };
  const inner = argumentOf(value);
  return { kind: inner.kind, text: start + inner.text, start: start + inner.start, bare: false };
}

function startOf(parts: readonly WordPart[]): Pick<Argument, 'kind' | 'start'> {
  let kind: Argument['kind'] = 'plain';
  let start = '';
  for (const part of parts) {
    const made = partOf(part);
    if (kind === 'plain') start += made.start;
    if (made.kind !== 'plain' && kind !== 'dynamic') kind = made.kind;
  }
  return { kind, start };
}

function partOf(part: WordPart): Pick<Argument, 'kind' | 'start'> {
  switch (part.type) {
    case 'Literal':
    case 'SingleQuoted':
    case 'AnsiCQuoted':
      return { kind: 'plain', start: part.value };
    case 'DoubleQuoted':
    case 'LocaleString':
      return startOf(part.parts);
    case 'Glob':
    case 'ExtendedGlob':
    case 'BraceExpansion':
      return { kind: 'pattern', start: '' };
    case 'SimpleExpansion':
    case 'ParameterExpansion':
    case 'CommandExpansion':
    case 'ArithmeticExpansion':
    case 'ProcessSubstitution':
      return { kind: 'dynamic', start: '' };
  }
}
