import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLeaf } from '../../../gateway-core/audit/leaf.js';
import { leafOf } from '../../../gateway-core/audit/leaf-of.js';
import { PostgresContent, searchableText } from '../../../gateway-core/codec/postgres/content.js';
import type { AuditEvent } from '../../../gateway-core/contract/events.js';
import {
  matchExpression,
  parseQuery,
  textMatches,
  tokensOf,
} from '../../../gateway-core/server/sealer/search-text.js';
import { errorMessage, rowMessages } from '../../sim/sealer-journal.js';

const value = fc.option(fc.string({ unit: 'grapheme', maxLength: 20 }));

describe('recorded PostgreSQL content', () => {
  it('reads the same wherever records cut it', () => {
    const rows = fc.array(fc.tuple(value, value), { maxLength: 8 });
    fc.assert(
      fc.property(rows, fc.array(fc.nat(), { maxLength: 6 }), (values, cuts) => {
        const bytes = rowMessages(['a', 'b'], values);
        const places = [0, ...cuts.map((cut) => cut % bytes.length).sort((a, b) => a - b), bytes.length];
        const content = new PostgresContent();
        const items = places
          .slice(1)
          .flatMap((end, index) => [...content.items('rows', bytes.subarray(places[index], end))]);
        expect(items).toEqual([
          { kind: 'columns', columns: ['a', 'b'] },
          ...values.map((row) => ({ kind: 'row', values: row })),
        ]);
      }),
    );
  });

  it('never throws on other bytes, and says that it cannot read them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 200 }), (bytes) => {
        const content = new PostgresContent();
        for (const stream of ['rows', 'messages', 'copy-in', 'copy-out'] as const) {
          expect([...content.items(stream, Buffer.from(bytes))]).toBeInstanceOf(Array);
          expect([...content.end()].length).toBeLessThan(3);
          expect(typeof searchableText(stream, Buffer.from(bytes))).toBe('string');
        }
      }),
    );
    const [item] = new PostgresContent().items('rows', Buffer.from('no protocol at all'));
    expect(item).toMatchObject({ kind: 'problem', code: 'content-unreadable' });
    const cut = new PostgresContent();
    expect([...cut.items('rows', rowMessages(['a'], [['b']]).subarray(0, -1))]).toHaveLength(1);
    expect([...cut.end()]).toMatchObject([{ kind: 'problem', code: 'content-cut' }]);
  });

  it('can be found by every word of every value and message', () => {
    const content = Buffer.concat([
      rowMessages(
        ['a', 'b'],
        [
          ['Ärger im Büro', null],
          ['x1', 'y-2'],
        ],
      ),
      errorMessage('no such table'),
    ]);
    const words = tokensOf(searchableText('rows', content));
    expect(words).toEqual(
      expect.arrayContaining(['arger', 'im', 'buro', 'x1', 'y', '2', 'no', 'such', 'table']),
    );
  });
});

describe('a search query', () => {
  it('becomes quoted words and nothing else, whatever is in it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        const query = parseQuery(text);
        if (query === undefined) return;
        expect(matchExpression(query)).toMatch(/^"[^"\s]+"( AND "[^"\s]+")*$/);
      }),
    );
  });

  it('matches the text that it was taken from', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) => {
        const quoted = parseQuery(`"${text.replaceAll('"', ' ')}"`);
        if (quoted !== undefined) expect(textMatches(quoted, text)).toBe(true);
      }),
    );
  });
});

describe('a leaf', () => {
  it('is made of every event, however long its lists and texts are, and always the same', () => {
    const event = {
      v: 1,
      at: '2026-11-20T12:00:00.000Z',
      node: 'node-1',
      kind: 'identity.signed-in',
      principal: 'demo/admin',
      groups: Array.from({ length: 5000 }, (_, index) => `group-${index}-${'ü'.repeat(100)}`),
      method: 'browser',
      signIn: 'sgn_1',
    } as unknown as AuditEvent;
    const leaf = leafOf(event, 7, () => Buffer.alloc(16));
    expect(leaf.length).toBeLessThanOrEqual(65_535);
    expect(leafOf(event, 7, () => Buffer.alloc(16))).toEqual(leaf);
    const parsed = parseLeaf(leaf);
    expect(parsed).toMatchObject({ kind: 'identity.signed-in', pos: 7 });
    expect(parsed?.kind === 'identity.signed-in' ? parsed.groups.at(-1) : '').toBe('…');
  });
});
