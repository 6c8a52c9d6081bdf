import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Looks for a value in everything that a gateway keeps or prints, in every disguise that costs nothing to undo. All
 * secrets of the test share `token`, so that one pass finds any of them; what follows the token names its source.
 */
export const token = 'qxzvkwjhp';
/** How the numbers of the test begin, as they are written: with and without groups. Past what a partial mask shows. */
export const digits = {
  card: ['49293847', '4929 3847', '4929-3847'],
  iban: ['70050088264', '7005 0088 264'],
  phone: ['170884', '170 884'],
  salary: ['739204'],
} as const;

export interface Leak {
  readonly where: string;
  readonly form: string;
  readonly around: string;
}

interface Form {
  readonly name: string;
  readonly bytes: Buffer;
}

const forms: readonly Form[] = [token, capital(token), token.toUpperCase()]
  .flatMap(textForms)
  .concat(
    Object.entries(digits).flatMap(([name, values]) =>
      values.map((text) => ({ name: `${name} ${text}`, bytes: Buffer.from(text) })),
    ),
  );

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Every form of a text that the search knows. Exported so that the search can be tested. */
export function textForms(text: string): Form[] {
  const plain = Buffer.from(text);
  const reversed = Buffer.from(plain).reverse();
  const wide = Buffer.from(text, 'utf16le');
  return [
    { name: 'as it is', bytes: plain },
    { name: 'reversed', bytes: reversed },
    { name: 'UTF-16LE', bytes: wide },
    { name: 'UTF-16BE', bytes: Buffer.from(wide).swap16() },
    { name: 'hex', bytes: Buffer.from(plain.toString('hex')) },
    { name: 'HEX', bytes: Buffer.from(plain.toString('hex').toUpperCase()) },
    ...[plain, reversed].flatMap((bytes) => [0, 1, 2].map((at) => base64Form(bytes, at))),
  ];
}

/** The characters of base64 that depend on nothing but `bytes`, when they begin `at` bytes into a group of three. */
function base64Form(bytes: Buffer, at: number): Form {
  const encoded = Buffer.concat([Buffer.alloc(at), bytes]).toString('base64url');
  const first = at === 0 ? 0 : 4;
  const wholeGroups = Math.floor((at + bytes.length) / 3) * 4;
  return { name: `base64 at ${at}`, bytes: Buffer.from(encoded.slice(first, wholeGroups)) };
}

export function leaksIn(where: string, content: Buffer | string): Leak[] {
  const bytes = Buffer.from(content);
  return forms.flatMap(({ name, bytes: wanted }) => {
    const at = bytes.indexOf(wanted);
    if (at === -1) return [];
    const around = bytes.toString('latin1', Math.max(0, at - 40), at + 60).replaceAll(/[^ -~]/g, '.');
    return [{ where, form: name, around }];
  });
}

export function filesBelow(directory: string): string[] {
  for (;;) {
    try {
      return readdirSync(directory, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
    } catch (error) {
      // A folder of a gateway that runs was removed while it was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || !existsSync(directory)) throw error;
    }
  }
}

export function leaksInFiles(directory: string): Leak[] {
  return filesBelow(directory).flatMap((path) => leaksIn(path.slice(directory.length + 1), contentOf(path)));
}

/** A gateway that runs renames its temporary files; what they held is looked at under its other name, or later. */
export function contentOf(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** The last digit of a payment card (Luhn), so that detectors take it for one. */
export function cardOf(fifteen: string): string {
  const sum = fifteen
    .split('')
    .reverse()
    .reduce((total, digit, at) => {
      const value = Number(digit) * (at % 2 === 0 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
  return fifteen + String((10 - (sum % 10)) % 10);
}

/** Check digits of a German IBAN (ISO 13616). */
export function ibanOf(bban: string): string {
  return `DE${String(98n - (BigInt(`${bban}131400`) % 97n)).padStart(2, '0')}${bban}`;
}
