const depthMax = 64;

/**
 * JSON in the one form that RFC 8785 gives it: keys sorted by UTF-16 code units, no white space, numbers and
 * strings as ECMAScript writes them. One difference: a lone surrogate is written as an escape, where the RFC refuses
 * it, because an event must not become impossible to log by the text in it. Properties that are undefined are left
 * out. Throws TypeError for what JSON cannot carry (functions, bigint, NaN, dates,
 * undefined in an array, depth over 64).
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (depth > depthMax) throw new TypeError('the value is nested too deeply');
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('JSON has no such number');
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${Array.from(value, (one) => write(one, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`JSON has no ${typeof value}`);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('not a plain object');
  let text = '';
  for (const [key, one] of Object.entries(value).sort(byKey)) {
    if (one === undefined) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${write(one, depth + 1)}`;
  }
  return `{${text}}`;
}

function byKey([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : 1;
}

/** The value of JSON in UTF-8, without any check of its form; undefined for any other bytes. */
export function parseJson(bytes: Uint8Array): { readonly text: string; readonly value: unknown } | undefined {
  try {
    const text = utf8.decode(bytes);
    return { text, value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
