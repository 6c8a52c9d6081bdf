/**
 * What stands where in a SQL text, by the rules of PostgreSQL's scan.l with standard_conforming_strings on. Made for
 * text that is being typed: it never fails, and its tokens cover the whole text, in order, without a gap.
 */
export type TokenKind =
  | 'space'
  | 'comment'
  | 'word'
  /** An identifier in double quotes. */
  | 'quoted'
  | 'string'
  | 'number'
  | 'parameter'
  | 'operator'
  /** One of `( ) [ ] , ; . : :: := => ..`. */
  | 'punctuation'
  | 'other';

export interface Token {
  readonly kind: TokenKind;
  readonly start: number;
  readonly end: number;
  /** A quote or comment that ends with the text and not by itself. */
  readonly open: boolean;
}

/** What is still open at the end of a piece of text, to go on with the next piece. */
export type Inside =
  | { readonly kind: 'comment'; readonly depth: number }
  | { readonly kind: 'dollar'; readonly tag: string }
  | { readonly kind: 'string'; readonly escape: boolean }
  /** `B'..'` and `X'..'`: the next quote ends them, a doubled one, too. */
  | { readonly kind: 'bits' }
  | { readonly kind: 'quoted' };

export interface Lexed {
  readonly tokens: readonly Token[];
  readonly inside: Inside | undefined;
}

/** Tokens of `text`, which begins inside `inside` where that is given. */
export function lex(text: string, inside?: Inside): Lexed {
  const tokens: Token[] = [];
  let at = 0;
  let open = inside;
  if (open !== undefined && text.length > 0) {
    const kind = kindOf(open);
    const end = endOf(text, 0, open);
    tokens.push({ kind, start: 0, end: end.at, open: end.open !== undefined });
    at = end.at;
    open = end.open;
  }
  while (at < text.length) {
    const scanned = scan(text, at);
    tokens.push({ kind: scanned.kind, start: at, end: scanned.end, open: scanned.open !== undefined });
    at = scanned.end;
    open = scanned.open;
  }
  return { tokens, inside: open };
}

/** Tokens that mean something: no space, no comment. */
export function significant(tokens: readonly Token[]): Token[] {
  return tokens.filter(({ kind }) => kind !== 'space' && kind !== 'comment');
}

interface Scanned {
  readonly kind: TokenKind;
  readonly end: number;
  readonly open?: Inside;
}

function scan(text: string, at: number): Scanned {
  const char = text[at] as string;
  if (isSpace(char)) return { kind: 'space', end: spaceEnd(text, at) };
  if (isWordStart(char)) return prefixed(text, at) ?? { kind: 'word', end: wordEnd(text, at) };
  if (isDigit(char) || (char === '.' && isDigit(text[at + 1]))) {
    return { kind: 'number', end: numberEnd(text, at) };
  }
  if (char === "'") return quoted('string', text, at + 1, { kind: 'string', escape: false });
  if (char === '"') return quoted('quoted', text, at + 1, { kind: 'quoted' });
  if (text.startsWith('--', at)) return { kind: 'comment', end: lineEnd(text, at) };
  if (text.startsWith('/*', at)) return quoted('comment', text, at + 2, { kind: 'comment', depth: 1 });
  if (char === '$') return dollar(text, at);
  if (operatorCharacters.has(char)) return operator(text, at);
  if ('()[],;.:'.includes(char)) return { kind: 'punctuation', end: punctuationEnd(text, at) };
  return { kind: 'other', end: at + 1 };
}

/** `E'..'`, `B'..'`, `X'..'`, `U&'..'` and `U&"..."`. `N` is a word of its own before a quote, as for the server. */
function prefixed(text: string, at: number): Scanned | undefined {
  const letter = (text[at] as string).toLowerCase();
  if (text[at + 1] === "'" && 'bx'.includes(letter)) {
    return quoted('string', text, at + 2, { kind: 'bits' });
  }
  if (text[at + 1] === "'" && letter === 'e') {
    return quoted('string', text, at + 2, { kind: 'string', escape: true });
  }
  if (letter !== 'u' || text[at + 1] !== '&') return undefined;
  if (text[at + 2] === "'") return quoted('string', text, at + 3, { kind: 'string', escape: false });
  if (text[at + 2] === '"') return quoted('quoted', text, at + 3, { kind: 'quoted' });
  return undefined;
}

function dollar(text: string, at: number): Scanned {
  if (isDigit(text[at + 1])) {
    let end = at + 1;
    while (isDigit(text[end])) end += 1;
    return { kind: 'parameter', end };
  }
  const tag = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
  tag.lastIndex = at;
  const opening = tag.exec(text)?.[0];
  if (opening === undefined) return { kind: 'other', end: at + 1 };
  return quoted('string', text, at + opening.length, { kind: 'dollar', tag: opening });
}

function quoted(kind: TokenKind, text: string, at: number, inside: Inside): Scanned {
  const end = endOf(text, at, inside);
  return end.open === undefined ? { kind, end: end.at } : { kind, end: end.at, open: end.open };
}

function kindOf(inside: Inside): TokenKind {
  if (inside.kind === 'comment' || inside.kind === 'quoted') return inside.kind;
  return 'string';
}

/** Where what is open ends, and what is still open when it does not. */
function endOf(text: string, at: number, inside: Inside): { readonly at: number; readonly open?: Inside } {
  switch (inside.kind) {
    case 'comment':
      return commentEnd(text, at, inside.depth);
    case 'dollar': {
      const end = text.indexOf(inside.tag, at);
      return end < 0 ? { at: text.length, open: inside } : { at: end + inside.tag.length };
    }
    case 'bits': {
      const end = text.indexOf("'", at);
      return end < 0 ? { at: text.length, open: inside } : { at: end + 1 };
    }
    case 'string':
      return quoteEnd(text, at, "'", inside.escape, inside);
    case 'quoted':
      return quoteEnd(text, at, '"', false, inside);
  }
}

function commentEnd(text: string, from: number, depthBefore: number) {
  let depth = depthBefore;
  let at = from;
  while (at < text.length) {
    if (text.startsWith('/*', at)) {
      depth += 1;
      at += 2;
    } else if (text.startsWith('*/', at)) {
      depth -= 1;
      at += 2;
      if (depth === 0) return { at };
    } else at += 1;
  }
  return { at: text.length, open: { kind: 'comment', depth } as const };
}

function quoteEnd(text: string, from: number, quote: string, escape: boolean, inside: Inside) {
  let at = from;
  while (at < text.length) {
    const char = text[at];
    if (char === quote) {
      if (text[at + 1] !== quote) return { at: at + 1 };
      at += 2;
    } else at += char === '\\' && escape ? 2 : 1;
  }
  return { at: text.length, open: inside };
}

function lineEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at += 1;
  return at;
}

function spaceEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && isSpace(text[at] as string)) at += 1;
  return at;
}

function wordEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && isWordPart(text[at] as string)) at += 1;
  return at;
}

function numberEnd(text: string, at: number): number {
  // An underscore is part of it only between two digits: `0_$$` is a number and a word.
  const number =
    /0[xXoObB](?:_?[0-9a-fA-F])+|(?:\d(?:_?\d)*(?:\.(?!\.)(?:\d(?:_?\d)*)?)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?/y;
  number.lastIndex = at;
  return at + (number.exec(text)?.[0].length ?? 1);
}

const operatorCharacters = new Set('+-*/<>=~!@#%^&|`?');

/** The longest run, but it stops before a comment, and ends in + or - only where it holds another special character. */
function operator(text: string, at: number): Scanned {
  let end = at + 1;
  while (end < text.length && operatorCharacters.has(text[end] as string)) {
    if (text.startsWith('--', end) || text.startsWith('/*', end)) break;
    end += 1;
  }
  if (!/[~!@#%^&|`?]/.test(text.slice(at, end))) {
    while (end > at + 1 && (text[end - 1] === '+' || text[end - 1] === '-')) end -= 1;
  }
  return { kind: text.slice(at, end) === '=>' ? 'punctuation' : 'operator', end };
}

function punctuationEnd(text: string, at: number): number {
  const two = text.slice(at, at + 2);
  return at + (two === '::' || two === ':=' || two === '..' ? 2 : 1);
}

function isSpace(char: string): boolean {
  return char === ' ' || (char >= '\t' && char <= '\r');
}
function isDigit(char: string | undefined): boolean {
  return char !== undefined && char >= '0' && char <= '9';
}
/** Letters, underscore and everything beyond ASCII. */
export function isWordStart(char: string): boolean {
  return (char >= 'a' && char <= 'z') || (char >= 'A' && char <= 'Z') || char === '_' || char >= '\u0080';
}
export function isWordPart(char: string): boolean {
  return isWordStart(char) || isDigit(char) || char === '$';
}

/** A name as PostgreSQL folds it: quotes taken off, else lower case. Only ASCII is folded, as the server does in UTF-8. */
export function nameOf(text: string, token: Token): string {
  const written = text.slice(token.start, token.end);
  if (token.kind !== 'quoted') return written.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
  const inner = written.slice(written.indexOf('"') + 1, token.open ? undefined : -1);
  return inner.replaceAll('""', '"');
}
