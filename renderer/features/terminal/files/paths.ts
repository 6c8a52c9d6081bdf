import type { RemoteEntry } from '../../../../gateway-core/contract/bridge/ssh.js';

export type SortBy = 'name' | 'size' | 'modified' | 'mode';
export interface Sort {
  readonly by: SortBy;
  readonly descending: boolean;
}

export function childOf(directory: string, name: string): string {
  return directory.endsWith('/') ? `${directory}${name}` : `${directory}/${name}`;
}

export function parentOf(path: string): string {
  const at = path.replace(/\/+$/, '').lastIndexOf('/');
  return at <= 0 ? '/' : path.slice(0, at);
}

/** `/srv/app` -> `/`, `/srv`, `/srv/app`, each with its name. */
export function crumbsOf(path: string): { readonly name: string; readonly path: string }[] {
  const names = path.split('/').filter((name) => name !== '');
  return [
    { name: '/', path: '/' },
    ...names.map((name, index) => ({ name, path: `/${names.slice(0, index + 1).join('/')}` })),
  ];
}

const order = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** Directories first, then by what was chosen, names deciding among equals. */
export function shownEntries(
  entries: readonly RemoteEntry[],
  { sort, filter, hidden }: { readonly sort: Sort; readonly filter: string; readonly hidden: boolean },
): RemoteEntry[] {
  const wanted = filter.trim().toLowerCase();
  const by = (a: RemoteEntry, b: RemoteEntry): number => {
    if (sort.by === 'name') return order.compare(a.name, b.name);
    return a[sort.by] - b[sort.by];
  };
  return entries
    .filter(({ name }) => (hidden || !name.startsWith('.')) && name.toLowerCase().includes(wanted))
    .sort((a, b) => {
      const directories = Number(b.kind === 'directory') - Number(a.kind === 'directory');
      if (directories !== 0) return directories;
      return (sort.descending ? -by(a, b) : by(a, b)) || order.compare(a.name, b.name);
    });
}

const letters = ['r', 'w', 'x'] as const;

/** `0o644` -> `rw-r--r--`, with s and t where they are set (chmod(1)). */
export function modeText(mode: number): string {
  const plain = [6, 3, 0].map((shift) =>
    letters.map((letter, bit) => ((mode >> shift) & (4 >> bit) ? letter : '-')).join(''),
  );
  const special = [mode & 0o4000, mode & 0o2000, mode & 0o1000];
  return plain
    .map((text, index) => {
      if (!special[index]) return text;
      const [low, high] = index === 2 ? ['t', 'T'] : ['s', 'S'];
      return text.slice(0, 2) + (text.endsWith('x') ? low : high);
    })
    .join('');
}

/** `644`, `0755`, `4755` -> the mode; nothing for what is no octal number of three or four digits. */
export function modeOf(text: string): number | undefined {
  return /^[0-7]{3,4}$/.test(text.trim()) ? Number.parseInt(text.trim(), 8) : undefined;
}

/** Why a name cannot be given; nothing where it can. */
export function nameProblem(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'A name is missing.';
  if (name.includes('/') || name.includes('\0')) return 'A name holds no slash.';
  return new TextEncoder().encode(name).length > 255 ? 'A name has 255 bytes at most.' : undefined;
}

const units = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}
