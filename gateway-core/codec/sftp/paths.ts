/**
 * The path as policy sees it: absolute, without `.`, `..`, doubled and trailing slashes. What is relative hangs below
 * `home`, where servers start (section 6.2: "relative to the user's default directory"). undefined: home is not known.
 * Symbolic links are the target's to follow; `..` behind one is taken out before it gets there: see `plain-paths.ts`.
 */
export function absolutePath(path: string, home: string | undefined): string | undefined {
  if (path.startsWith('/')) return normalized(path);
  return home === undefined ? undefined : normalized(`${home}/${path}`);
}

/** The directory that the path stands in. `path`: absolute and normalized. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')));
}

function normalized(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop();
    else if (segment !== '' && segment !== '.') kept.push(segment);
  }
  return `/${kept.join('/')}`;
}
