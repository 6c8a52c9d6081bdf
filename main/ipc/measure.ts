/** Bounds of what a call's input may look like, whatever its schema says. */
export const inputLimits = {
  depthMax: 32,
  /** Values and keys in all. */
  partsMax: 200_000,
} as const;

/**
 * Roughly the bytes that a plain value takes as JSON; undefined when it is not plain data (JSON's types and
 * undefined), too deep or in a circle, has too many parts, or is larger than `bytesMax`. Walks without recursion.
 */
export function plainSize(value: unknown, bytesMax: number): number | undefined {
  let bytes = 0;
  let parts = 0;
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > inputLimits.depthMax) return undefined;
    const next: unknown[] = [];
    for (const each of level) {
      const size = ownSize(each);
      if (size === undefined) return undefined;
      bytes += size;
      parts += 1;
      if (bytes > bytesMax || parts + next.length > inputLimits.partsMax) return undefined;
      if (typeof each !== 'object' || each === null) continue;
      for (const key in each) {
        bytes += key.length + 3;
        next.push(each[key as keyof typeof each]);
        if (bytes > bytesMax || parts + next.length > inputLimits.partsMax) return undefined;
      }
    }
    level = next;
  }
  return bytes;
}

function ownSize(value: unknown): number | undefined {
  switch (typeof value) {
    case 'string':
      return value.length + 2;
    case 'number':
    case 'boolean':
    case 'undefined':
      return 8;
    case 'object':
      return value === null || isPlain(value) ? 4 : undefined;
    case 'bigint':
    case 'function':
    case 'symbol':
      return undefined;
  }
}

/** Electron's IPC clones maps, dates and buffers too; no call takes them. */
function isPlain(value: object): boolean {
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
