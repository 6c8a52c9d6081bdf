import * as fc from 'fast-check';
import { hits, misses } from './corpus.js';

/** The seed of this run: `FUZZ_SEED`, or a new one. fast-check prints it with every failure. */
export const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000);

function luhn(digits: string): string {
  for (let check = 0; check < 10; check++) {
    const sum = `${digits}${check}`
      .split('')
      .reverse()
      .reduce((total, digit, place) => {
        const value = Number(digit) * (place % 2 === 0 ? 1 : 2);
        return total + (value > 9 ? value - 9 : value);
      }, 0);
    if (sum % 10 === 0) return `${digits}${check}`;
  }
  throw new Error('unreachable');
}

const digits = (min: number, max: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max }).map((list) => list.join(''));

export const card: fc.Arbitrary<string> = fc
  .tuple(fc.constantFrom('4', '51', '2221', '6011', '3528', '62'), digits(16, 16))
  .map(([prefix, rest]) => luhn((prefix + rest).slice(0, 15)));

export const groupedCard: fc.Arbitrary<string> = fc
  .tuple(card, fc.constantFrom('', ' ', '-'))
  .map(([plain, joint]) => plain.replaceAll(/(.{4})(?=.)/g, `$1${joint}`));

export const iban: fc.Arbitrary<string> = digits(18, 18).map((account) => {
  const check = 98n - (BigInt(`${account}131400`) % 97n);
  return `DE${String(check).padStart(2, '0')}${account}`;
});

export const email: fc.Arbitrary<string> = fc
  .tuple(
    fc.stringMatching(/^[a-z][a-z0-9._+-]{1,12}[a-z0-9]$/),
    fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9]$/),
    fc.constantFrom('com', 'co.uk', 'example.org', 'de'),
  )
  .map(([name, host, top]) => `${name}@${host}.${top}`);

export const phone: fc.Arbitrary<string> = digits(7, 7).map((rest) => `+49 170 ${rest}`);

const pieces = [
  ...Object.values(hits)
    .flat()
    .map(([text]) => text),
  ...misses,
];
const joints = [
  '',
  '',
  ' ',
  ' ',
  '-',
  '.',
  '/',
  '(',
  ')',
  '+',
  '@',
  ':',
  '=',
  '"',
  "'",
  ',',
  '\\',
  '\n',
  '_',
  '*',
  '#',
  '\\n',
  'a',
  '0',
  '1',
  '00',
  ' - ',
  ' / ',
];

/** Pieces of everything that looks like something, put together without sense. */
export const nonsense: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...joints) },
      { weight: 1, arbitrary: fc.constantFrom(...pieces) },
      { weight: 2, arbitrary: fc.oneof(card, groupedCard, iban, email, phone) },
      { weight: 2, arbitrary: digits(1, 5) },
      { weight: 1, arbitrary: fc.stringMatching(/^[a-zA-Z]{1,5}$/) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.constantFrom(...pieces), fc.nat(), fc.nat())
          .map(([text, a, b]) => text.slice(a % (text.length + 1), b % (text.length + 1))),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'tel: ',
          'phone="',
          'é',
          'я',
          '用',
          '，',
          '“',
          '€',
          'ghp_',
          'eyJ',
          'Bearer ',
          'sk-',
          'xn--',
          'git@',
          '4-6-5',
          '(0)',
        ),
      },
    ),
    { maxLength: 9 },
  )
  // A character that was cut in two is not text.
  .map((parts) => Buffer.from(parts.join('')).toString());

/** Digits and what joins them: where most of the rules are. */
export const numbers: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      digits(1, 4),
      digits(2, 4),
      fc.constantFrom(
        '0',
        '00',
        '+',
        '+49',
        '+1',
        '(',
        ')',
        ' ',
        ' ',
        '-',
        '.',
        '/',
        ' - ',
        ' / ',
        '/ ',
        '(0)',
        '030',
        '06',
        '0170',
        '212',
        '138',
        '4111',
        '1111',
        'a',
        ':',
        ',',
        '_',
        'tel:',
        'DE89',
      ),
    ),
    { maxLength: 14 },
  )
  .map((parts) => parts.join(''));

/** Names, marks, quotes and values of settings. */
export const assignments: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'password',
        'PASSWORD',
        'pwd',
        'my_secret',
        'api_key',
        'apiKey',
        'token',
        'authorization',
        'pass',
        'bypass',
        'public_key',
        'x.password',
        'IDENTIFIED BY',
        '--token',
        '--password',
        'scheme://',
        'postgres://app:',
        '@host',
        'Bearer',
        'basic',
      ),
      fc.constantFrom(
        ':',
        '=',
        '=>',
        ' = ',
        ': ',
        '==',
        ':=',
        '<',
        '>',
        '</',
        ' ',
        ' ',
        '  ',
        '\n',
        '/',
        '8080',
      ),
      fc.constantFrom(
        '"',
        "'",
        '`',
        '\\',
        '\\"',
        "\\'",
        '\x1f',
        '\x1c',
        "''",
        '$$',
        '$a$',
        'E',
        '[',
        ']',
        '(',
        ',',
        ';',
        '&',
        '}',
      ),
      fc.constantFrom(
        'hunter2',
        'null',
        '$1',
        '${X}',
        '%s',
        '?',
        ':x',
        'must',
        'contain',
        'abcdef0123456789',
        '***',
        '[masked]',
        'h:0123456789abcdef',
        '/home',
        '12',
        'crypt(',
        '-x',
      ),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
