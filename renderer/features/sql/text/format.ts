import { lex, type Token } from './lexer.js';

export type Formatted =
  | { readonly kind: 'formatted'; readonly text: string }
  /** What came out would not mean the same, or the text cannot be read. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Longer text is not laid out: it would freeze the window. */
export const formatCharactersMax = 200_000;

/**
 * Lays out a text, and gives it back only if the database would read it the same: the same tokens in the same order.
 * Only spaces between them and inside of comments may differ.
 */
export async function formatSql(text: string): Promise<Formatted> {
  if (text.length > formatCharactersMax) {
    return { kind: 'refused', reason: `longer than ${formatCharactersMax / 1000},000 characters` };
  }
  const { formatDialect, postgresql } = await import('sql-formatter');
  try {
    const formatted = formatDialect(text, {
      dialect: postgresql,
      keywordCase: 'preserve',
      tabWidth: 2,
      linesBetweenQueries: 1,
      expressionWidth: 80,
    });
    if (sameTokens(text, formatted)) return { kind: 'formatted', text: formatted };
    return { kind: 'refused', reason: 'the formatter would change more than spaces' };
  } catch {
    return { kind: 'refused', reason: 'the formatter cannot read this text' };
  }
}

/** Whether PostgreSQL reads both texts as the same tokens. */
export function sameTokens(a: string, b: string): boolean {
  const [first, second] = [meaning(a), meaning(b)];
  return first.length === second.length && first.every((part, at) => part === second[at]);
}

function meaning(text: string): string[] {
  const parts: string[] = [];
  let lineBreak = false;
  let last: Token | undefined;
  for (const token of lex(text).tokens) {
    const written = text.slice(token.start, token.end);
    if (token.kind === 'space') lineBreak ||= /[\n\r]/.test(written);
    else if (token.kind === 'comment') {
      lineBreak ||= written.startsWith('--');
      parts.push(written.replaceAll(/\s+/g, ' ').trim());
    } else {
      // Two strings with a line between them are one string; on one line they are an error.
      const joined = token.kind === 'string' && last?.kind === 'string';
      parts.push(joined && lineBreak ? `\n${written}` : written);
      // Names that touch a bracket or another token read the same with a space, save for these.
      last = token;
      lineBreak = false;
    }
  }
  return parts;
}
