import { at, everywhere, free, type OracleHit } from './oracle-expressions.js';

type Family = 'password' | 'weak' | 'key' | 'authorization';

function familyOf(name: string): Family | undefined {
  if (/(?:password|passwd|pwd|passphrase|passwort|kennwort)$/i.test(name)) return 'password';
  if (/(?:secret|token)$/i.test(name)) return 'key';
  if (/authorization$/i.test(name)) return 'authorization';
  if (/(?:^|[_.-])pass$/i.test(name)) return 'weak';
  const qualifier = 'api|access|secret|private|signing|encryption|account|sharedaccess|master|auth|service';
  return new RegExp(`(?:${qualifier})[_.-]?key$`, 'i').test(name) ? 'key' : undefined;
}

const scheme = String.raw`(?:basic|bearer|token|digest|apikey|negotiate) [ \t\n\r]*`;
const plainValue = '(?:(?!\\\\["\'])[^ \\t\\n\\r\\v\\f\\0"\'`,;&)}\\]<>|\\x1f])*';

/** The end of the quoted value whose opening quote stands before `start`. */
function quotedEnd(text: string, start: number): number {
  const quote = text.charAt(start - 1);
  if (quote === '"' && text.charAt(start - 2) === '\\') {
    const match = at(text, start, '[^"\\n]*') ?? '';
    const end = start + match.length;
    return text[end] === '"' && match.endsWith('\\') ? end - 1 : end;
  }
  const escape = quote === '\x1f' ? '[\\\\\\x1c][^\\n]' : '\\\\[^\\n]';
  const doubled = quote === '"' ? '' : `${quote}${quote}|`;
  return start + (at(text, start, `(?:${escape}|${doubled}[^${quote}\\n])*`) ?? '').length;
}

function isMasked(value: string): boolean {
  return /^(?:\*\*\*|\[masked\]?|h:[0-9a-f]{16})$/i.test(value) && !/^H:|^h:.*[A-F]/.test(value);
}

interface Place {
  readonly start: number;
  readonly end: number;
}

function valueAt(text: string, from: number, mark: string, family: Family): Place | undefined {
  let start = from + (at(text, from, '[ \\t\\n\\r]{0,64}') ?? '').length;
  if (family === 'authorization') start += (at(text, start, scheme, 'i') ?? '').length;
  const open = at(text, start, '(?:[\\\\\\x1ceEnN])?["\'`\\x1f]');
  let place: Place | undefined;
  if (open !== undefined) place = { start: start + open.length, end: quotedEnd(text, start + open.length) };
  else place = unquotedAt(text, start, mark, family);
  if (place === undefined) return undefined;
  if (open !== undefined && family === 'authorization') {
    const skipped = (at(text.slice(0, place.end), place.start, scheme, 'i') ?? '').length;
    place = { start: place.start + skipped, end: place.end };
  }
  const least = family === 'password' || family === 'weak' ? 1 : 8;
  return place.end - place.start < least || isMasked(text.slice(place.start, place.end)) ? undefined : place;
}

function unquotedAt(text: string, start: number, mark: string, family: Family): Place | undefined {
  const element = mark === '>' ? at(text, start, '[^<"\\n]{0,62}(?=</)') : undefined;
  const value = (element ?? at(text, start, plainValue) ?? '').slice(0, 64);
  const end = start + value.length;
  if (value === '' || /^(?:null|none|nil|undefined|true|false)$/i.test(value)) return undefined;
  if (/^(?:\$\d+$|\$[{(]|\$[A-Z_][A-Z0-9_]*$|%[sdrv]$|%\(|\?$|:[A-Za-z_]\w*$|[{[])/.test(value))
    return undefined;
  if (/^(?:\*\*\*|h:[0-9a-f]{16})[\\%]/.test(value)) return undefined;
  if (/^[A-Za-z_][\w.]*\($/.test(value)) {
    const open = at(text, end, '(?:[\\\\\\x1ceEnN])?["\'`\\x1f]');
    return open === undefined
      ? undefined
      : { start: end + open.length, end: quotedEnd(text, end + open.length) };
  }
  if (/^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+$/.test(value) && familyOf(value) !== undefined) return undefined;
  if (/^\/\/|^\/[\w./-]*$/.test(value)) return undefined;
  if (family === 'weak' && (mark !== '=' || /^\d{1,6}$/.test(value))) return undefined;
  if (mark === ':' && /^[A-Za-z][a-z]*[.!?]?$/.test(value) && /^ [^\0- ]/.test(text.slice(end)))
    return undefined;
  return { start, end: value.length === 64 ? start + (at(text, start, plainValue) ?? '').length : end };
}

/** What stands around a name: `"password"`, `['password']`; the two control characters are a view's quote and backslash. */
const closedName = new RegExp(
  `(?:[\\\\${String.fromCharCode(0x1c)}]?["'\`${String.fromCharCode(0x1f)}])?\\]?$`,
);

function assignmentAt(text: string, index: number): Place | undefined {
  const mark = text.charAt(index);
  const next = text.charAt(index + 1);
  let before = text.slice(0, index);
  if (mark === '=') before = before.replace(/[:=]$/, '');
  before = before.replace(/ {0,3}$/, '');
  if (mark !== '>') before = before.replace(closedName, '');
  const name = /[A-Za-z0-9_.-]{0,64}$/.exec(before)?.[0] ?? '';
  const family = familyOf(name);
  if (family === undefined || (mark === '>' && !before.slice(0, before.length - name.length).endsWith('<')))
    return undefined;
  const doubled = mark !== '>' && (next === '=' || (next === '>' && mark === '='));
  return valueAt(text, index + (doubled ? 2 : 1), mark, family);
}

function sqlPasswordAt(text: string, index: number): Place | undefined {
  const before = text.slice(0, index).replace(/(?:[Ee]|[Uu]&)$/, '');
  const named = new RegExp(`(?:${free}password|identified[ \\t\\n\\r]+by)[ \\t\\n\\r]{1,64}$`, 'i').test(
    before,
  );
  if (!named) return undefined;
  if (text[index] === "'") {
    const place = { start: index + 1, end: quotedEnd(text, index + 1) };
    return place.end === place.start || isMasked(text.slice(place.start, place.end)) ? undefined : place;
  }
  const tag = at(text, index, '\\$\\w{0,63}\\$');
  if (tag === undefined) return undefined;
  const start = index + tag.length;
  const close = text.indexOf(tag, start);
  const end = close === -1 ? text.length : close;
  return end === start || isMasked(text.slice(start, end)) ? undefined : { start, end };
}

function optionAt(text: string, index: number): Place | undefined {
  const match = at(text, index, String.raw`(?<![\w-])--[A-Za-z][\w-]{0,63}(?= )`) ?? '';
  const family = familyOf(match.slice(2));
  if (family === undefined || family === 'authorization') return undefined;
  const from = index + match.length + (at(text, index + match.length, '[ \\t\\n\\r]+') ?? '').length;
  return text[from] === '-' ? undefined : valueAt(text, from, '=', family);
}

function pemAt(text: string, index: number): Place | undefined {
  const begin = at(text, index, '-----BEGIN [^-]*?PRIVATE KEY', 'i');
  if (begin === undefined || begin.length > 64) return undefined;
  const rest = text.slice(index + begin.length - 11);
  const end = /-----END [^]*/i.exec(rest);
  if (end === null) return { start: index, end: text.length };
  const line = at(end[0].slice(0, 9 + 64), 9, '[^\\n-]*-*') ?? '';
  return { start: index, end: index + begin.length - 11 + end.index + 9 + line.length };
}

/** Secrets behind a name, and key blocks: from left to right, none begins inside another. */
export function labelledSecrets(text: string): OracleHit[] {
  const found: OracleHit[] = [];
  let past = 0;
  for (let index = 0; index < text.length; index++) {
    if (index < past) continue;
    const byte = text.charAt(index);
    const pem = byte === '-' ? pemAt(text, index) : undefined;
    const place =
      pem ??
      (/[:=>]/.test(byte)
        ? assignmentAt(text, index)
        : /['$]/.test(byte)
          ? sqlPasswordAt(text, index)
          : byte === '-'
            ? optionAt(text, index)
            : undefined);
    if (place === undefined) continue;
    past = place.end;
    found.push({ ...place, detector: pem === undefined ? 'secret' : 'key' });
  }
  return found;
}

/** `scheme://user:password@`, and a long name without a password. Empty where there is nothing left to mask. */
export function userinfos(text: string): OracleHit[] {
  return everywhere(text, '(?<=[A-Za-z0-9_-])://').flatMap(({ end: start }) => {
    const run = at(text.slice(0, start + 1024), start, '(?:(?!://)[^ \\t\\n\\r"\'`\\x1f<>])*') ?? '';
    const path = run.search(/[/?#]/);
    const authority = path === -1 ? run : run.slice(0, path);
    const sign = authority.includes('@') ? authority.lastIndexOf('@') : run.indexOf('@');
    if (sign === -1) return [];
    if (isMasked(run.slice(0, sign)))
      return [{ start: start + sign, end: start + sign, detector: 'secret' as const }];
    const colon = run.slice(0, sign).indexOf(':');
    if (colon === -1) {
      const name = run.slice(0, sign);
      const isToken = name.length >= 20 && /\d/.test(name) && (path === -1 || path >= sign);
      return isToken ? [{ start, end: start + sign, detector: 'secret' as const }] : [];
    }
    const password = run.slice(colon + 1, sign);
    if (path !== -1 && path < sign && (colon > path || /^\d*$/.test(run.slice(colon + 1, path)))) return [];
    if (password === '' || /^(?:\{|\$\{)/.test(password) || isMasked(password)) {
      return [{ start: start + sign, end: start + sign, detector: 'secret' as const }];
    }
    return [{ start: start + colon + 1, end: start + sign, detector: 'secret' as const }];
  });
}
