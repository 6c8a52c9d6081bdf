import type { ResultColumn } from '../../contract/bridge/sql.js';

/** A value that is ready to be compared many times. `number` is NaN for what is none. */
export interface Key {
  readonly text: string;
  readonly number: number;
}

/** How values of one column stand to each other. */
export interface Comparer {
  readonly key: (text: string) => Key;
  readonly compare: (a: Key, b: Key) => number;
}

/** Numbers and times by value, all else as people sort words. Values of PostgreSQL's infinite types stand at the ends. */
export function comparerOf(column: ResultColumn | undefined): Comparer {
  if (column?.kind === 'number') return numbers;
  return column?.kind === 'time' ? times : words;
}

const collator = new Intl.Collator(undefined, { numeric: true });

const words: Comparer = {
  key: (text) => ({ text, number: Number.NaN }),
  compare: (a, b) => collator.compare(a.text, b.text),
};

const numbers: Comparer = {
  key: (text) => ({ text, number: Number(text) }),
  compare: (a, b) => byNumber(a, b) || byDigits(a.text, b.text),
};

const times: Comparer = {
  key: (text) => ({ text, number: microsecondsOf(text) }),
  compare: (a, b) => byNumber(a, b) || collator.compare(a.text, b.text),
};

function byNumber(a: Key, b: Key): number {
  if (a.number < b.number) return -1;
  if (a.number > b.number) return 1;
  // NaN stands above all other numbers, as PostgreSQL has it; so does what is none.
  return Number(Number.isNaN(a.number)) - Number(Number.isNaN(b.number));
}

const decimal = /^(-?)0*(\d*)(?:\.(\d*?)0*)?$/;

/** What doubles cannot tell apart goes by its digits. */
function byDigits(a: string, b: string): number {
  const [left, right] = [decimal.exec(a), decimal.exec(b)];
  if (left === null || right === null) return collator.compare(a, b);
  const [, sign = '', whole = '', part = ''] = left;
  const [, otherSign = '', otherWhole = '', otherPart = ''] = right;
  if (whole + part === '' && otherWhole + otherPart === '') return 0;
  if (sign !== otherSign) return sign === '-' ? -1 : 1;
  const order = whole.length - otherWhole.length || byUnits(whole, otherWhole) || byUnits(part, otherPart);
  return sign === '-' ? -order : order;
}

function byUnits(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** PostgreSQL's ISO style: date, time or both, fraction, offset, era. */
const moment =
  /^(?:(\d{4,})-(\d\d)-(\d\d))?(?:(?:^| )(\d\d):(\d\d):(\d\d)(\.\d{1,6})?)?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?$/;

/** Of dates, times of day and timestamps; exact up to the year 2255, and the text decides beyond. */
function microsecondsOf(text: string): number {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  if (text === '-infinity') return Number.NEGATIVE_INFINITY;
  const found = moment.exec(text);
  if (found === null || text === '') return Number.NaN;
  const at = (index: number): number => Number(found[index] ?? 0);
  const year = found[1] === undefined ? 1970 : at(1);
  const date = new Date(0);
  // Years below 100 are years: Date.UTC would take them for those of the last century.
  date.setUTCFullYear(found[12] === undefined ? year : 1 - year, (at(2) || 1) - 1, at(3) || 1);
  const offset = (at(9) * 60 + at(10)) * 60 + at(11);
  const seconds = (at(4) * 60 + at(5)) * 60 + at(6) - (found[8] === '-' ? -offset : offset);
  return (date.getTime() + seconds * 1000) * 1000 + Math.round(at(7) * 1e6);
}
