import { beforeAll, describe, expect, it } from 'vitest';
import { parseLeaf } from '../../../gateway-core/audit/leaf.js';
import { bundlePaths, type EntryLine, type EventLine } from '../../../gateway-core/contract/evidence.js';
import type { DesktopLine } from '../../../gateway-core/contract/local-record.js';
import { policyVersion } from './bundle-world.js';
import {
  changed,
  codesIn,
  events,
  flipped,
  one,
  type Piece,
  swap,
  Tampered,
  type Tampering,
  type TamperWorld,
  tamperWorld,
  two,
  without,
  withPayload,
} from './tampered.js';
import { zipOf } from './zip-files.js';

/** What somebody who lacks the log's key may do to the sessions of a bundle, each named by what it is. */
let world: TamperWorld;
beforeAll(async () => {
  world = await tamperWorld();
});

/** Each also has its manifest made to fit, so that its own code is what names it. */
const rehashed: readonly Tampering[] = [
  [
    'the text of a statement',
    'event-altered',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 1, (line) => withPayload(line, { text: 'select 1' })),
      ),
  ],
  [
    'a parameter of a statement',
    'event-altered',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 1, (line) => withPayload(line, { parameters: ['8', null] })),
      ),
  ],
  [
    'the decision on a statement',
    'event-altered',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 3, (line) => ({ ...line, event: { ...line.event, decision: 'allowed' } })),
      ),
  ],
  [
    'the time of an event',
    'event-altered',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 1, (line) => ({ ...line, event: { ...line.event, at: '2026-11-20T12:00:00.999Z' } })),
      ),
  ],
  [
    'the person behind a session',
    'event-altered',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 0, (line) => ({
          ...line,
          event: JSON.parse(
            JSON.stringify(line.event).replaceAll('demo/engineer', 'demo/somebody'),
          ) as EventLine['event'],
        })),
      ),
  ],
  [
    'the salt of a payload',
    'event-altered',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 1, (line) => ({ ...line, salt: 'ab'.repeat(16) })),
      ),
  ],
  [
    'a payload taken out, its hash left',
    'payload-missing',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 1, ({ index, event }) => ({
          index,
          event: { ...event, payload: undefined, payloadHash: payloadHash(b, index) },
        })),
      ),
  ],
  ['an event dropped', 'event-missing', (b) => b.lines<EventLine>(events(one), (lines) => without(lines, 3))],
  [
    'two events swapped',
    'events-reordered',
    (b) => b.lines<EventLine>(events(one), (lines) => swap(lines, 3, 4)),
  ],
  [
    'an event twice',
    'event-repeated',
    (b) => b.lines<EventLine>(events(one), (lines) => [...lines.slice(0, 4), ...lines.slice(3)]),
  ],
  [
    'an event made up',
    'event-not-logged',
    (b) => b.lines<EventLine>(events(one), (lines) => [...lines, { ...(lines[3] as EventLine), index: 500 }]),
  ],
  [
    'an event under the index of another',
    'event-altered',
    (b) =>
      b.lines<EventLine>(events(one), (lines) =>
        changed(lines, 3, (line) => ({ ...line, index: line.index + 1 })),
      ),
  ],
  [
    "an event moved into another session's file",
    'event-misplaced',
    (b) => {
      let moved: EventLine | undefined;
      b.lines<EventLine>(events(one), (lines) => {
        moved = lines[3];
        return without(lines, 3);
      });
      b.lines<EventLine>(events(two), (lines) => [moved as EventLine, ...lines]);
    },
  ],
  [
    "a session's event among those outside of sessions",
    'event-misplaced',
    (b) => {
      const line = b.text(events(one)).split('\n')[3] ?? '';
      b.put(bundlePaths.context, `${b.text(bundlePaths.context)}${line}\n`);
    },
  ],
  ['a line that is no event', 'event-invalid', (b) => b.put(events(one), `${b.text(events(one))}{}\n`)],
  ['the last newline cut off', 'event-invalid', (b) => b.put(events(one), b.text(events(one)).trimEnd())],
  [
    'the event files of two sessions swapped',
    'event-misplaced',
    (b) => swapFiles(b, events(one), events(two)),
  ],
  [
    'what the sessions rest on dropped',
    'event-missing',
    (b) => b.lines<EventLine>(bundlePaths.context, (lines) => without(lines, 0)),
  ],
  [
    'a value in a result',
    'content-altered',
    (b) =>
      b.content(one, (all) =>
        changed(all, 0, (record) => ({ ...record, bytes: flipped(record.bytes, record.bytes.length - 1) })),
      ),
  ],
  ['a row left out', 'content-altered', (b) => b.content(one, (all) => without(all, 1))],
  [
    'a row given twice',
    'content-altered',
    (b) =>
      b.content(one, (all) =>
        changed(all, 1, (record) => ({ ...record, bytes: Buffer.concat([record.bytes, record.bytes]) })),
      ),
  ],
  [
    'a result moved to another statement',
    'content-altered',
    (b) => b.content(one, (all) => all.map((record) => (record.seq === 5 ? { ...record, seq: 4 } : record))),
  ],
  [
    'content that no statement returned',
    'content-unbound',
    (b) =>
      b.content(one, (all) => [
        ...all,
        { ...(all[0] as Piece), position: (all.at(-1) as Piece).position + 50, seq: 8 },
      ]),
  ],
  [
    'content after the outcome of its statement',
    'content-unbound',
    (b) =>
      b.content(one, (all) => [
        ...all,
        { ...(all[0] as Piece), position: (all.at(-1) as Piece).position + 50, seq: 1 },
      ]),
  ],
  ['content out of order', 'content-reordered', (b) => b.content(one, (all) => swap(all, 0, 1))],
  [
    'content cut in a frame',
    'content-invalid',
    (b) => b.put(bundlePaths.content(one), b.bytes(bundlePaths.content(one)).subarray(0, -3)),
  ],
  [
    'a frame of four gigabytes',
    'content-invalid',
    (b) => b.put(bundlePaths.content(one), Buffer.alloc(8, 0xff)),
  ],
  ['all content taken out', 'content-altered', (b) => b.put(bundlePaths.content(one), '')],
  [
    'the hash of a block of the raw stream',
    'content-altered',
    (b) =>
      b.content(one, (all) =>
        all.map((record) =>
          record.stream === 'wire' ? { ...record, bytes: flipped(record.bytes, 9) } : record,
        ),
      ),
  ],
  [
    'more than a hash in a block',
    'content-invalid',
    (b) =>
      b.content(one, (all) =>
        all.map((record) =>
          record.stream === 'wire'
            ? { ...record, bytes: Buffer.concat([record.bytes, record.bytes.subarray(0, 1)]) }
            : record,
        ),
      ),
  ],
  [
    'the content files of two sessions swapped',
    'content-altered',
    (b) => swapFiles(b, bundlePaths.content(one), bundlePaths.content(two)),
  ],
  [
    'a file of a session taken out, of the manifest too',
    'session-missing',
    (b) => b.files.delete(bundlePaths.content(one)),
  ],
  [
    'a session taken out of the manifest',
    'session-unlisted',
    (b) => b.manifest((m) => void (m.sessions = m.sessions.filter(({ id }) => id !== one))),
  ],
  [
    'a session taken out altogether',
    'event-missing',
    (b) => {
      b.manifest((m) => void (m.sessions = m.sessions.filter(({ id }) => id !== one)));
      for (const path of b.files.keys()) if (path.includes(one)) b.files.delete(path);
    },
  ],
  [
    'a session that is not of the subject',
    'session-foreign',
    (b) => b.manifest((m) => void (m.subject = { kind: 'agent', id: 'demo/nobody' })),
  ],
  [
    'how many statements a session had',
    'session-differs',
    (b) => b.manifest((m) => void ((m.sessions[0] as { statements: number }).statements = 6)),
  ],
  [
    'who the manifest says that it was',
    'session-differs',
    (b) => b.manifest((m) => void ((m.sessions[0] as { principal: string }).principal = 'demo/somebody')),
  ],
  [
    'a verdict that no comparison gave',
    'session-differs',
    (b) =>
      b.manifest((m) => void ((m.sessions[1] as { corroboration: string }).corroboration = 'corroborated')),
  ],
  [
    'a policy text',
    'policy-altered',
    (b) => b.put(bundlePaths.policy(policyVersion), 'permit (principal, action, resource);\n'),
  ],
  ['a policy taken out', 'policy-missing', (b) => b.files.delete(bundlePaths.policy(policyVersion))],
  [
    "a record of the desktop's",
    'desktop-altered',
    (b) =>
      b.lines<DesktopLine>(bundlePaths.desktop(one), (lines) =>
        changed(lines, 0, (line) => ({ ...line, record: line.record.replace('attributed', 'unattributed') })),
      ),
  ],
  [
    "a record of the desktop's taken out",
    'desktop-altered',
    (b) => b.lines<DesktopLine>(bundlePaths.desktop(one), (lines) => without(lines, 3)),
  ],
  [
    "the desktop's sums",
    'desktop-differs',
    (b) =>
      b.lines<DesktopLine>(bundlePaths.desktop(one), (lines) =>
        changed(lines, 3, (line) => ({ ...line, record: line.record.replace('"bytes":900', '"bytes":800') })),
      ),
  ],
  [
    "the desktop's records of another session",
    'desktop-invalid',
    (b) =>
      b.lines<DesktopLine>(bundlePaths.desktop(one), (lines) =>
        lines.map((line) => ({ ...line, record: line.record.replaceAll(one, two) })),
      ),
  ],
  [
    'a record that is none',
    'desktop-invalid',
    (b) =>
      b.lines<DesktopLine>(bundlePaths.desktop(one), (lines) =>
        changed(lines, 1, (line) => ({ ...line, record: '{}' })),
      ),
  ],
];

function swapFiles(b: Tampered, first: string, second: string): void {
  const bytes = b.bytes(first);
  b.put(first, b.bytes(second));
  b.put(second, bytes);
}

function payloadHash(b: Tampered, index: number): unknown {
  const entry = b
    .text(bundlePaths.entries)
    .split('\n')
    .find((line) => line.startsWith(`{"index":${index},`));
  const { leaf } = JSON.parse(entry ?? '{}') as EntryLine;
  return (parseLeaf(Buffer.from(leaf)) as unknown as Record<string, unknown>)['payloadHash'];
}

describe('sessions that were tampered with', () => {
  it.each(rehashed)('%s, and the manifest made to fit: %s', async (_what, code, act) => {
    const bundle = new Tampered(world);
    act(bundle);
    bundle.rehash();
    const found = await world.report(await zipOf(bundle.files));
    expect(codesIn(found)).toContain(code);
    expect(codesIn(found)).toContain('manifest-not-logged');
    expect([found.ok, found.proved]).toEqual([false, []]);
  });
});
