const chunkCharacters = 4 * 1024 * 1024;

/**
 * What a page carries: base64 in lines of any length. Undefined when it carries nothing, `damaged` when it is no
 * base64. In pieces: a browser's own decoder wants all of it as one string, and gives another.
 */
export function embeddedBundle(text: string): Blob | 'damaged' | undefined {
  const parts: BlobPart[] = [];
  let carried = '';
  for (let at = 0; at < text.length; at += chunkCharacters) {
    const letters = carried + text.slice(at, at + chunkCharacters).replaceAll(/\s+/g, '');
    const whole = letters.length - (letters.length % 4);
    const bytes = decoded(letters.slice(0, whole));
    if (bytes === undefined) return 'damaged';
    if (bytes.length > 0) parts.push(bytes);
    carried = letters.slice(whole);
  }
  if (carried !== '') return 'damaged';
  return parts.length === 0 ? undefined : new Blob(parts);
}

function decoded(letters: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(letters)) return undefined;
  try {
    const binary = atob(letters);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
    return bytes;
  } catch {
    return undefined;
  }
}
