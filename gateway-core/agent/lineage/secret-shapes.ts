/** What gives a secret away: the name that it stands under, or its own shape. */

/** What stands where a secret was. */
export const mask = '***';

const secretParts = new Set(
  'pass pw auth authorization authenticate bearer cookie cookies jwt sig signature otp totp passcode psk sas'.split(
    ' ',
  ),
);
const secretEnding =
  /(?:password|passwd|passwort|passphrase|authorization|pwd|secret|token|apikey|credential)s?$/;
const secretKeys = new Set(
  'api access private secret auth encryption signing account shared master'.split(' '),
);
/** What a name ends with that is about a secret and is none. */
const harmlessEnding = new Set(
  (
    'file path dir url uri stdin type name plugin method mode command cmd policy length env host port server ttl ' +
    'expiry timeout prompt format provider audience scope version count limit store helper algorithm'
  ).split(' '),
);

/** Whether the value under this name (a flag, a variable, a header, a field) is a secret. */
export function isSecretName(name: string): boolean {
  const parts = name
    .replace(/([a-z\d])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((part) => part !== '');
  const first = parts[0] ?? '';
  if (first === 'no' || harmlessEnding.has(parts.at(-1) ?? '')) return false;
  // --max-tokens and its like count them.
  if (/^(?:max|min|num|n)$/.test(first) && parts.at(-1) === 'tokens') return false;
  return parts.some(
    (part, at) =>
      secretParts.has(part) ||
      secretEnding.test(part) ||
      (part === 'key' && secretKeys.has(parts[at - 1] ?? '')),
  );
}

/** Tokens that say what they are. */
const knownShapes = new RegExp(
  [
    '(?:AKIA|ASIA)[0-9A-Z]{12,}',
    'gh[pousr]_[A-Za-z0-9]{16,}',
    'github_pat_\\w{16,}',
    'glpat-[\\w-]{16,}',
    // OpenAI, Anthropic, Stripe and whoever follows them.
    '\\b[sr]k[-_][\\w-]{16,}',
    'xox[a-z]-[\\w-]{8,}',
    'xapp-[\\w-]{8,}',
    'eyJ[\\w-]{8,}(?:\\.[\\w-]*){0,4}',
    'AIza[\\w-]{30,}',
    'ya29\\.[\\w-]{16,}',
    'npm_[A-Za-z0-9]{16,}',
    'hv[sbr]\\.[\\w-]{16,}',
    'dop_v1_[0-9a-f]{16,}',
    'SG\\.[\\w-]{16,}\\.[\\w-]{16,}',
    'AGE-SECRET-KEY-[0-9A-Z]+',
  ].join('|'),
  'g',
);

/** A block as ssh, openssl and others write keys; to its end, or to the end of what there is. */
const pem = /-----BEGIN [\s\S]*?(?:-----END [A-Z0-9 ]{0,64}-----|$)/g;

export function maskPem(text: string): string {
  return text.replace(pem, mask);
}

const longRun = /[A-Za-z0-9+/_-]{32,}={0,2}/g;

/** Replaces what looks like a key, by its beginning or because nobody would choose it. */
export function maskShapes(word: string): string {
  return word
    .replace(longRun, (run) => (beginsInside(run) && looksRandom(run, 32) ? mask : run))
    .replace(knownShapes, mask)
    .replace(longRun, (run) => (looksRandom(run, 32) ? mask : run))
    .replace(/[A-Za-z0-9+_-]{20,}={0,2}/g, (run) => (looksRandom(run, 24) ? mask : run));
}

/**
 * Whether another key's beginning stands within this: one in ten thousand keys has `eyJ` in it by chance. What is left
 * of such a key without that would be too short to be known as one. Behind a slash it begins a name of a path.
 */
function beginsInside(run: string): boolean {
  const at = run.search(knownShapes);
  return at > 0 && run.charAt(at - 1) !== '/';
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const ownPublicId = /^(?:dlg|ses|sgn)_[0-9A-HJKMNP-TV-Z]{26}$/;

function looksRandom(run: string, lengthMin: number): boolean {
  if (uuid.test(run) || ownPublicId.test(run) || /^\d+$/.test(run)) return false;
  if (/^[0-9a-f]{20,}$/i.test(run)) return /\d/.test(run) && /[a-f]/i.test(run);
  if (run.length < lengthMin || run.split(/[-_+=/]+/).every(isWordy)) return false;
  // People's names for things are made of words, so a change of case or to digits is rare in them.
  const pieces = run.match(/[A-Z]?[a-z]+|[A-Z]+|\d+/g) ?? [];
  const characters = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const isPath = run.startsWith('/');
  return characters / pieces.length < (isPath ? 2.6 : 3.2) || (run.length >= 32 && entropy(run) >= 4.4);
}

/** A word, an abbreviation, a number, or a short one with a number: `linux`, `GNU`, `x86`, `v20`. */
function isWordy(part: string): boolean {
  return part.length <= 20 && /^(?:[A-Za-z]?[a-z]*|[A-Z]+|\d+|[A-Za-z]{1,8}\d{1,4})$/.test(part);
}

/** Bits a character, were each drawn as often as it occurs. */
function entropy(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / text.length) * Math.log2(count / text.length);
  return bits;
}
