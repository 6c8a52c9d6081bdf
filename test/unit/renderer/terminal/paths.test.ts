import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RemoteEntry } from '../../../../gateway-core/contract/bridge/ssh.js';
import {
  bytesText,
  childOf,
  crumbsOf,
  modeOf,
  modeText,
  nameProblem,
  parentOf,
  shownEntries,
} from '../../../../renderer/features/terminal/files/paths.js';

const entry = (name: string, more: Partial<RemoteEntry> = {}): RemoteEntry => ({
  name,
  kind: 'file',
  size: 0,
  modified: 0,
  mode: 0o644,
  uid: 0,
  gid: 0,
  ...more,
});
const name = fc.string({ minLength: 1, maxLength: 20 }).filter((text) => nameProblem(text) === undefined);

it('a child’s parent is where it came from', () => {
  fc.assert(
    fc.property(fc.array(name), name, (names, child) => {
      const directory = `/${names.join('/')}`;
      expect(parentOf(childOf(directory, child))).toBe(directory);
    }),
  );
  expect(parentOf('/')).toBe('/');
});

it('every crumb leads to the directory of its name', () => {
  expect(crumbsOf('/srv/app')).toEqual([
    { name: '/', path: '/' },
    { name: 'srv', path: '/srv' },
    { name: 'app', path: '/srv/app' },
  ]);
});

describe('a mode', () => {
  it.each([
    [0o644, 'rw-r--r--'],
    [0o755, 'rwxr-xr-x'],
    [0o4755, 'rwsr-xr-x'],
    [0o2710, 'rwx--s---'],
    [0o1777, 'rwxrwxrwt'],
    [0o7000, '--S--S--T'],
  ])('of %i reads as ls writes it', (mode, text) => {
    expect(modeText(mode)).toBe(text);
  });

  it('is the number that is typed, and nothing else', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0o7777 }), (mode) => {
        expect(modeOf(mode.toString(8).padStart(3, '0'))).toBe(mode);
      }),
    );
    for (const text of ['', '8', '77', '789', '77777', '-644', '0x1', 'rwx'])
      expect(modeOf(text)).toBeUndefined();
  });
});

describe('entries', () => {
  const entries = [
    entry('b10', { size: 3 }),
    entry('b9', { size: 5, modified: 7 }),
    entry('.hidden'),
    entry('zone', { kind: 'directory' }),
    entry('A'),
  ];
  const names = (more: Partial<Parameters<typeof shownEntries>[1]> = {}): string[] =>
    shownEntries(entries, {
      sort: { by: 'name', descending: false },
      filter: '',
      hidden: false,
      ...more,
    }).map((each) => each.name);

  it('stand with directories first, numbers in their order, hidden ones on asking', () => {
    expect(names()).toEqual(['zone', 'A', 'b9', 'b10']);
    expect(names({ hidden: true })).toContain('.hidden');
    expect(names({ sort: { by: 'name', descending: true } })).toEqual(['zone', 'b10', 'b9', 'A']);
    expect(names({ sort: { by: 'size', descending: true } })).toEqual(['zone', 'b9', 'b10', 'A']);
    expect(names({ filter: 'B' })).toEqual(['b9', 'b10']);
  });

  it('are none lost and none doubled by any order', () => {
    const some = fc
      .uniqueArray(name)
      .map((all) => all.map((each, index) => entry(each, { size: index % 3 })));
    const by = fc.constantFrom('name', 'size', 'modified', 'mode' as const);
    fc.assert(
      fc.property(some, by, fc.boolean(), (all, column, descending) => {
        const shown = shownEntries(all, { sort: { by: column, descending }, filter: '', hidden: true });
        expect(new Set(shown)).toEqual(new Set(all));
        expect(shown).toHaveLength(all.length);
      }),
    );
  });
});

it.each(['', '.', '..', 'a/b', 'a\0b', 'x'.repeat(256), 'ü'.repeat(128)])('%j is no name', (text) => {
  expect(nameProblem(text)).toBeDefined();
});

it.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 KB'],
  [2_400_000, '2.4 MB'],
  [123_456_789, '123 MB'],
])('%i bytes read as %s', (bytes, text) => {
  expect(bytesText(bytes)).toBe(text);
});
