/**
 * What a character stands for when somebody wants it to be read but not to be found: full-width and other
 * compatibility forms, digits of other scripts, special spaces and dashes become ASCII, invisible ones vanish.
 */
export const kept = -1;
export const dropped = -2;

/** Per character of the basic plane: 0 not yet asked, 1 dropped, 2 kept, else the ASCII character. Filled on use. */
const known = new Uint8Array(0x1_0000);

/** `[first, last]` of characters that show nothing: soft hyphen, joiners, direction marks, fillers, variation selectors. */
const invisible: readonly (readonly [first: number, last: number])[] = [
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x202a, 0x202e],
  [0x2060, 0x206f],
  [0x20e3, 0x20e3],
  [0x3164, 0x3164],
  [0xfe00, 0xfe0f],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
];
const spaces = /^[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$/;
const dashes = /^[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]$/;
const decimalDigit = /^\p{Nd}$/u;

/** The ASCII code that `code` (a code point from 0x80) stands for, `kept` or `dropped`. */
export function fold(code: number): number {
  if (code >= 0x1_0000) return foldAstral(code);
  const before = known[code] as number;
  const state = before === 0 ? foldBasic(code) : before;
  known[code] = state;
  return state === 1 ? dropped : state === 2 ? kept : state;
}

function foldBasic(code: number): number {
  const text = String.fromCharCode(code);
  if (invisible.some(([first, last]) => code >= first && code <= last)) return 1;
  if (spaces.test(text)) return 0x20;
  if (dashes.test(text)) return 0x2d;
  if (decimalDigit.test(text)) return 0x30 + digitValue(code);
  return compatible(text);
}

/** Unicode keeps the ten digits of a script together and in order. */
function digitValue(code: number): number {
  let value = 0;
  while (value < 9 && decimalDigit.test(String.fromCodePoint(code - value - 1))) value++;
  return value;
}

function compatible(text: string): number {
  const form = text.normalize('NFKC');
  const code = form.charCodeAt(0);
  return form.length === 1 && code > 0x20 && code < 0x7f ? code : 2;
}

function foldAstral(code: number): number {
  // tags and variation selectors
  if ((code >= 0xe_0000 && code <= 0xe_007f) || (code >= 0xe_0100 && code <= 0xe_01ef)) return dropped;
  // mathematical letters and digits, digits of old displays
  if ((code >= 0x1_d400 && code <= 0x1_d7ff) || (code >= 0x1_fbf0 && code <= 0x1_fbf9)) {
    const state = compatible(String.fromCodePoint(code));
    return state === 2 ? kept : state;
  }
  return kept;
}
