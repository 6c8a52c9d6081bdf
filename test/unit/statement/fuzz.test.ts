import { beforeAll, expect, test } from 'vitest';
import {
  analyseLineage,
  compileMaskTargets,
  effectiveAction,
  fingerprintShape,
  loadParser,
  maskedText,
  parseStatements,
} from '../../../gateway-core/codec/postgres/statement/index.js';
import { catalog, patterns, statements } from './corpus.js';

beforeAll(loadParser);

/** A small generator (mulberry32), so that a seed alone repeats a run. */
function generator(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const noise = [
  "'",
  '"',
  '$$',
  '--',
  '/*',
  '*/',
  '(',
  ')',
  '[',
  ';',
  '\\',
  '\0',
  '\n',
  'é',
  '😀',
  '\ud800',
  ' as ',
  ',',
];

function mutated(random: (below: number) => number): string {
  let sql = statements[random(statements.length)] ?? '';
  for (let change = random(4); change >= 0; change -= 1) {
    const at = random(sql.length + 1);
    const other = statements[random(statements.length)] ?? '';
    const from = random(other.length);
    const piece = [
      '',
      noise[random(noise.length)] ?? '',
      other.slice(from, from + random(20)),
      sql.slice(at, at + random(12)).repeat(random(30)),
    ][random(4)];
    sql = sql.slice(0, at) + (piece ?? '') + sql.slice(at + random(6));
  }
  return sql;
}

test('no text throws, hangs the analysis, or spoils the parser for the next one', async () => {
  const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000_000);
  console.log(`fuzz seed ${seed} (set FUZZ_SEED to repeat)`);
  const random = generator(seed);
  const targets = compileMaskTargets(catalog, patterns);
  const session = { searchPath: ['public'], temporary: new Map<string, 'clean'>() };
  let accepted = 0;
  for (let round = 0; round < 4000; round += 1) {
    const sql = mutated(random);
    const context = `seed ${seed}, round ${round}: ${JSON.stringify(sql)}`;
    fingerprintShape(sql);
    const parsed = parseStatements(sql);
    if (!parsed.ok) {
      if (parsed.literals !== undefined) maskedText(sql, parsed.literals, () => true);
      continue;
    }
    accepted += 1;
    for (const statement of parsed.statements) {
      const { span, literals } = statement.facts;
      expect(span.start < span.end && span.end <= sql.length, context).toBe(true);
      expect(
        literals.every(({ start, end }) => start >= span.start && end <= span.end && start < end),
        context,
      ).toBe(true);
      const found = analyseLineage(statement, targets, session);
      expect(found.outputPatterns, context).toHaveLength(found.outputs.columns.length);
      effectiveAction(statement, targets);
      expect(maskedText(sql, literals, 'all'), context).not.toContain('\0');
    }
  }
  await loadParser();
  expect(accepted).toBeGreaterThan(200);
  expect(parseStatements("select a, 'b' from c")).toMatchObject({
    ok: true,
    statements: [{ facts: { action: 'sql:read' } }],
  });
});
