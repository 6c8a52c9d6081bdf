/** Characters of a title that are shown. */
const titleCharactersMax = 80;

/** A title that the target chose: one line, nothing in it unseen, bounded. */
export function safeTitle(text: string): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, '').trim();
  return Array.from(plain).slice(0, titleCharactersMax).join('');
}

/**
 * What a terminal is given of a pasted text: control characters would run as keys, and the end of a bracketed paste
 * would let the rest of it be typed. Line breaks and tabs stay.
 */
export function safePaste(text: string): string {
  return text.replaceAll(/\r\n?/g, '\n').replaceAll(/(?![\t\n])\p{Cc}/gu, '');
}

/** A paste is asked about when a shell would run some of it before the person has read it. */
export function isSeveralLines(text: string): boolean {
  return safePaste(text).includes('\n');
}

/**
 * What a terminal says by itself, not by a key: cursor and mode reports, device attributes, the mouse, the focus, strings
 * (ECMA-48; xterm control sequences). They answer one target and mean nothing to another.
 */
export function isReport(text: string): boolean {
  if (!text.startsWith('\u001b')) return false;
  return /^(\[(\d+;\d+R|[?>=]?[\d;]*[cn]|\??[\d;]+\$y|<[\d;]+[Mm]|M|[IO]$|[\d;]+t)|[P\]_^])/.test(
    text.slice(1),
  );
}

const linkCharactersMax = 2048;

/** An address that may be opened: https, or http on this machine; no user in it. Nothing for any other. */
export function safeLink(text: string): URL | undefined {
  if (text.length > linkCharactersMax || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const own = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  const web = url.protocol === 'https:' || (url.protocol === 'http:' && own);
  return web && url.username === '' && url.password === '' ? url : undefined;
}

/** Input in pieces of at most so many characters, no pair of surrogates torn. */
export function piecesOf(text: string, charactersMax: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + charactersMax, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end -= 1;
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}

export function bytesOf(base64: string): Uint8Array {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index += 1) bytes[index] = text.charCodeAt(index);
  return bytes;
}

export function base64Of(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}
