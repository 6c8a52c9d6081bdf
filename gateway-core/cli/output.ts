/** Where text goes: process.stdout, or a stand-in. */
export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly colour?: boolean;
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

/** Text, plain or styled. Whatever its origin, `print` neutralises it. */
export type Part = string | { readonly style: Style; readonly text: string };

const sgr: Readonly<Record<Style, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

export const bold = (text: string): Part => ({ style: 'bold', text });
export const dim = (text: string): Part => ({ style: 'dim', text });
export const red = (text: string): Part => ({ style: 'red', text });
export const green = (text: string): Part => ({ style: 'green', text });
export const yellow = (text: string): Part => ({ style: 'yellow', text });

/** https://no-color.org: only on a terminal that can, and not when NO_COLOR says something. */
export function wantsColour(isTTY: boolean, env: Readonly<Record<string, string | undefined>>): boolean {
  return isTTY && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
}

/**
 * What a terminal would obey or hide instead of show: control characters (C0, DEL, C1), characters that turn the
 * direction of text (UAX 9), invisible ones and line separators, tags, lone surrogates.
 */
const unprintable =
  /[\p{Cc}\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu;

const shortEscapes: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** The text with everything unprintable written out (`\x1b`, `\u{202e}`). */
export function neutral(text: string): string {
  return text.replaceAll(unprintable, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hex = code.toString(16);
    return shortEscapes[character] ?? (code < 256 ? `\\x${hex.padStart(2, '0')}` : `\\u{${hex}}`);
  });
}

function render(output: Output, part: Part): string {
  if (typeof part === 'string') return neutral(part);
  const text = neutral(part.text);
  return output.colour === true && text !== '' ? `\u001b[${sgr[part.style]}m${text}\u001b[0m` : text;
}

/** One line. INVARIANT: all text for people passes here, so nothing foreign reaches a terminal as it came. */
export function print(output: Output, ...parts: Part[]): void {
  output.write(`${parts.map((part) => render(output, part)).join('')}\n`);
}

/** Text of several lines: each on a line of its own, after `indent`, so that none can pass for a line of ours. */
export function printBlock(output: Output, text: string, indent = ''): void {
  for (const line of text.replace(/\r?\n$/, '').split(/\r?\n/)) {
    print(output, `${indent}${line.replaceAll('\t', '    ')}`);
  }
}

/** A document as it is into a file or pipe; on a terminal like any other text. */
export function printDocument(output: Output, text: string): void {
  if (output.isTTY === true) printBlock(output, text);
  else output.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** One JSON value on one line. What a terminal would obey is escaped, which leaves the value as it is. */
export function printJson(output: Output, value: unknown): void {
  const text = JSON.stringify(value).replaceAll(unprintable, (character) => {
    let escaped = '';
    for (let at = 0; at < character.length; at++) {
      escaped += `\\u${character.charCodeAt(at).toString(16).padStart(4, '0')}`;
    }
    return escaped;
  });
  output.write(`${text}\n`);
}

/** White space of any kind, also line ends, as single spaces: for statements in a table's cell. */
export function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;

/** Columns that neutral text takes on a terminal: 0 for combining marks, 2 for wide characters (UAX 11). */
export function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/^[\u0020-\u007e]$/.test(character)) width += 1;
    else if (!/^\p{M}$/u.test(character)) width += wide.test(character) ? 2 : 1;
  }
  return width;
}

/** The text in at most `width` columns, an ellipsis at its end when something was cut. */
export function fit(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const character of text) {
    used += widthOf(character);
    if (used > width - 1) break;
    kept += character;
  }
  return `${kept}…`;
}
