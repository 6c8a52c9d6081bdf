import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type BundleManifest,
  bundlePaths,
  type EntryLine,
  type EventLine,
  viewerDataBegin,
  viewerDataEnd,
} from '../../../gateway-core/contract/evidence.js';
import { viewerText } from '../../../gateway-core/evidence/build/viewer-data.js';
import { viewer } from './bundle-world.js';
import {
  changed,
  codesIn,
  events,
  flipped,
  one,
  swap,
  Tampered,
  type Tampering,
  type TamperWorld,
  tamperWorld,
  without,
} from './tampered.js';
import { refusalOf, unzipStrict, zipOf } from './zip-files.js';

/** What somebody who lacks the log's key may do to a bundle as a whole, each named by what it is. */
let world: TamperWorld;
beforeAll(async () => {
  world = await tamperWorld();
});

const tile = `${bundlePaths.log}tile/0/001`;
const edge = `${bundlePaths.log}tile/0/002.p/144`;

/** The manifest is left as it was. */
const plain: readonly Tampering[] = [
  ['a file put there', 'file-unlisted', (b) => b.put('notes.txt', 'see for yourself')],
  ['a file below log/ that is none of the log', 'file-unlisted', (b) => b.put('log/notes.txt', 'x')],
  ['a tile that no such tree has', 'file-unlisted', (b) => b.put('log/tile/3/000.p/1', Buffer.alloc(32))],
  ['a file taken out', 'file-missing', (b) => b.files.delete(bundlePaths.readme)],
  [
    'a line in README.txt',
    'file-altered',
    (b) => b.put(bundlePaths.readme, `${b.text(bundlePaths.readme)}\n`),
  ],
  [
    'a value in a CSV',
    'file-altered',
    (b) =>
      b.put(
        bundlePaths.result(one, 1, 1, 'csv'),
        b.text(bundlePaths.result(one, 1, 1, 'csv')).replace('customer', 'customor'),
      ),
  ],
  ['the manifest taken out', 'manifest-missing', (b) => b.files.delete(bundlePaths.manifest)],
  [
    'the manifest of another bundle',
    'manifest-not-logged',
    (b) => b.put(bundlePaths.manifest, b.foreign.get(bundlePaths.manifest) ?? ''),
  ],
  [
    'the reason in the manifest',
    'manifest-not-logged',
    (b) => b.manifest((m) => void (m.reason = 'no reason')),
  ],
  [
    'a deletion claimed',
    'manifest-not-logged',
    (b) => b.manifest((m) => m.deleted.push({ session: m.sessions[0]?.id as never, what: 'beginning' })),
  ],
  [
    'white space in the manifest',
    'manifest-invalid',
    (b) => b.put(bundlePaths.manifest, b.text(bundlePaths.manifest).replace('{', '{ ')),
  ],
  [
    'a key twice in the manifest',
    'manifest-invalid',
    (b) =>
      b.put(
        bundlePaths.manifest,
        b.text(bundlePaths.manifest).replace('{', '{"createdAt":"2020-01-01T00:00:00.000Z",'),
      ),
  ],
  [
    'a file twice in the manifest',
    'manifest-invalid',
    (b) => b.manifest((m) => m.files.push(m.files[0] as never)),
  ],
  [
    'a field that no manifest has',
    'manifest-invalid',
    (b) => b.manifest((m) => void ((m as Record<string, unknown>)['note'] = 'x')),
  ],
  [
    'an entry of the log',
    'entry-altered',
    (b) =>
      b.lines<EntryLine>(bundlePaths.entries, (lines) =>
        changed(lines, 5, (line) => ({
          ...line,
          leaf: line.leaf.replace('"node":"node-1"', '"node":"node-2"'),
        })),
      ),
  ],
  [
    'an entry under another index',
    'entry-altered',
    (b) =>
      b.lines<EntryLine>(bundlePaths.entries, (lines) =>
        changed(lines, 0, (line) => ({ ...line, index: line.index - 1 })),
      ),
  ],
  [
    'an entry dropped',
    'event-not-logged',
    (b) => b.lines<EntryLine>(bundlePaths.entries, (lines) => without(lines, 5)),
  ],
  [
    'an entry dropped together with its event',
    'statement-missing',
    (b) => {
      let index = -1;
      b.lines<EventLine>(events(one), (lines) => {
        index = (lines[3] as EventLine).index;
        return without(lines, 3);
      });
      b.lines<EntryLine>(bundlePaths.entries, (lines) => lines.filter((line) => line.index !== index));
    },
  ],
  [
    'two entries swapped',
    'entries-reordered',
    (b) => b.lines<EntryLine>(bundlePaths.entries, (lines) => swap(lines, 5, 6)),
  ],
  [
    'an entry that is no event',
    'leaf-invalid',
    (b) =>
      b.lines<EntryLine>(bundlePaths.entries, (lines) =>
        changed(lines, 5, (line) => ({ ...line, leaf: '{}' })),
      ),
  ],
  [
    'another spelling of an entry',
    'entry-invalid',
    (b) => b.put(bundlePaths.entries, b.text(bundlePaths.entries).replace('"leaf"', '"le\\u0061f"')),
  ],
  [
    'an entry behind the end of the tree',
    'entry-beyond-checkpoint',
    (b) =>
      b.lines<EntryLine>(bundlePaths.entries, (lines) => [
        ...lines,
        { ...(lines.at(-1) as EntryLine), index: 656 },
      ]),
  ],
  ['the entries taken out', 'entries-missing', (b) => b.files.delete(bundlePaths.entries)],
  [
    'the export dropped from the entries',
    'manifest-not-logged',
    (b) => b.lines<EntryLine>(bundlePaths.entries, (lines) => lines.slice(0, -1)),
  ],
  [
    "the entries of another gateway's log",
    'entry-altered',
    (b) => b.put(bundlePaths.entries, b.foreign.get(bundlePaths.entries) ?? ''),
  ],
  ['a hash in a tile', 'tile-altered', (b) => b.put(tile, flipped(b.bytes(tile), 4000))],
  ['a hash in a tile at the edge', 'root-mismatch', (b) => b.put(edge, flipped(b.bytes(edge), 40))],
  ['a tile cut', 'tile-altered', (b) => b.put(tile, b.bytes(tile).subarray(32))],
  ['a tile taken out', 'tile-missing', (b) => b.files.delete(tile)],
  ['a tile at the edge taken out', 'tile-missing', (b) => b.files.delete(edge)],
  ['the checkpoint taken out', 'checkpoint-missing', (b) => b.files.delete(bundlePaths.checkpoint)],
  [
    'the size in the checkpoint',
    'checkpoint-invalid',
    (b) => b.put(bundlePaths.checkpoint, b.text(bundlePaths.checkpoint).replace('\n656\n', '\n657\n')),
  ],
  [
    'the signature of the checkpoint',
    'checkpoint-invalid',
    (b) => b.put(bundlePaths.checkpoint, b.text(bundlePaths.checkpoint).replace(/^(— \S+ .{20})./m, '$1A')),
  ],
  [
    'the time of the checkpoint taken out',
    'time-missing',
    (b) => b.put(bundlePaths.checkpoint, b.text(bundlePaths.checkpoint).replace(/— \S+ \S+\n$/, '')),
  ],
  [
    'an older checkpoint of the same log',
    'entry-beyond-checkpoint',
    (b) => b.put(bundlePaths.checkpoint, b.older),
  ],
  [
    'a checkpoint that another key has signed',
    'checkpoint-invalid',
    (b) => b.put(bundlePaths.checkpoint, b.foreign.get(bundlePaths.checkpoint) ?? ''),
  ],
  [
    'another key, and everything signed with it',
    'key-changed',
    (b) => {
      for (const [path, bytes] of b.foreign) b.put(path, bytes);
    },
  ],
  ['the key taken out', 'key-missing', (b) => b.files.delete(bundlePaths.vkey)],
  [
    'a letter of the key',
    'key-missing',
    (b) => b.put(bundlePaths.vkey, flipped(b.bytes(bundlePaths.vkey), 3)),
  ],
  [
    "another gateway's log under the same sessions",
    'checkpoint-invalid',
    (b) => {
      for (const [path, bytes] of b.foreign) if (path.startsWith(bundlePaths.log)) b.put(path, bytes);
    },
  ],
  [
    'a session of another bundle',
    'event-not-logged',
    (b) => {
      for (const [path, bytes] of b.foreign) if (path.includes(one)) b.put(path, bytes);
      b.lines<EventLine>(events(one), (lines) => lines.map((line) => ({ ...line, index: line.index + 40 })));
    },
  ],
  [
    'a hash in the proof',
    'proof-invalid',
    (b) =>
      b.put(
        bundlePaths.exported,
        b.text(bundlePaths.exported).replace(/\nindex 655\n.{4}/, '\nindex 655\nAAAA'),
      ),
  ],
  [
    'the index in the proof',
    'proof-invalid',
    (b) => b.put(bundlePaths.exported, b.text(bundlePaths.exported).replace('index 655', 'index 654')),
  ],
  [
    'more than a proof in the proof',
    'proof-invalid',
    (b) =>
      b.put(bundlePaths.exported, b.text(bundlePaths.exported).replace('\nindex', '\nextra aGk=\nindex')),
  ],
  ['the proof taken out', 'proof-missing', (b) => b.files.delete(bundlePaths.exported)],
  ['the viewer taken out', 'viewer-missing', (b) => b.files.delete(bundlePaths.viewer)],
  [
    'the viewer replaced',
    'viewer-altered',
    (b) => b.put(bundlePaths.viewer, '<script>alert("all is well")</script>'),
  ],
  [
    'a letter of the viewer',
    'viewer-altered',
    (b) => b.put(bundlePaths.viewer, b.text(bundlePaths.viewer).replace('shows it', 'shows if')),
  ],
  [
    "the viewer's data moved within the page",
    'viewer-altered',
    (b) => {
      const text = b.text(bundlePaths.viewer);
      const [from, to] = [text.indexOf(viewerDataBegin), text.indexOf(viewerDataEnd) + viewerDataEnd.length];
      b.put(bundlePaths.viewer, `${text.slice(from, to)}${text.slice(0, from)}${text.slice(to)}`);
    },
  ],
  [
    "a script in the viewer's data",
    'viewer-data-altered',
    (b) =>
      b.put(
        bundlePaths.viewer,
        b
          .text(bundlePaths.viewer)
          .replace(`${viewerDataBegin}\n`, `${viewerDataBegin}\n<script>alert(1)</script>\n`),
      ),
  ],
  [
    "the viewer's data taken out",
    'viewer-data-altered',
    (b) => b.put(bundlePaths.viewer, b.text(bundlePaths.viewer).replace(/(id="bundle">\n)[^<]*/, '$1')),
  ],
  [
    "the viewer's data of another bundle",
    'viewer-data-altered',
    (b) => b.put(bundlePaths.viewer, b.foreign.get(bundlePaths.viewer) ?? ''),
  ],
];

describe('a bundle that was tampered with', () => {
  it.each(plain)('%s: %s', async (_what, code, act) => {
    const bundle = new Tampered(world);
    act(bundle);
    const found = await world.report(await zipOf(bundle.files));
    expect([found.ok, codesIn(found)]).toEqual([false, expect.arrayContaining([code])]);
    for (const { where, message } of found.problems) expect([where, message]).not.toContain('');
  });

  it('one bit of any file, and it is altered', async () => {
    const { files } = JSON.parse(
      Buffer.from(world.original.get(bundlePaths.manifest) ?? []).toString(),
    ) as BundleManifest;
    for (const { path, bytes } of files.filter((file) => file.bytes > 0)) {
      const bundle = new Tampered(world);
      bundle.put(path, flipped(bundle.bytes(path), Math.floor(bytes / 2)));
      expect([path, codesIn(await world.report(await zipOf(bundle.files)))]).toEqual([
        path,
        expect.arrayContaining(['file-altered']),
      ]);
    }
  });

  it("a file swapped in the viewer's copy: viewer-data-altered", async () => {
    for (const change of [
      (copy: Map<string, Buffer>) => copy.set('README.txt', Buffer.from('all is well')),
      (copy: Map<string, Buffer>) => copy.set('more.txt', Buffer.from('more')),
      (copy: Map<string, Buffer>) => copy.delete(bundlePaths.manifest),
      (copy: Map<string, Buffer>) =>
        copy.set(bundlePaths.entries, Buffer.from(world.foreign.get(bundlePaths.entries) ?? [])),
    ]) {
      const bundle = new Tampered(world);
      const [, data = ''] = /id="bundle">\n([^<]*)/.exec(bundle.text(bundlePaths.viewer)) ?? [];
      const copy = await unzipStrict(Buffer.from(data, 'base64'));
      change(copy);
      bundle.put(bundlePaths.viewer, Buffer.concat([...viewerText(viewer, await zipOf(copy))]));
      expect(codesIn(await world.report(await zipOf(bundle.files)))).toEqual(['viewer-data-altered']);
    }
  });

  it('any byte of any file, whatever it becomes: never unnoticed, and nothing is thrown', async () => {
    const paths = [...world.original.keys()].filter((path) => (world.original.get(path)?.length ?? 0) > 0);
    const byte = fc.tuple(fc.constantFrom(...paths), fc.nat(), fc.integer({ min: 1, max: 255 }));
    await fc.assert(
      fc.asyncProperty(byte, async ([path, place, flip]) => {
        const bundle = new Tampered(world);
        const bytes = bundle.bytes(path);
        const at = place % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        expect((await world.report(await zipOf(bundle.files))).ok).toBe(false);
      }),
      { numRuns: 150 },
    );
  });

  it('any byte of the ZIP: named, or every file reads as before', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(world.zip.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = Buffer.from(world.zip);
        bytes[at] = (bytes[at] ?? 0) ^ flip;
        if ((await world.report(bytes)).ok) expect(await unzipStrict(bytes)).toEqual(world.original);
      }),
      { numRuns: 150 },
    );
  });

  it('cut anywhere, or its parts in another order: named', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(world.zip.length - 1), fc.nat(world.zip.length - 1), async (at, to) => {
        const cut = world.zip.subarray(0, at);
        expect((await world.report(cut)).ok).toBe(false);
        const [low, high] = [Math.min(at, to), Math.max(at, to)];
        const moved = Buffer.concat([
          world.zip.subarray(0, low),
          world.zip.subarray(high),
          world.zip.subarray(low, high),
        ]);
        if (!moved.equals(world.zip)) expect((await world.report(moved)).ok).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('whatever stands in a file, the answer is a report', async () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
    const contents = [
      '\n'.repeat(1000),
      `${deep}\n`,
      `{"index":1,"event":{"kind":"statement.ended","x":${deep}}}\n`,
      `{"index":9007199254740993,"event":{}}\n`,
      '{"index":400,"event":{"__proto__":{"kind":"session.started"},"toString":1}}\n',
      '\ufeff{}\n',
      Buffer.from([0xff, 0xfe, 0x0a]),
      'x'.repeat(1_000_000),
    ];
    const paths = [
      bundlePaths.manifest,
      bundlePaths.entries,
      bundlePaths.context,
      bundlePaths.desktop(one),
      bundlePaths.checkpoint,
      bundlePaths.vkey,
      bundlePaths.exported,
      bundlePaths.viewer,
      events(one),
    ];
    for (const path of paths) {
      for (const content of contents) {
        const bundle = new Tampered(world);
        bundle.put(path, content);
        expect([path, (await world.report(await zipOf(bundle.files))).ok]).toEqual([path, false]);
      }
    }
    const bundle = new Tampered(world);
    // Frames without a record, by the hundred thousand.
    bundle.put(bundlePaths.content(one), Buffer.alloc(400_000));
    expect(codesIn(await world.report(await zipOf(bundle.files)))).toContain('content-altered');
  });

  it('what is refused as ZIP is named in the report', async () => {
    const cases: readonly [string, Buffer][] = [
      ['zip-cut', Buffer.concat([world.zip, Buffer.from('more')])],
      ['zip-gap', Buffer.concat([Buffer.from('more'), world.zip])],
      ['zip-gap', Buffer.concat([world.zip, world.zip])],
    ];
    for (const [code, bytes] of cases) {
      expect(await refusalOf(bytes)).toBe(code);
      const found = await world.report(bytes);
      expect([found.ok, codesIn(found), found.proved]).toEqual([false, [code], []]);
    }
  });
});
