/**
 * Bytes of a terminal as text, cut anywhere. Well-formed UTF-8 (RFC 3629) only: what is not is dropped, and so is U+FEFF,
 * as the terminals of the desktop and of the browser do (xterm.js), so that text and bytes paint the same screen.
 */
export class Utf8Text {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  #rest: Uint8Array = new Uint8Array(0);

  push(bytes: Uint8Array): string {
    const all = this.#rest.length === 0 ? bytes : joined(this.#rest, bytes);
    const end = wholeUntil(all);
    this.#rest = Uint8Array.from(all.subarray(end));
    const whole = all.subarray(0, end);
    try {
      return this.#decoder.decode(whole).replaceAll('\ufeff', '');
    } catch {
      return this.#lenient(whole);
    }
  }

  /** The characters that are well-formed, of bytes that are not all. */
  #lenient(bytes: Uint8Array): string {
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const size = sizeAt(bytes, at);
      if (size === 0) at++;
      else {
        const character = this.#decoder.decode(bytes.subarray(at, at + size));
        text += character === '\ufeff' ? '' : character;
        at += size;
      }
    }
    return text;
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const all = new Uint8Array(first.length + second.length);
  all.set(first);
  all.set(second, first.length);
  return all;
}

/** Where a character begins that the bytes do not hold whole; their length when none does. */
function wholeUntil(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) return bytes.length;
    if (byte < 0xc0) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return size > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** Bytes of the character at `at` by its first byte, when as many continue it; else 0. */
function sizeAt(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  if (lead < 0x80) return 1;
  const size = lead >= 0xf8 ? 0 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
  if (at + size > bytes.length) return 0;
  for (let next = at + 1; next < at + size; next++) if (((bytes[next] as number) & 0xc0) !== 0x80) return 0;
  return isOverlong(lead, bytes[at + 1] as number) ? 0 : size;
}

/** Overlong forms, surrogates, beyond U+10FFFF. */
function isOverlong(lead: number, second: number): boolean {
  if (lead < 0xc2) return true;
  if (lead === 0xe0) return second < 0xa0;
  if (lead === 0xed) return second >= 0xa0;
  if (lead === 0xf0) return second < 0x90;
  return lead > 0xf4 || (lead === 0xf4 && second >= 0x90);
}
