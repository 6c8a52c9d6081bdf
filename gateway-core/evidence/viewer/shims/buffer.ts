import { Buffer as PageBuffer } from 'buffer/index.js';

/**
 * Node's Buffer for a page: the npm package of that name, which has what the shared rooms use of it. Texts go by what
 * the browser itself has: the package takes a second where a browser takes a hundredth of it.
 */
export const Buffer = PageBuffer as unknown as typeof globalThis.Buffer;

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf16 = new TextDecoder('utf-16le', { ignoreBOM: true });
/** Below this the package is quick enough. */
const smallCharacters = 8192;

type From = (value: unknown, encoding?: unknown, length?: unknown) => Buffer;
type ToString = (this: Buffer, encoding?: string, from?: number, to?: number) => string;

const slowFrom = Buffer.from.bind(Buffer) as From;
const slowToString = Reflect.get(Buffer.prototype as object, 'toString') as ToString;

const fastFrom: From = (value, encoding = 'utf8', length) => {
  if (typeof value !== 'string') return slowFrom(value, encoding, length);
  if (encoding === 'utf8' || encoding === 'utf-8') return viewOf(encoder.encode(value));
  if (encoding === 'latin1' || encoding === 'binary') return viewOf(latin1Bytes(value));
  if (encoding === 'base64' && value.length > smallCharacters) {
    try {
      return viewOf(latin1Bytes(atob(value)));
    } catch {
      // Node passes over what is no base64; so does the package.
    }
  }
  return slowFrom(value, encoding, length);
};

const fastToString: ToString = function toString(encoding = 'utf8', from = 0, to?) {
  const bytes = from === 0 && to === undefined ? this : this.subarray(from, to);
  if (encoding === 'utf8' || encoding === 'utf-8') return decoder.decode(bytes);
  if (encoding === 'latin1' || encoding === 'binary') return latin1Text(bytes);
  if (encoding === 'base64' && bytes.length > smallCharacters) return btoa(latin1Text(bytes));
  return slowToString.call(this, encoding, from, to);
};

Object.assign(Buffer, { from: fastFrom });
Object.assign(Buffer.prototype, { toString: fastToString });

function viewOf(bytes: Uint8Array<ArrayBuffer>): Buffer {
  return slowFrom(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function latin1Bytes(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return bytes;
}

/** One character is one byte: as UTF-16 a browser reads it at once. */
const latin1Text = (bytes: Uint8Array): string => utf16.decode(Uint16Array.from(bytes));

/** As node:buffer has it. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
