import { at, everywhere, free, type OracleHit } from './oracle-expressions.js';
import { labelledSecrets, userinfos } from './oracle-secrets.js';

/**
 * The detectors once more, slow and plain: regular expressions over the value as a string of bytes (latin1). The
 * scanner is held against it. Nothing here is shared with the scanner but the names.
 */

const two = String.raw`[\xc3-\xdf][\x80-\xbf]`;
const three = String.raw`(?:[\xe0\xe1\xe4-\xed][\x80-\xbf]{2}|\xe3[\x81-\xbf][\x80-\xbf])`;

const label = `(?:[A-Za-z0-9]|${two}|${three})(?:[A-Za-z0-9_-]|${two}|${three})*`;
const files =
  /^(?:service|socket|timer|target|mount|automount|swap|slice|scope|device|png|jpe?g|gif|svg|webp|avif|ico|css|html?|json|ya?ml|toml|tgz)$/i;

function emails(text: string): OracleHit[] {
  return everywhere(text, '@').flatMap(({ start: sign }) => {
    const domain = at(text, sign + 1, `${label}(?:\\.${label})*`) ?? '';
    if (/^\d+\.\d/.test(text.slice(sign + 1, sign + 1 + domain.length + 2))) return [];
    const labels = domain.split('.');
    let end = -1;
    for (let index = labels.length - 1; index >= 1 && end === -1; index--) {
      const name = labels[index] ?? '';
      const top =
        at(name, 0, 'xn--.+', 'is') ?? at(name, 0, '[A-Za-z]{2,}') ?? at(name, 0, `(?:${two}|${three})+`);
      if (top === undefined || top === '') continue;
      if (index === 1 && files.test(top)) return [];
      end = sign + 1 + [...labels.slice(0, index), top].join('.').length;
    }
    if (end === -1) return [];
    const before = text.slice(0, sign);
    const signs = new RegExp(`(?:[A-Za-z0-9!#$%&*+.^_~-]|${two})*$`).exec(before)?.[0] ?? '';
    const run = signs.slice(signs.lastIndexOf('$$') === -1 ? 0 : signs.lastIndexOf('$$') + 2);
    let local = new RegExp(`(?:[A-Za-z0-9_]|${two}).*$`, 's').exec(run)?.[0] ?? '';
    if (local === '') {
      const wide = new RegExp(`${three}+$`).exec(before.slice(0, sign - run.length))?.[0] ?? '';
      if (wide === '') return [];
      local = wide + run;
    } else if (
      local.length > 1 &&
      ['\\', '\u001c'].includes(before.charAt(sign - local.length - 1)) &&
      /^[nrtbf]/.test(local)
    ) {
      local = new RegExp(`(?:[A-Za-z0-9_]|${two}).*$`, 's').exec(local.slice(1))?.[0] ?? local;
    }
    if (new RegExp(`^(?:[^]|${two}|${three})\\*\\*\\*$`).test(local)) return [];
    if (/^git$/i.test(local) && /[:/]/.test(text.charAt(end))) return [];
    return [{ start: sign - local.length, end, detector: 'email' as const }];
  });
}

const schemes: readonly (readonly [prefix: RegExp, lengths: readonly number[]])[] = [
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^(?:30[0-5]|3[689])/, [14, 16]],
  [/^(?:35(?:2[89]|[3-8]\d)|220[0-4]|62|65|6011|64[4-9])/, [16, 17, 18, 19]],
  [/^(?:5018|5020|5038|5893|6304|6759|676[123])/, [13, 14, 15, 16, 17, 18, 19]],
  [/^(?:60|81|82|508|9792|5019|506)/, [16]],
];

function checkSum(digits: string, weight: (place: number, digit: number) => number): number {
  return (
    digits
      .split('')
      .reverse()
      .reduce((sum, digit, place) => sum + weight(place, Number(digit)), 0) % 10
  );
}

function isCard(digits: string): boolean {
  const lengths = schemes.find(([prefix]) => prefix.test(digits))?.[1] ?? [];
  if (!lengths.includes(digits.length)) return false;
  const luhn = checkSum(digits, (place, digit) =>
    place % 2 === 0 ? digit : ([0, 2, 4, 6, 8, 1, 3, 5, 7, 9][digit] ?? 0),
  );
  const gtin = checkSum(digits, (place, digit) => (place % 2 === 0 ? digit : 3 * digit));
  return luhn === 0 && (digits.length > 14 || gtin !== 0);
}

function cards(text: string): OracleHit[] {
  const found: OracleHit[] = [];
  for (const match of text.matchAll(/\d+(?:[ -]\d+)*/g)) {
    const from = match.index;
    const to = from + match[0].length;
    const groups = [...match[0].matchAll(/\d+/g)].map(
      (group) => [from + group.index, from + group.index + group[0].length] as const,
    );
    groups.forEach(([start], first) => {
      groups.forEach(([, end], last) => {
        if (last < first || (first > 0 && last < groups.length - 1 && last !== first)) return;
        if (first > 0 && text[start - 1] !== ' ') return;
        if (end < to && text[end] !== ' ') return;
        if (first === 0 && at(text, start, `(?<!\\d\\.|\\+)${free}`) === undefined) return;
        if (end === to && /[A-Za-z]/.test(text.charAt(end))) return;
        const sizes = groups.slice(first, last + 1).map(([a, b]) => b - a);
        const even = sizes.every(
          (size, index) => size === sizes[0] || (index === sizes.length - 1 && size < (sizes[0] ?? 0)),
        );
        if (!even && !/^4,6,[45]$/.test(sizes.join())) return;
        if (isCard(text.slice(start, end).replaceAll(/\D/g, '')))
          found.push({ start, end, detector: 'card' });
      });
    });
  }
  return found;
}

const ibanLengths =
  'AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30';

function ibans(text: string): OracleHit[] {
  return everywhere(text, `${free}[A-Za-z]{2}(?=\\d\\d)`).flatMap(({ start }) => {
    const length = Number(
      new RegExp(`${text.slice(start, start + 2)}(\\d\\d)`, 'i').exec(ibanLengths)?.[1] ?? 0,
    );
    const match = at(
      text,
      start,
      `[A-Za-z]{2}\\d\\d(?:[ -]?[A-Za-z0-9]){${Math.max(0, length - 4)}}(?![A-Za-z0-9])`,
    );
    if (length === 0 || match === undefined) return [];
    const letters = match.replaceAll(/[ -]/g, '').toUpperCase();
    const number = (letters.slice(4) + letters.slice(0, 4)).replaceAll(/[A-Z]/g, (letter) =>
      String(letter.charCodeAt(0) - 55),
    );
    return BigInt(number) % 97n === 1n
      ? [{ start, end: start + match.length, detector: 'iban' as const }]
      : [];
  });
}

const code = String.raw`1|7|20|27|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]|(?:2[1-69]|35|37|38|42|50|59|6[789]|80|85|87|88|96|97|99)\d`;
const joint = String.raw`(?:\)[ \-./]?|[ \-.]?\(|-|\.|/ ?| - | / ?| )`;
const leftEdge = String.raw`(?<![_+#*/-])(?<!\d[.:])${free}`;
const rightEdge = String.raw`(?![A-Za-z0-9_])(?![./:-]\d)`;
const most: Readonly<Record<string, number>> = {
  1: 11,
  7: 11,
  31: 11,
  32: 11,
  33: 11,
  34: 11,
  41: 11,
  44: 12,
  45: 10,
  46: 12,
  47: 10,
  48: 11,
  61: 11,
  86: 13,
  91: 12,
  351: 12,
  353: 12,
};

interface Group {
  readonly joint: string;
  readonly digits: string;
  readonly end: number;
}

function groupsAt(text: string, start: number): Group[] {
  const found: Group[] = [];
  let end = start;
  for (let lead = ''; ; ) {
    const digits = at(text, end, String.raw`\d+`) ?? '';
    end += digits.length;
    found.push({ joint: lead, digits, end });
    const next = at(text, end, `${joint}(?=\\d)`);
    if (next === undefined) return found;
    lead = next;
    end += next.length;
  }
}

function longest(text: string, groups: readonly Group[], skip: number, strict: boolean): number {
  const first = groups[0]?.digits.slice(skip) ?? '';
  const country = at(first, 0, `(?:${code})`);
  if (country === undefined) return -1;
  const max = most[country] ?? 14;
  const min = country.length === 1 ? max : 8;
  let total = 0;
  let best = -1;
  groups.forEach((group, index) => {
    const isTrunk = group.joint.endsWith('(') && group.digits === '0' && text[group.end] === ')';
    if (index === 0) total = first.length;
    else if (!isTrunk) total += group.digits.length;
    const decimal = index === 1 && group.joint === '.' && group.digits.length < 9;
    if (total > max || total < min || decimal || (strict && index === 0)) return;
    if (!strict || at(text, group.end, rightEdge) !== undefined) best = group.end;
  });
  return best;
}

function isFourByFour(groups: readonly Group[]): boolean {
  return groups.length >= 4 && groups.slice(0, 4).every((group) => group.digits.length === 4);
}

function trunk(text: string, start: number, groups: readonly Group[]): number {
  const fixed =
    at(text, start, String.raw`0[1-9]([ .-])\d\d(?:\1\d\d){3}${rightEdge}`) ??
    at(text, start, String.raw`06[ -]\d{8}${rightEdge}`);
  if (fixed !== undefined) return start + fixed.length;
  const [area, second, ...rest] = groups;
  if (area === undefined || second === undefined || !/^0[1-9]\d{1,3}$/.test(area.digits)) return -1;
  if (!/^(?: |-| - | ?\/ ?)$/.test(second.joint) || second.digits.length < 3 || second.digits.length > 8)
    return -1;
  const slash = second.joint.includes('/');
  const min = slash ? 8 : second.joint === '-' ? 10 : 9;
  let total = area.digits.length;
  let best = -1;
  for (const group of [second, ...rest]) {
    if (group !== second && !(/^[ -]$/.test(group.joint) && /^\d{2,5}$/.test(group.digits))) break;
    total += group.digits.length;
    if (total > (slash ? 13 : 12)) break;
    if (total >= min && at(text, group.end, rightEdge) !== undefined) best = group.end;
  }
  return isFourByFour(groups) ? -1 : best;
}

function bracketed(text: string, start: number, groups: readonly Group[]): number {
  const other =
    at(text, start, String.raw`[1-9]\d\) ?\d{4,5}-\d{4}${rightEdge}`) ??
    at(text, start, String.raw`[2-9]\d\d\)[ -]?[2-9]\d\d[ .-]\d{4}${rightEdge}`);
  if (other !== undefined) return start + other.length;
  if (!/^0[1-9]\d{0,4}$/.test(groups[0]?.digits ?? '')) return -1;
  let total = groups[0]?.digits.length ?? 0;
  let best = -1;
  for (const [index, group] of groups.slice(1).entries()) {
    if (index > 0 && !/^(?: |-| ?\/ ?)$/.test(group.joint)) break;
    if (!/^\d{2,8}$/.test(group.digits)) break;
    total += group.digits.length;
    if (total > 13) break;
    if (total >= 8 && at(text, group.end, rightEdge) !== undefined) best = group.end;
  }
  return best;
}

function plain(text: string, start: number, groups: readonly Group[]): number {
  const first = groups[0]?.digits ?? '';
  if (first.startsWith('00')) {
    if (first.length >= 12 && first.length <= 15) {
      const gtin =
        first.length === 14 && checkSum(first, (place, digit) => (place % 2 === 0 ? digit : 3 * digit)) === 0;
      const country = at(first, 2, `(?:${code})`) ?? '';
      if (!/^[34]\d$/.test(country) || (country.startsWith('3') && gtin)) return -1;
      return at(text, start + first.length, rightEdge) === undefined ? -1 : start + first.length;
    }
    return isFourByFour(groups) ? -1 : longest(text, groups, 2, true);
  }
  if (/^0./.test(first)) return trunk(text, start, groups);
  const alone = (end: number): boolean =>
    !/\d $/.test(text.slice(Math.max(0, start - 2), start)) && !/^ \d/.test(text.slice(end));
  for (const [source, needsAlone] of [
    [String.raw`(?:1[ .-])?[2-9]\d\d([.-])[2-9]\d\d\1\d{4}`, false],
    [String.raw`(?:1[ .-])?[2-9]\d\d[ /][2-9]\d\d-\d{4}`, false],
    [String.raw`(?:1[ .-])?[2-9]\d\d [2-9]\d\d \d{4}`, true],
    [String.raw`1[3-9]\d([ -])\d{4}\1\d{4}`, true],
  ] as const) {
    const match = at(text, start, source + rightEdge);
    if (match !== undefined && (!needsAlone || alone(start + match.length))) return start + match.length;
  }
  return -1;
}

const phoneLabel = new RegExp(
  String.raw`(?:phone|phone_?number|phone_no|telefon|telefonnummer|${free}(?:tel|fax|cell|mobile|mobile_number|mobil|mobilnummer|handy|handynummer|msisdn|whatsapp))\\?["'\x1f]? {0,2}[:=.>]{1,2} {0,3}\\?["'\x1f(]?$`,
  'i',
);

function labelled(text: string, start: number, groups: readonly Group[]): number {
  if (!phoneLabel.test(text.slice(0, start))) return -1;
  if (/^(?:19|20)\d\d,\d\d,\d\d(?:,|$)/.test(groups.map((group) => group.digits).join())) {
    const [a = '', b = '', c = ''] = groups.map((group) => group.digits);
    if (a.length === 4 && b.length === 2 && c.length === 2) return -1;
  }
  let total = 0;
  let best = -1;
  for (const group of groups) {
    total += group.digits.length;
    if (total > 15) break;
    if (total >= 6 && at(text, group.end, rightEdge) !== undefined) best = group.end;
  }
  return best;
}

function phones(text: string): OracleHit[] {
  return [...text.matchAll(/\d+/g)].flatMap((match) => {
    const start = match.index;
    const groups = groupsAt(text, start);
    const before = text.charAt(start - 1);
    let from = start;
    let end = -1;
    if (start > 0 && before === '+') {
      from = start - 1;
      if (at(text, from, `(?<!\\+)${free}`) !== undefined) end = longest(text, groups, 0, false);
    } else if (
      start > 0 &&
      before === '(' &&
      text[start + match[0].length] === ')' &&
      at(text, start - 1, leftEdge) !== undefined
    ) {
      from = start - 1;
      end = bracketed(text, start, groups);
    } else if (at(text, start, leftEdge) !== undefined) end = plain(text, start, groups);
    if (end === -1) {
      from = start;
      end = labelled(text, start, groups);
    }
    return end === -1 ? [] : [{ start: from, end, detector: 'phone' as const }];
  });
}

const tokens = [
  String.raw`(?:glpat|gldt|glrt|glcbt|glptt|glft|gloas|glsoat|glagent)-[\w-]{20,}`,
  String.raw`(?:xox[abcdeoprs]|xapp)-[\w-]{10,}`,
  String.raw`GOCSPX-[\w-]{20,}`,
  String.raw`pypi-[\w-]{50,}`,
  String.raw`AGE-SECRET-KEY-[\w-]{40,}`,
  String.raw`sk-(?=[\w-]{0,63}\d)[\w-]{32,}`,
  String.raw`gh[pousr]_[A-Za-z0-9]{30,}`,
  String.raw`github_pat_[\w-]{22,}`,
  String.raw`[sr]k_(?:live|test)_[A-Za-z0-9]{10,}`,
  String.raw`whsec_[A-Za-z0-9]{20,}`,
  String.raw`(?:npm|hf|shpat)_[A-Za-z0-9]{30,}`,
  String.raw`dop_v1_[A-Za-z0-9]{40,}`,
  String.raw`glsa_[\w-]{30,}`,
  String.raw`(?<![_-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*){0,3}`,
  String.raw`A[KS]IA[A-Z2-7]{16}(?![A-Za-z0-9])`,
  String.raw`AIza[\w-]{35,}`,
  String.raw`SG\.[\w-]{16,}\.[\w-]{16,}`,
  String.raw`ya29\.[\w-]{20,}`,
].map((source) => free + source);

function keys(text: string): OracleHit[] {
  const found: OracleHit[] = tokens.flatMap((source) =>
    everywhere(text, source).map((place) => ({ ...place, detector: 'key' as const })),
  );
  for (const { end: value } of everywhere(text, `${free}bearer +`, 'i')) {
    const size = (at(text, value, '[A-Za-z0-9_.~+/=-]+') ?? '').length;
    const end = value + size;
    if (size < 8) continue;
    if (size >= 24 || /\d/.test(text.slice(value, end)))
      found.push({ start: value, end, detector: 'secret' });
  }
  return found;
}

/** What each detector finds in text without a syntax of its own, overlaps and all. */
export function oracle(bytes: Uint8Array): OracleHit[] {
  const text = Buffer.from(bytes).toString('latin1');
  const urls = userinfos(text);
  // An address whose local part ends in a URL's password is none.
  const addresses = emails(text).filter((hit) => {
    const sign = text.slice(hit.start, hit.end).lastIndexOf('@') + hit.start;
    return !urls.some((url) => url.end === sign);
  });
  return [
    ...addresses,
    ...cards(text),
    ...ibans(text),
    ...phones(text),
    ...keys(text),
    ...labelledSecrets(text),
    ...urls.filter((url) => url.end > url.start),
  ];
}
