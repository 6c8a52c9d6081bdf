/**
 * How well `wanted` fits `text`: all of its letters must occur in order; letters in a row, and those that begin a word,
 * count more. undefined: it does not fit. Words may stand in any order.
 */
export function score(wanted: string, text: string): number | undefined {
  const lower = text.toLowerCase();
  let points = 0;
  for (const word of wanted.toLowerCase().split(/\s+/)) {
    if (word === '') continue;
    const each = wordScore(word, lower);
    if (each === undefined) return undefined;
    points += each;
  }
  return points - text.length / 1000;
}

function wordScore(word: string, text: string): number | undefined {
  const whole = text.indexOf(word);
  if (whole >= 0) return 100 + word.length * 4 + (isStart(text, whole) ? 50 : 0);
  let points = 0;
  let at = -1;
  for (const letter of word) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return undefined;
    points += next === at + 1 ? 4 : 1;
    if (isStart(text, next)) points += 6;
    at = next;
  }
  return points;
}

function isStart(text: string, index: number): boolean {
  return index === 0 || /[^\p{L}\p{N}]/u.test(text.charAt(index - 1));
}
