import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSqlEngine, type SqlEngine } from '../../../gateway-core/agent/sql/index.js';
import { sqlLimits } from '../../../gateway-core/agent/sql/limits.js';
import type { SqlEngineOptions } from '../../../gateway-core/agent/sql/options.js';
import type { SqlRun } from '../../../gateway-core/contract/bridge/sql.js';
import { ConnectionName } from '../../../gateway-core/contract/ids.js';
import { eventually } from '../../eventually.js';
import { type ScriptedTarget, scriptedTarget, type Talk } from './scripted-target.js';
import { engineOptions } from './support.js';

let directory = '';
const engines: SqlEngine[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'throughline-engine-'));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((each) => each.close()));
  await rm(directory, { recursive: true, force: true });
});

interface Editor {
  readonly engine: SqlEngine;
  readonly call: SqlEngine['handlers'];
  readonly target: ScriptedTarget;
  readonly key: string;
  readonly told: { readonly name: string; readonly payload: unknown }[];
  /** Begins a run; answers its name. */
  readonly run: (text: string, rowsMax?: number) => Promise<string>;
  /** The run when it is as wanted. */
  readonly until: (name: string, state: SqlRun['state'], look?: (run: SqlRun) => boolean) => Promise<SqlRun>;
  /** Runs it to its end. */
  readonly finished: (text: string) => Promise<SqlRun>;
}

const shop = ConnectionName.parse('shop');
const over = new Set<SqlRun['state']>(['done', 'failed', 'cancelled']);

async function editor(
  answer: (sql: string, talk: Talk) => void,
  options: { readonly autocommit?: boolean; readonly engine?: Partial<SqlEngineOptions> } = {},
): Promise<Editor> {
  const target = scriptedTarget(answer);
  const told: Editor['told'] = [];
  const engine = createSqlEngine(
    engineOptions({
      openStream: target.openStream,
      detail: () =>
        Promise.resolve({ name: 'shop', protocol: 'postgres', labels: {}, access: 'allowed' } as Awaited<
          ReturnType<SqlEngineOptions['detail']>
        >),
      exportDirectory: () => directory,
      history: {
        directory,
        seal: (text) => Promise.resolve(btoa(text)),
        unseal: (text) => Promise.resolve(atob(text)),
      },
      emit: (name, payload) => void told.push({ name, payload }),
      ...options.engine,
    }),
  );
  engines.push(engine);
  const call = engine.handlers;
  const { key } = await call['sql.open']({ connection: shop, autocommit: options.autocommit ?? true });
  let runs = 0;
  const made: Editor = {
    engine,
    call,
    target,
    key,
    told,
    run: async (text, rowsMax = 1000) => {
      runs += 1;
      return (await call['sql.run']({ key, run: `run_${runs}`, text, rowsMax })).run;
    },
    until: (name, state, look = () => true) =>
      eventually(async () => {
        const run = await call['sql.runState']({ run: name });
        if (run.state !== state || !look(run)) throw new Error(`it is ${JSON.stringify(run)}`);
        return run;
      }),
    finished: async (text) => {
      const name = await made.run(text);
      return eventually(async () => {
        const run = await call['sql.runState']({ run: name });
        if (!over.has(run.state)) throw new Error(`it is ${run.state}`);
        return run;
      });
    },
  };
  return made;
}

const done = (talk: Talk, tag = 'SELECT 1'): void => void talk.tag(tag).ready().send();
const failed = { severity: 'ERROR', code: '22012', message: 'division by zero' } as const;

describe('a run that pauses', () => {
  it('is not paused any more when its last rows come with the row that pauses it', async () => {
    const { run, until, finished } = await editor((_, talk) => done(talk.columns('n').rows('1', '2', '3')));
    const { statements } = await until(await run('select 1; select 2', 2), 'done');
    expect(statements.map(({ result }) => [result?.rows, result?.state])).toEqual([
      [3, 'done'],
      [3, 'done'],
    ]);
    expect((await finished('select 3')).state).toBe('done');
  });

  it('loads on when more is asked for, and the next statement runs then', async () => {
    let rest: () => void = () => undefined;
    const { run, until, call, target } = await editor((sql, talk) => {
      if (sql !== 'select 1') return done(talk);
      talk.columns('n').rows('1', '2').send();
      rest = () => done(talk.rows('3'));
    });
    const name = await run('select 1; select 2', 2);
    const paused = await until(name, 'paused');
    rest();
    expect(paused.statements[0]?.result).toMatchObject({ rows: 2, state: 'paused' });
    await call['sql.more']({ result: paused.statements[0]?.result?.key ?? '', rowsMax: 10 });
    const ended = await until(name, 'done');
    expect(ended.statements[0]?.result).toMatchObject({ rows: 3, state: 'done' });
    expect(target.queries).toEqual(['select 1', 'select 2']);
  });

  it('gives the rest to an export, whatever the statements after it do', async () => {
    let rest: () => void = () => undefined;
    const { run, until, call, engine } = await editor((sql, talk) => {
      if (sql === 'select 1') {
        // The first mark comes before anybody asks for its row.
        talk
          .columns('n')
          .rows('1', '2')
          .marks({ cells: [2, 0] })
          .send();
        rest = () => {
          talk.rows('3').marks({ cells: [3, 0] });
          done(talk.rows('4'));
        };
      } else if (sql === 'select 2') talk.columns('n').rows('5', '6').send();
    });
    const name = await run('select 1; select 2', 2);
    const paused = await until(name, 'paused');
    const result = paused.statements[0]?.result?.key ?? '';
    const { id } = await call['exports.start']({ result, format: 'csv', name: 'all', view: false });
    await until(name, 'running');
    rest();
    const exported = await eventually(async () => {
      const found = (await call['exports.list']({})).find((each) => each.id === id);
      expect(found?.state).toBe('done');
      return found;
    });
    expect(exported).toMatchObject({ rows: 4, maskedCells: 2 });
    expect(await readFile(exported?.path ?? '', 'utf8')).toBe('n\r\n1\r\n2\r\n3\r\n4\r\n');
    const second = await until(name, 'paused', ({ statements }) => statements[1]?.result?.state === 'paused');
    expect(second.statements[0]?.result).toMatchObject({ rows: 2, state: 'cut' });
    await engine.close();
  });

  it('and is cancelled keeps what it has and drops the rest', async () => {
    let rest: () => void = () => undefined;
    const { run, until, call, key, target } = await editor((_, talk) => {
      talk.columns('n').rows('1', '2').send();
      rest = () =>
        void talk
          .rows('3')
          .report({ ...failed, code: '57014' })
          .ready()
          .send();
    });
    const name = await run('select 1; select 2', 2);
    await until(name, 'paused');
    await call['sql.cancel']({ key });
    expect(target.cancels).toBe(1);
    rest();
    const { statements } = await until(name, 'cancelled');
    expect(statements.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
    expect(statements[0]?.result).toMatchObject({ rows: 2, state: 'cut' });
  });
});

describe('what a statement says', () => {
  it('that it was cancelled only counts as such when somebody here has cancelled it', async () => {
    const { finished } = await editor(
      (_, talk) =>
        void talk
          .report({ ...failed, code: '57014', message: 'statement timeout' })
          .ready()
          .send(),
    );
    const { state, statements } = await finished('select 1; select 2');
    expect(state).toBe('failed');
    expect(statements.map((each) => each.state)).toEqual(['failed', 'skipped']);
  });

  it('is kept in a bounded number of notices, and its error always', async () => {
    const { finished } = await editor((_, talk) => {
      for (let count = 0; count < 500; count += 1)
        talk.report({ severity: 'NOTICE', code: '00000', message: `notice ${count}` });
      talk.report(failed).ready().send();
    });
    const [statement] = (await finished('select 1')).statements;
    expect(statement?.problems).toHaveLength(sqlLimits.problemsMax);
    expect(statement?.problemsCut).toBe(true);
    expect(statement?.problems.at(-1)).toMatchObject({ kind: 'error', code: '22012' });
  });

  it('is placed in the text of the run', async () => {
    const { finished } = await editor((sql, talk) =>
      sql.includes('nope')
        ? void talk
            .report({ ...failed, position: 13 })
            .ready()
            .send()
        : done(talk),
    );
    const text = "select '😀';\n select '😀', nope";
    const { statements } = await finished(text);
    expect(statements[1]?.problems[0]?.offset).toBe(text.indexOf('nope'));
  });

  it('that PostgreSQL cannot be sent is told, and the session goes on', async () => {
    const { finished, target } = await editor((_, talk) => done(talk));
    const { state, statements } = await finished("select 'a\0b'");
    expect(state).toBe('failed');
    expect(statements[0]?.problems[0]).toMatchObject({ severity: 'ERROR' });
    expect(statements[0]?.problems[0]?.message).toContain('NUL');
    expect((await finished('select 1')).state).toBe('done');
    expect(target.queries).toEqual(['select 1']);
  });
});

describe('marks that are not understood', () => {
  it.each([{ cells: ['a'] }, { cells: [-1, 0] }, { columns: [1] }, {}, 'text'])(
    'end the session before any row is shown: %j',
    async (marks) => {
      const { finished, call } = await editor((_, talk) => done(talk.marks(marks).columns('n').rows('1')));
      const { state, statements } = await finished('select 1');
      expect(state).toBe('failed');
      expect(statements[0]?.result).toBeUndefined();
      expect((await call['sql.sessions']({}))[0]?.state).toBe('closed');
    },
  );
});

describe('COPY', () => {
  it('to us is rows of one column, bounded as others are', async () => {
    let rest: () => void = () => undefined;
    const { run, until, call } = await editor((_, talk) => {
      talk.copyOut().lines('a\t1', 'b\t2').send();
      rest = () => void talk.lines('c\t3').tag('COPY 3').ready().send();
    });
    const name = await run('copy t to stdout', 2);
    const paused = await until(name, 'paused');
    rest();
    const result = paused.statements[0]?.result?.key ?? '';
    await call['sql.more']({ result, rowsMax: 5 });
    expect((await until(name, 'done')).statements[0]?.result).toMatchObject({ rows: 3, state: 'done' });
    expect((await call['sql.rows']({ result, from: 0, count: 9 })).rows).toEqual([
      ['a\t1'],
      ['b\t2'],
      ['c\t3'],
    ]);
  });

  it('from us ends at once with a reason and what to do, and is not told as cancelled', async () => {
    const { finished, target } = await editor((_, talk) => void talk.copyIn().send());
    const { state, statements } = await finished('copy t from stdin');
    expect(state).toBe('failed');
    expect(statements[0]?.problems[0]?.message).toContain('psql');
    expect(target.copyFailures).toHaveLength(1);
  });
});

describe('a session', () => {
  it('without autocommit opens a transaction before the first statement, and only then', async () => {
    let open = false;
    const { finished, call, key, target } = await editor(
      (sql, talk) => {
        if (sql === 'BEGIN') open = true;
        if (sql === 'COMMIT') open = false;
        talk
          .tag(sql === 'BEGIN' ? 'BEGIN' : 'SELECT 1')
          .ready(open ? 'T' : 'I')
          .send();
      },
      { autocommit: false },
    );
    await finished('/* first */ vacuum');
    await finished('select 1; select 2');
    const { transaction } = await call['sql.transaction']({ key, end: 'commit' });
    expect(transaction).toBe('idle');
    await call['sql.explain']({ key, text: 'delete from t', analyze: true });
    expect(target.queries).toEqual([
      '/* first */ vacuum',
      'BEGIN',
      'select 1',
      'select 2',
      'COMMIT',
      'BEGIN',
      'EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS) delete from t',
    ]);
  });

  it('whose BEGIN is refused does not run the statement, and tells why', async () => {
    const { finished, target } = await editor(
      (_, talk) =>
        void talk
          .report({
            severity: 'ERROR',
            code: '42501',
            message: 'throughline: not now',
            detail: 'Policy: nights (version abc).',
            hint: 'come back in the morning',
          })
          .ready()
          .send(),
      { autocommit: false },
    );
    const { statements } = await finished('select 1');
    expect(statements[0]).toMatchObject({
      state: 'failed',
      problems: [{ message: 'not now', denied: { policy: 'nights', action: 'come back in the morning' } }],
    });
    expect(target.queries).toEqual(['BEGIN']);
  });

  it('that ends tells the reason without prefix, what to do, and holds no transaction', async () => {
    const { finished, call, told, key } = await editor((sql, talk) => {
      if (sql === 'begin') return void talk.tag('BEGIN').ready('T').send();
      // Some servers say FATAL in another language.
      talk.report({
        severity: 'FATAL',
        code: '57P01',
        message: 'throughline: revoked by an admin',
        hint: 'ask',
      });
      talk.send().end();
    });
    await finished('begin');
    const { state, statements } = await finished('select 1; select 2');
    expect(state).toBe('failed');
    expect(statements.map((each) => each.state)).toEqual(['failed', 'skipped']);
    const [session] = await eventually(async () => {
      const found = await call['sql.sessions']({});
      expect(found[0]?.state).toBe('closed');
      return found;
    });
    expect(session).toMatchObject({
      key,
      transaction: 'idle',
      problem: { code: 'session-ended', message: 'revoked by an admin', action: 'ask' },
    });
    expect(told.findLast(({ name }) => name === 'sql.session')?.payload).toEqual(session);
  });

  it('that is connected again twice at once gets one connection', async () => {
    const { call, key, target } = await editor((_, talk) => talk.end());
    await call['sql.run']({ key, run: 'run_0', text: 'select 1', rowsMax: 1 });
    await eventually(async () => expect((await call['sql.sessions']({}))[0]?.state).toBe('closed'));
    const again = await Promise.all([call['sql.reconnect']({ key }), call['sql.reconnect']({ key })]);
    expect(again.map(({ state }) => state)).toEqual(['ready', 'ready']);
    expect(target.streams).toHaveLength(2);
  });

  it('that is still connecting when the person signs out does not open any more', async () => {
    const { engine, call, target } = await editor((_, talk) => done(talk));
    const opening = call['sql.open']({ connection: shop, autocommit: true });
    engine.closeSessions({ code: 'not-signed-in', message: 'you have signed out' });
    await expect(opening).rejects.toMatchObject({ message: 'you have signed out' });
    await eventually(() => expect(target.streams.every((each) => each.writableEnded)).toBe(true));
  });

  it('takes one run at a time', async () => {
    const { run, call, key } = await editor(() => undefined);
    await run('select pg_sleep(1)');
    await expect(run('select 2')).rejects.toMatchObject({ code: 'conflict' });
    await expect(call['sql.explain']({ key, text: 'select 1', analyze: false })).rejects.toMatchObject({
      code: 'conflict',
    });
  });
});

describe('a run that is disposed of', () => {
  it('while it runs is told of no more, and its results are gone', async () => {
    const { run, until, call, told } = await editor((sql, talk) => {
      if (sql === 'select 1') talk.columns('n').rows('1', '2').send();
      else done(talk);
    });
    const name = await run('select 1', 2);
    const paused = await until(name, 'paused');
    const result = paused.statements[0]?.result?.key ?? '';
    await call['sql.dispose']({ run: name });
    told.length = 0;
    const other = await editor((_, talk) => done(talk));
    await other.finished('select 2');
    await eventually(() => expect(other.told.some(({ name: event }) => event === 'sql.run')).toBe(true));
    expect(told.filter(({ name: event }) => event === 'sql.run')).toEqual([]);
    const rows = Promise.resolve().then(() => call['sql.rows']({ result, from: 0, count: 1 }));
    await expect(rows).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('closing the app', () => {
  it('ends what runs, and the history knows how each run ended', async () => {
    const { run, finished, engine, call, target } = await editor((sql, talk) => {
      if (sql === 'select 1') done(talk);
    });
    await finished('select 1');
    await run('select pg_sleep(1000)');
    await engine.close();
    await eventually(() => expect(target.streams[0]?.destroyed).toBe(true));
    const entries = await call['history.list']({ text: '', count: 10 });
    expect(entries.map(({ text, state }) => [text, state])).toEqual([
      ['select pg_sleep(1000)', 'error'],
      ['select 1', 'ok'],
    ]);
  });
});

describe('the schema', () => {
  it('has a name for each schema of the search path, whatever is in the name', async () => {
    const { call } = await editor((sql, talk) =>
      done(sql.includes('current_schemas') ? talk.columns('n').rows('a,b', 'public') : talk.columns('n')),
    );
    expect((await call['schema.read']({ connection: shop, refresh: false })).searchPath).toEqual([
      'a,b',
      'public',
    ]);
  });

  it('is asked for once for all who wait, and again after it failed', async () => {
    let fail = true;
    const { call, target } = await editor((_, talk) =>
      fail ? void talk.report(failed).ready().send() : done(talk.columns('n')),
    );
    const read = (): Promise<unknown> => call['schema.read']({ connection: shop, refresh: false });
    const both = await Promise.allSettled([read(), read()]);
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(target.queries).toHaveLength(1);
    fail = false;
    await read();
    await read();
    expect(target.queries).toHaveLength(4);
    expect(target.streams).toHaveLength(2);
  });
});
