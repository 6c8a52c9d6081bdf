import { Buffer as PageBuffer } from 'buffer/index.js';

/** Node's Buffer for a page: the npm package of that name, which has what the shared rooms use of it. */
export const Buffer = PageBuffer as unknown as typeof globalThis.Buffer;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** As node:buffer has it. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
