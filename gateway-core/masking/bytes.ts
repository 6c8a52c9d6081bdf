/**
 * Byte classes and boundary tests that all detectors share. A range is `[start, end)` of `bytes`; whatever lies
 * outside it belongs to a neighbouring value and is read as 0, which is a boundary to every detector.
 */
export const digit = 1;
export const upper = 2;
export const lower = 4;
export const letter = upper | lower;
export const alnum = digit | letter;
/** Part of an e-mail local part, besides non-ASCII letters. */
export const local = 8;
/** `[A-Za-z0-9_-]`: host labels, base64url. */
export const token = 16;
/** space, tab, line feed, carriage return */
export const space = 32;
/** `[A-Za-z0-9_.-]`: names of settings. */
export const name = 64;
/** Ends a setting's unquoted value. */
export const terminator = 128;

/** An escaped `"` of a decoded view: quotes text inside a string without ending the string. See view.ts. */
export const escapedQuote = 0x1f;
/** A decoded `\\` of a view: a plain character there, an escape one level further in. */
export const escapedBackslash = 0x1c;

function makeFlags(): Uint8Array {
  const table = new Uint8Array(256);
  const set = (characters: string, bits: number): void => {
    for (const character of characters) {
      const code = character.charCodeAt(0);
      table[code] = (table[code] ?? 0) | bits;
    }
  };
  const range = (from: string, to: string, bits: number): void => {
    for (let code = from.charCodeAt(0); code <= to.charCodeAt(0); code++) {
      set(String.fromCharCode(code), bits);
    }
  };
  range('0', '9', digit | local | token | name);
  range('A', 'Z', upper | local | token | name);
  range('a', 'z', lower | local | token | name);
  set('!#$%&*+-.^_~', local);
  set('_-', token);
  set('_.-', name);
  set(' \t\n\r', space | terminator);
  set('\v\f\0"\'`,;&)}]<>|', terminator);
  set(String.fromCharCode(escapedQuote), terminator);
  return table;
}

/** Bits of `digit` ... `terminator` for each byte. */
export const flags: Uint8Array = makeFlags();

/** The byte at `index`, 0 outside the range. */
export function byteAt(bytes: Uint8Array, index: number, start: number, end: number): number {
  return index >= start && index < end ? (bytes[index] as number) : 0;
}

export function has(byte: number, bits: number): boolean {
  return ((flags[byte] as number) & bits) !== 0;
}

export function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function isBackslash(byte: number): boolean {
  return byte === 0x5c || byte === escapedBackslash;
}

/** Whether `index` holds the letter of an escape such as `\n`: it looks like a letter and is a boundary. */
export function isEscapeLetter(bytes: Uint8Array, index: number, start: number): boolean {
  if (index <= start || !isBackslash(bytes[index - 1] as number)) return false;
  const byte = bytes[index];
  // b f n r t
  return byte === 0x6e || byte === 0x74 || byte === 0x72 || byte === 0x62 || byte === 0x66;
}

/** Whether the byte before `index` is an ASCII letter or digit, so that `index` stands inside a word. */
export function insideWord(bytes: Uint8Array, index: number, start: number): boolean {
  if (index <= start) return false;
  return has(bytes[index - 1] as number, alnum) && !isEscapeLetter(bytes, index - 1, start);
}

/** The first index from `index` on whose byte has none of `bits`, or `end`. */
export function skipWhile(bytes: Uint8Array, index: number, end: number, bits: number): number {
  let at = index;
  while (at < end && ((flags[bytes[at] as number] as number) & bits) !== 0) at++;
  return at;
}

/** Whether lower-case ASCII `word` stands at `index`, in any case. */
export function isWordAt(
  bytes: Uint8Array,
  index: number,
  start: number,
  end: number,
  word: Uint8Array,
): boolean {
  if (index < start || index + word.length > end) return false;
  for (let at = 0; at < word.length; at++) {
    const byte = bytes[index + at] as number;
    const expected = word[at] as number;
    if (byte !== expected && !(has(byte, upper) && byte + 0x20 === expected)) return false;
  }
  return true;
}

export function ascii(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
