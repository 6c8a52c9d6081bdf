import { lineageLimits } from './limits.js';
import { redactWords } from './redact-words.js';

/** So that a terminal, a log or a table shows them and does nothing else; also what turns the direction of text. */
export function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** The last word where there were more than are kept, and the end of one that is not shown whole. */
const more = '…';

/**
 * The words of a command line fit to be shown and kept: secrets are replaced, control characters escaped, and the
 * whole bounded. `cut`: there were more words than these.
 */
export function redactArguments(words: readonly string[], cut = false): string[] {
  const result: string[] = [];
  let bytesLeft: number = lineageLimits.argumentsBytesMax - Buffer.byteLength(more);
  for (const redacted of redactWords(words, lineageLimits.argumentsBytesMax)) {
    const word = escapeControls(redacted);
    const bytes = Buffer.byteLength(word);
    if (bytes > bytesLeft || result.length === lineageLimits.argumentsMax - 1) {
      const isLast = bytes <= bytesLeft && words.length === result.length + 1 && !cut;
      result.push(isLast ? word : `${bytes > bytesLeft ? cutTo(word, bytesLeft) : ''}${more}`);
      return result;
    }
    result.push(word);
    bytesLeft -= bytes;
  }
  return cut ? [...result, more] : result;
}

/** At most so many bytes, and whole characters. */
function cutTo(text: string, bytesMax: number): string {
  return Buffer.from(text)
    .subarray(0, bytesMax)
    .toString()
    .replace(/\ufffd+$/, '');
}
