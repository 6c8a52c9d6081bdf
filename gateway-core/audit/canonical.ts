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

/** The form of `{ ...value, ...changes }`, without making that object: a change to undefined leaves a key out. */
export function canonicalJsonWith(value: object, changes: Readonly<Record<string, unknown>>): string {
  return writeObject(value, changes, 0);
}

function write(value: unknown, depth: number): string {
  if (typeof value === 'string') return quoted(value);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw new TypeError('JSON has no such number');
    // As JSON.stringify does: -0 is 0.
    return String(value);
  }
  if (depth > depthMax) throw new TypeError('the value is nested too deeply');
  if (Array.isArray(value)) return `[${Array.from(value, (one) => write(one, depth + 1)).join(',')}]`;
  if (typeof value !== 'object') throw new TypeError(`JSON has no ${typeof value}`);
  return writeObject(value, undefined, depth);
}

function writeObject(
  value: object,
  changes: Readonly<Record<string, unknown>> | undefined,
  depth: number,
): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new TypeError('not a plain object');
  const fields = value as Readonly<Record<string, unknown>>;
  let text = '';
  for (const { key, prefix, changed } of orderOf(fields, changes)) {
    const one = changed ? changes?.[key] : fields[key];
    if (one === undefined) continue;
    text += (text === '' ? prefix : `,${prefix}`) + write(one, depth + 1);
  }
  return `{${text}}`;
}

interface Field {
  readonly key: string;
  /** The key as it is written, with the colon. */
  readonly prefix: string;
  readonly changed: boolean;
}

/** Objects with the same keys, added in the same order, end at the same one. */
interface KeyPath {
  readonly next: Map<string, KeyPath>;
  /** Where the keys of the changes begin. */
  changes: KeyPath | undefined;
  order: readonly Field[] | undefined;
}

const newPath = (): KeyPath => ({ next: new Map(), changes: undefined, order: undefined });
const pathsMax = 4096;
let paths = newPath();
let pathCount = 0;

/** The keys of both, sorted. Remembered: events come by the thousand with the same keys, and sorting them is dear. */
function orderOf(value: object, changes: object | undefined): readonly Field[] {
  if (pathCount > pathsMax) {
    paths = newPath();
    pathCount = 0;
  }
  let path = walk(paths, value);
  if (changes !== undefined) {
    path.changes ??= newPath();
    path = walk(path.changes, changes);
  }
  path.order ??= sortedKeys(value, changes ?? {});
  return path.order;
}

function walk(from: KeyPath, value: object): KeyPath {
  let path = from;
  for (const key of Object.keys(value)) {
    let next = path.next.get(key);
    if (next === undefined) {
      next = newPath();
      path.next.set(key, next);
      pathCount += 1;
    }
    path = next;
  }
  return path;
}

function sortedKeys(value: object, changes: object): Field[] {
  return [...new Set([...Object.keys(value), ...Object.keys(changes)])]
    .sort((left, right) => (left < right ? -1 : 1))
    .map((key) => ({ key, prefix: `${quoted(key)}:`, changed: Object.hasOwn(changes, key) }));
}

/** What JSON writes as it is; everything else goes the long way. */
const plainText = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  return plainText.test(text) ? `"${text}"` : JSON.stringify(text);
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
