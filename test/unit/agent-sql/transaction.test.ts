import { expect, it } from 'vitest';
import { needsTransaction } from '../../../gateway-core/agent/sql/transaction.js';

it('what begins or ends a transaction itself, or cannot run in one, needs none opened for it', () => {
  for (const text of [
    'begin',
    '-- first\n/* then */ BEGIN ISOLATION LEVEL serializable',
    'start transaction',
    'commit and chain',
    'end',
    'rollback to a',
    'abort',
    "prepare transaction 'a'",
    'vacuum (full) t',
    'cluster',
    'discard all',
    'alter system set a = 1',
    'create /* new */ database a',
    'drop\n\tdatabase a',
    'create tablespace a location b',
    'create unique index concurrently a on t (b)',
    'drop index concurrently a',
    'reindex (verbose) table concurrently t',
    'reindex database a',
  ])
    expect(needsTransaction(text), text).toBe(false);
});

it('all else does, also what only begins like it', () => {
  for (const text of [
    'select 1',
    'insert into begin values (1)',
    'beginning',
    'commit_log()',
    'prepare a as select 1',
    'savepoint a',
    'create index a on t (b)',
    'cluster t',
    'discard plans',
    'reindex table t',
    'alter table system add a int',
    "/* begin */ select '-- commit'",
    `/*${'x'.repeat(5000)}*/ delete from t`,
  ])
    expect(needsTransaction(text), text).toBe(true);
});
