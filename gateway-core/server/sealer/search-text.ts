import { sealerLimits } from './limits.js';

/**
 * What counts as a word, for documents and queries alike: runs of letters and digits, without case and accents.
 * Text goes into FTS5 with its `ascii` tokenizer, which splits at every ASCII character that is no letter or digit
 * and takes everything else as it is, so the folding of other scripts happens here, once, for both sides.
 */
export function foldText(text: string): string {
  if (!beyondAscii.test(text)) return text;
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ');
}

const beyondAscii = /[\u0080-\uffff]/;

export function tokensOf(text: string): string[] {
  return foldText(text)
    .toLowerCase()
    .split(/[^a-z0-9\u0080-\u{10ffff}]+/u)
    .filter((token) => token !== '');
}

/** Each term is a run of tokens that must stand next to each other; all terms must be there. */
export interface SearchQuery {
  readonly terms: readonly (readonly string[])[];
}

/**
 * Words are ANDed, `"quotes"` make a phrase, and so does `a.b@c` without them. Nothing of the user's text reaches
 * FTS5 as syntax. Undefined when there is no word in it.
 */
export function parseQuery(query: string): SearchQuery | undefined {
  const terms: string[][] = [];
  let left: number = sealerLimits.queryTokensMax;
  for (const [, phrase, word] of query
    .slice(0, sealerLimits.queryLengthMax)
    .matchAll(/"([^"]*)"?|([^\s"]+)/g)) {
    const tokens = tokensOf(phrase ?? word ?? '').slice(0, left);
    left -= tokens.length;
    if (tokens.length > 0) terms.push(tokens);
  }
  return terms.length === 0 ? undefined : { terms };
}

/** The FTS5 query that finds every document in which the query could match. Tokens hold no quote. */
export function matchExpression({ terms }: SearchQuery): string {
  return [...new Set(terms.flat())].map((token) => `"${token}"`).join(' AND ');
}

/** Whether one text matches: all terms are in it. */
export function textMatches({ terms }: SearchQuery, text: string): boolean {
  const line = ` ${tokensOf(text).join(' ')} `;
  return terms.every((term) => line.includes(` ${term.join(' ')} `));
}
