import { ascii, byteAt, escapedQuote, has, isWordAt, name } from './bytes.js';

/** What a name tells of its value. `weak` names (`pass`) count with `=` only; `key` values have 8 bytes at least. */
export type Family = 'none' | 'password' | 'weak' | 'key' | 'authorization';

const suffixes: readonly (readonly [Uint8Array, Family])[] = [
  [ascii('password'), 'password'],
  [ascii('passwd'), 'password'],
  [ascii('pwd'), 'password'],
  [ascii('passphrase'), 'password'],
  [ascii('passwort'), 'password'],
  [ascii('kennwort'), 'password'],
  [ascii('secret'), 'key'],
  [ascii('token'), 'key'],
  [ascii('authorization'), 'authorization'],
];
const keyWord = ascii('key');
/** `public_key`, `primary_key` and plain `key` are names of other things. */
const keyQualifiers = [
  'api',
  'access',
  'secret',
  'private',
  'signing',
  'encryption',
  'account',
  'sharedaccess',
  'master',
  'auth',
  'service',
].map(ascii);
const passWord = ascii('pass');

const words = [...suffixes.map(([word]) => word), keyWord, passWord];
/** The last two letters of every name above, lower case: turns most separators away. */
export const lastPairs: ReadonlySet<number> = new Set(words.map((word) => pair(word, word.length)));

/** What can stand directly before the `:`, `=` or `>` of an assignment: the end of a name, or of what is around it. */
export const beforeAssignment: ReadonlySet<number> = new Set([
  ...words.flatMap((word) => [word[word.length - 1] as number, (word[word.length - 1] as number) & 0xdf]),
  ...ascii(' "\'`]:='),
  escapedQuote,
]);

export function pair(bytes: Uint8Array, to: number): number {
  return (((bytes[to - 2] as number) | 0x20) << 8) | ((bytes[to - 1] as number) | 0x20);
}

/** What the name that ends at `to` says; it begins at `from` or later. */
export function familyOf(bytes: Uint8Array, from: number, to: number): Family {
  if (to - from < 3 || !lastPairs.has(pair(bytes, to))) return 'none';
  for (const [word, family] of suffixes) {
    if (isWordAt(bytes, to - word.length, from, to, word)) return family;
  }
  if (isWordAt(bytes, to - 4, from, to, passWord)) {
    const before = byteAt(bytes, to - 5, from, to);
    return before === 0 || before === 0x5f || before === 0x2d || before === 0x2e ? 'weak' : 'none';
  }
  if (!isWordAt(bytes, to - 3, from, to, keyWord)) return 'none';
  const joint = byteAt(bytes, to - 4, from, to);
  const qualifierEnd = joint === 0x5f || joint === 0x2d || joint === 0x2e ? to - 4 : to - 3;
  for (const word of keyQualifiers) {
    if (isWordAt(bytes, qualifierEnd - word.length, from, to, word)) return 'key';
  }
  return 'none';
}

/** Where the name that ends at `to` begins. Names longer than this are not looked at. */
export const nameBytesMax = 64;
export function nameStart(bytes: Uint8Array, to: number, start: number): number {
  let at = to;
  const least = Math.max(start, to - nameBytesMax);
  while (at > least && has(bytes[at - 1] as number, name)) at--;
  return at;
}
