const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** More than the longest that a gateway writes: a statement's text and its parameters are cut long before. */
export const lineBytesMax = 64 * 1024 * 1024;

/**
 * The lines of a file as text, those of one piece at a time; every line ends with a newline. Undefined as the last
 * item: what follows is no such line (not UTF-8, too long, or cut), and nothing more is given.
 */
export async function* lineBatches(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly string[] | undefined> {
  let carried: Uint8Array[] = [];
  let carriedBytes = 0;
  for await (const piece of pieces) {
    const lines: string[] = [];
    let from = 0;
    for (;;) {
      const end = piece.indexOf(10, from);
      if (end < 0) break;
      const text = textOf([...carried, piece.subarray(from, end)]);
      carried = [];
      carriedBytes = 0;
      from = end + 1;
      if (text === undefined) {
        yield lines;
        yield undefined;
        return;
      }
      lines.push(text);
    }
    if (from < piece.length) {
      carried.push(Buffer.from(piece.subarray(from)));
      carriedBytes += piece.length - from;
    }
    yield lines;
    if (carriedBytes > lineBytesMax) {
      yield undefined;
      return;
    }
  }
  if (carriedBytes > 0) yield undefined;
}

function textOf(parts: readonly Uint8Array[]): string | undefined {
  const [first] = parts;
  try {
    return utf8.decode(parts.length === 1 && first !== undefined ? first : Buffer.concat(parts));
  } catch {
    return undefined;
  }
}

/** The value of a line; undefined when it is no JSON. */
export function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
