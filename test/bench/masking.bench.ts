import type { DetectMask } from '../../gateway-core/contract/masks.js';
import { createColumnMasker } from '../../gateway-core/masking/column-masker.js';

/**
 * Throughput of the masking kernel on rows of six text columns, one call per value, as the row path makes them.
 * Prints one JSON line per case; MB are 10^6 bytes of values, seconds are this process's own CPU time, because the
 * machine is shared. `floor` is the same walk with one table look-up a byte: what plain JavaScript can reach at all.
 */
const rules: readonly DetectMask[] = [{ detect: ['email', 'card', 'iban', 'phone', 'key'], with: 'partial' }];
const hashKey = new Uint8Array(32);
const rowsPerCorpus = 2000;
const secondsPerCase = Number(process.env['BENCH_SECONDS'] ?? '1.5');

const sentences = [
  'The quick brown fox jumps over the lazy dog and then returns home before the evening rain sets in',
  'Please leave the parcel with the neighbours if nobody answers the door, thank you very much',
  'Customer asked for a different colour; the warehouse confirmed that it is in stock and will ship it',
  'Rückfrage beim Kunden, Lieferung verzögert sich um drei Tage wegen Glatteis auf der Strecke',
];
const streets = ['Friedrichstrasse', 'Rue de Rivoli', 'Station Road', 'Main Street', 'Via Roma'];

function plainRow(row: number): string[] {
  return [
    `Anna${row % 97} Schmidt-Berger`,
    `${streets[row % streets.length]} ${(row % 180) + 1}, 10${String(row % 1000).padStart(3, '0')} Berlin`,
    `${sentences[row % sentences.length]}`,
    `ORD-2024-${String(row).padStart(8, '0')}`,
    `2024-0${(row % 9) + 1}-1${row % 10} 12:34:56.${String(row % 1000).padStart(3, '0')}+00`,
    `f47ac10b-58cc-4372-a567-${String(row).padStart(12, '0')}`,
  ];
}

function personalRow(row: number): string[] {
  const columns = plainRow(row);
  columns[0] = `anna.schmidt${row}@mail.example.com`;
  columns[2] = `${sentences[row % sentences.length]} Tel. +49 170 ${1_000_000 + (row % 8_999_999)}`;
  return columns;
}

function textRow(row: number): string[] {
  return Array.from({ length: 6 }, (_, column) => `${sentences[(row + column) % sentences.length]}`);
}

interface Corpus {
  readonly buffer: Buffer;
  readonly ends: Int32Array;
}

function corpus(make: (row: number) => string[]): Corpus {
  const values = Array.from({ length: rowsPerCorpus }, (_, row) => make(row))
    .flat()
    .map((text) => Buffer.from(text));
  const ends = new Int32Array(values.length);
  let end = 0;
  values.forEach((value, index) => {
    end += value.length;
    ends[index] = end;
  });
  return { buffer: Buffer.concat(values), ends };
}

/** Masks, or counts, one value; whether it changed. */
type Pass = (buffer: Buffer, start: number, end: number) => boolean;

function megabytesPerSecond({ buffer, ends }: Corpus, pass: Pass): { rate: number; changed: number } {
  const run = (): number => {
    let changed = 0;
    let start = 0;
    for (const end of ends) {
      if (pass(buffer, start, end)) changed++;
      start = end;
    }
    return changed;
  };
  for (let round = 0; round < 20; round++) run();
  const rates = Array.from({ length: 5 }, () => {
    const begin = process.cpuUsage();
    let bytes = 0;
    let elapsed = 0;
    do {
      run();
      bytes += buffer.length;
      elapsed = process.cpuUsage(begin).user / 1e6;
    } while (elapsed < secondsPerCase / 5);
    return bytes / elapsed / 1e6;
  });
  return { rate: Math.round(rates.sort((a, b) => a - b)[2] ?? 0), changed: run() };
}

const masker = createColumnMasker({
  plan: { mask: 'detect', rules },
  valueClass: 'text',
  format: 'text',
  hashKey,
});
const mask: Pass = (buffer, start, end) => masker.mask(buffer, start, end) !== undefined;

const letters = new Uint8Array(256).fill(1, 0x61, 0x7b);
const floor: Pass = (buffer, start, end) => {
  let count = 0;
  for (let at = start; at < end; at++) count += letters[buffer[at] as number] as number;
  return count < 0;
};

function measure(name: string, make: (row: number) => string[]): void {
  const values = corpus(make);
  const { rate, changed } = megabytesPerSecond(values, mask);
  const line = {
    bench: 'masking',
    case: name,
    megabytesPerSecond: rate,
    floorMegabytesPerSecond: megabytesPerSecond(values, floor).rate,
    valuesMasked: changed,
    values: values.ends.length,
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function contactRow(row: number): string[] {
  return [
    ['Anna', 'Jörg', 'Marie', 'Pavel'][row % 4] ?? '',
    ['Schmidt-Berger', 'Müller', 'Dupont', 'Novák'][row % 4] ?? '',
    `${streets[row % streets.length]} ${(row % 180) + 1}`,
    'Berlin',
    `${sentences[row % sentences.length]}`,
    ['shipped', 'in progress', 'returned by customer'][row % 3] ?? '',
  ];
}

measure('prose, nothing to mask', textRow);
measure('names, addresses and notes, nothing to mask', contactRow);
measure('also ids, times and UUIDs as text, nothing to mask', plainRow);
measure('the same, personal data in 1 % of rows', (row) =>
  row % 100 === 0 ? personalRow(row) : plainRow(row),
);
measure('the same, personal data in every row', personalRow);
