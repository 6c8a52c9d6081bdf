import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeptResult, ShownResult } from '../../../gateway-core/agent/recording/session.js';
import { createSqlEngine, type SqlEngine } from '../../../gateway-core/agent/sql/index.js';
import type { SqlEngineOptions } from '../../../gateway-core/agent/sql/options.js';
import { ConnectionName } from '../../../gateway-core/contract/ids.js';
import { eventually } from '../../eventually.js';
import { scriptedTarget, type Talk } from './scripted-target.js';
import { dataRow, engineOptions } from './support.js';

let directory = '';
let engine: SqlEngine;
const shown: ShownResult[] = [];
const kept: KeptResult[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throughline-shown-'));
  shown.length = 0;
  kept.length = 0;
});
afterEach(async () => {
  await engine.close();
  await rm(directory, { recursive: true, force: true });
});

/** Runs one text to its end. */
async function run(answer: (sql: string, talk: Talk) => void, text: string) {
  const target = scriptedTarget(answer);
  const detail = { name: 'shop', protocol: 'postgres', labels: {}, access: 'allowed' };
  engine = createSqlEngine(
    engineOptions({
      openStream: target.openStream,
      recorded: () => ({
        shown: (result) => void shown.push(result),
        kept: (result) => void kept.push(result),
      }),
      detail: () => Promise.resolve(detail as Awaited<ReturnType<SqlEngineOptions['detail']>>),
      exportDirectory: () => directory,
      history: {
        directory,
        seal: (line) => Promise.resolve(btoa(line)),
        unseal: (line) => Promise.resolve(atob(line)),
      },
    }),
  );
  const call = engine.handlers;
  const { key } = await call['sql.open']({ connection: ConnectionName.parse('shop'), autocommit: true });
  await eventually(async () => {
    await call['sql.run']({ key, run: 'run_1', text, rowsMax: 1000 });
  });
  return eventually(async () => {
    const state = await call['sql.runState']({ run: 'run_1' });
    expect(['done', 'failed']).toContain(state.state);
    return state;
  });
}

const hashOf = (...rows: string[]): string => {
  const hash = createHash('sha256');
  for (const row of rows) hash.update(dataRow([row]));
  return hash.digest('hex');
};

describe('what a person was shown', () => {
  it('is noted for each result with columns, by the bytes of its rows as they came', async () => {
    const answers: Record<string, (talk: Talk) => Talk> = {
      'select 1': (talk) => talk.columns('a').rows('one', 'two').tag('SELECT 2'),
      'update t set a = 1': (talk) => talk.tag('UPDATE 1'),
      'select 2': (talk) => talk.columns('a').tag('SELECT 0'),
      'select 3': (talk) =>
        talk.columns('a').rows('three').report({ severity: 'ERROR', code: '57014', message: 'stopped' }),
    };
    const texts = Object.keys(answers);
    await run((sql, talk) => {
      const answered = answers[sql]?.(talk) ?? talk.tag('SELECT 0');
      answered.ready().send();
    }, texts.join(';\n'));
    expect(shown).toEqual([
      { result: 1, columns: 1, rows: 2, sha256: hashOf('one', 'two'), complete: true },
      { result: 2, columns: 1, rows: 0, sha256: hashOf(), complete: true },
      { result: 3, columns: 1, rows: 1, sha256: hashOf('three'), complete: false },
    ]);
  });

  it('is noted once more when it is kept as a file, by the bytes of that file', async () => {
    const state = await run((sql, talk) => {
      const rows = sql === 'select 2' ? ['x', 'y'] : ['z'];
      talk
        .columns('a')
        .rows(...rows)
        .tag(`SELECT ${rows.length}`)
        .ready()
        .send();
    }, 'select 1;\nselect 2');
    const result = state.statements[1]?.result?.key ?? '';
    await engine.handlers['exports.start']({ result, format: 'csv', name: 'rows', view: false });
    await eventually(() => expect(kept.length).toBe(1));
    const bytes = await readFile(join(directory, 'rows.csv'));
    expect(kept).toEqual([
      {
        result: 2,
        format: 'csv',
        rows: 2,
        bytes: bytes.length,
        sha256: createHash('sha256').update(bytes).digest('hex'),
      },
    ]);
  });
});
