const bytesPerLine = 16;

/** PostgreSQL's text of a bytea, `\x0aff`, as its bytes; undefined where it is none. A cut text may end inside a byte. */
export function byteaBytes(text: string): Uint8Array | undefined {
  if (!text.startsWith('\\x')) return undefined;
  const digits = text.slice(2, 2 + Math.floor((text.length - 2) / 2) * 2);
  if (!/^[0-9a-f]*$/i.test(digits)) return undefined;
  const bytes = new Uint8Array(digits.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16);
  return bytes;
}

/** Bytes as people read them: place, hexadecimal, what can be printed. */
export function hexLines(bytes: Uint8Array, start = 0): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += bytesPerLine) {
    const part = bytes.subarray(at, at + bytesPerLine);
    const hex = [...part].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const printed = [...part]
      .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·'))
      .join('');
    lines.push(
      `${(start + at).toString(16).padStart(8, '0')}  ${hex.padEnd(bytesPerLine * 3 - 1)}  ${printed}`,
    );
  }
  return lines.join('\n');
}
