import { ascii, escapedQuote, has, insideWord, isWordAt, letter } from './bytes.js';
import { marks } from './phone-groups.js';

const { blank, open: paren, dot } = marks;

/** Bytes that a labelled number can have directly before it: see `isLabelled`. */
export const labelEnds = new Uint8Array(256);
for (const byte of ascii(' "\'(:=.>')) labelEnds[byte] = 1;
labelEnds[escapedQuote] = 1;

/** Names that count wherever a longer name ends in them. */
const longLabels = ['phone', 'phonenumber', 'phone_number', 'phone_no', 'telefon', 'telefonnummer'].map(
  ascii,
);
/** Names that count as a whole or behind `_`, `-` (`hotel:` is none). */
const shortLabels = [
  'tel',
  'fax',
  'cell',
  'mobile',
  'mobile_number',
  'mobil',
  'mobilnummer',
  'handy',
  'handynummer',
  'msisdn',
  'whatsapp',
].map(ascii);

/** Whether a phone label ends at `to`. */
function isLabelAt(bytes: Uint8Array, to: number, start: number): boolean {
  for (const label of longLabels) if (isWordAt(bytes, to - label.length, start, to, label)) return true;
  for (const label of shortLabels) {
    if (!isWordAt(bytes, to - label.length, start, to, label)) continue;
    if (!insideWord(bytes, to - label.length, start)) return true;
  }
  return false;
}

function isQuote(byte: number): boolean {
  return byte === 0x22 || byte === 0x27 || byte === escapedQuote;
}

function isMark(byte: number): boolean {
  // : = . >
  return byte === 0x3a || byte === 0x3d || byte === dot || byte === 0x3e;
}

/** `tel: 123`, `"phone": "123`, `fax='123`, `<phone>123`: label, quote?, up to 2 spaces, 1 or 2 marks, 3 spaces, quote?. */
export function isLabelled(bytes: Uint8Array, from: number, start: number): boolean {
  let at = from - 1;
  if (at >= start && (isQuote(bytes[at] as number) || bytes[at] === paren)) at--;
  if (at >= start && bytes[at] === 0x5c) at--;
  for (let spaces = 0; spaces < 3 && at >= start && bytes[at] === blank; spaces++) at--;
  if (at < start || !isMark(bytes[at] as number)) return false;
  at--;
  if (at >= start && isMark(bytes[at] as number)) at--;
  for (let spaces = 0; spaces < 2 && at >= start && bytes[at] === blank; spaces++) at--;
  if (at >= start && isQuote(bytes[at] as number)) at--;
  if (at >= start && bytes[at] === 0x5c) at--;
  if (at < start || !has(bytes[at] as number, letter)) return false;
  return isLabelAt(bytes, at + 1, start);
}
