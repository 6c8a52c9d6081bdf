/** A piece of a text as a shell would cut it: sh(1), quoting. */
export interface ShellWord {
  /** White space before it. */
  readonly before: string;
  /** As it stands there, and without its quotes and escapes. */
  readonly raw: string;
  readonly plain: string;
}

/**
 * Cuts at white space outside of quotes. Everything is a word of something: a quote that is never closed reaches to
 * the end, and text that was never meant for a shell (SQL, JSON) is cut all the same.
 */
export function* shellWords(text: string): Generator<ShellWord> {
  let at = 0;
  while (at < text.length) {
    const start = skip(text, at, /\s/);
    const { end, plain } = word(text, start);
    yield { before: text.slice(at, start), raw: text.slice(start, end), plain };
    at = end;
  }
}

function skip(text: string, from: number, pattern: RegExp): number {
  let at = from;
  while (at < text.length && pattern.test(text.charAt(at))) at++;
  return at;
}

function word(text: string, start: number): { end: number; plain: string } {
  let plain = '';
  let quote = '';
  let at = start;
  for (; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '\\' && quote !== "'") {
      plain += text.charAt(++at);
    } else if (quote !== '') {
      if (character === quote.at(-1)) quote = '';
      else plain += character;
    } else if (character === '"' || character === "'") {
      // $'...' knows escapes, '...' does not.
      const dollar = plain.endsWith('$') && text.charAt(at - 1) === '$';
      quote = dollar ? `$${character}` : character;
      if (dollar) plain = plain.slice(0, -1);
    } else if (/\s/.test(character)) {
      break;
    } else {
      plain += character;
    }
  }
  return { end: Math.min(at, text.length), plain };
}
