import type { WordPart } from 'unbash';

/**
 * Characters that some shell takes for a blank, or that end a line for it: fish takes all of Unicode's, zsh and ksh those
 * of the locale. And a character of several bytes before a sign of the grammar: in Big5 and its kin they may be one.
 */
const elsewhereBlank =
  /(?![\t\n])\p{Cc}|(?! )[\p{Z}\u180e\u200b\u2060\ufeff]|\P{ASCII}(?:\\\n)*[\\`|{}~[\]]/u;

/** Whether other shells than bash may cut the text into other words. At its end a backslash is nothing to most of them. */
export function cutsDiffer(text: string): boolean {
  return elsewhereBlank.test(text) || text.endsWith('\\');
}

/** Backslashes that fish reads in quotes of one kind, and letters behind them that it reads without (`\x72m` is rm). */
const fishQuotes = /\\\\|\\$/;
const fishEscape = /\\[A-Za-z0-9]/;
/** zsh: `$=x`, `$~x` and their kin expand. */
const zshExpansion = /\$[~=^+]/;

/** Whether one word, or the text of a here-document, is another one for fish or zsh. `text`: as it is written. */
export function differs(text: string, parts: readonly WordPart[] | undefined): boolean {
  if (parts === undefined) return fishEscape.test(text) || zshExpansion.test(text);
  const unquoted = text !== '';
  return parts.some((part, index) => {
    if (part.type === 'Literal')
      return unquoted && (fishEscape.test(part.text) || zshExpansion.test(part.text));
    if (part.type === 'SingleQuoted') return fishQuotes.test(part.value);
    if (part.type === 'DoubleQuoted' || part.type === 'LocaleString') return differs('', part.parts);
    // An index to zsh, and so arithmetic.
    return part.type === 'SimpleExpansion' && textFrom(parts, index + 1).startsWith('[');
  });
}

/** What stands there, without the lines that are continued. */
function textFrom(parts: readonly WordPart[], from: number): string {
  for (let at = from; at < parts.length; at += 1) {
    const text = parts[at]?.text.replaceAll('\\\n', '') ?? '';
    if (text !== '') return text;
  }
  return '';
}
