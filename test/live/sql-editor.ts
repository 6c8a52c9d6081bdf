import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Gateway } from '../../gateway-core/agent/client/gateway.js';
import { seal, unseal } from '../../gateway-core/agent/client/seal.js';
import { detailOf } from '../../gateway-core/agent/service/tunnels.js';
import { createSqlEngine, type SqlEngine } from '../../gateway-core/agent/sql/index.js';
import type { CallOutput } from '../../gateway-core/contract/bridge/calls.js';
import { calls } from '../../gateway-core/contract/bridge/calls.js';
import {
  pageRowsMax,
  type SqlProblem,
  type SqlRun,
  type SqlSession,
} from '../../gateway-core/contract/bridge/sql.js';
import type { ExportView } from '../../gateway-core/contract/bridge/work.js';
import { ConnectionName } from '../../gateway-core/contract/ids.js';
import { type Scope, until } from './processes.js';

/** The app's SQL client without its windows: the engine of the agent process on a real gateway. */
export interface Editor {
  readonly engine: SqlEngine;
  readonly call: SqlEngine['handlers'];
  /** Holds the exports and the sealed history. */
  readonly directory: string;
  readonly open: (connection: string, autocommit?: boolean) => Promise<Tab>;
}

/** One SQL session, as a tab of the window uses it. */
export interface Tab {
  readonly key: string;
  readonly view: () => Promise<SqlSession>;
  readonly start: (text: string, rowsMax?: number) => Promise<string>;
  /** The run as soon as it is in one of these states. */
  readonly reached: (run: string, ...states: SqlRun['state'][]) => Promise<SqlRun>;
  /** Runs a text until it is over, or paused. */
  readonly run: (text: string, rowsMax?: number) => Promise<SqlRun>;
  /** Runs one statement; answers all rows that are loaded. */
  readonly rows: (text: string) => Promise<(string | null)[][]>;
}

export function openEditor(scope: Scope, gateway: Gateway): Editor {
  const directory = scope.directory();
  const key = randomBytes(32);
  const engine = createSqlEngine({
    openStream: (connection) => gateway.openStream(connection),
    detail: (connection) => detailOf(gateway, connection),
    emit: () => undefined,
    exportDirectory: () => directory,
    history: {
      directory,
      seal: (text) => Promise.resolve(seal(key, 'history', text).toString('base64')),
      unseal: (text) => Promise.resolve(unseal(key, 'history', Buffer.from(text, 'base64'))),
    },
    principal: () => gateway.principal,
    nowMs: () => Date.now(),
  });
  scope.onClose(() => engine.close());
  const call = engine.handlers;
  const open: Editor['open'] = async (connection, autocommit = true) => {
    const { key: session } = await call['sql.open']({
      connection: ConnectionName.parse(connection),
      autocommit,
    });
    return tabOf(call, session);
  };
  return { engine, call, directory, open };
}

let runs = 0;

function tabOf(call: SqlEngine['handlers'], key: string): Tab {
  const start: Tab['start'] = async (text, rowsMax = 1_000_000) => {
    runs += 1;
    return (await call['sql.run']({ key, run: `run_${runs}`, text, rowsMax })).run;
  };
  const reached: Tab['reached'] = (name, ...states) =>
    until(`the run is ${states.join(' or ')}`, async () => {
      // As the window would read it: what does not fit the contract must not pass here.
      const run = calls['sql.runState'].output.parse(await call['sql.runState']({ run: name }));
      return states.includes(run.state) ? run : undefined;
    });
  const run: Tab['run'] = async (text, rowsMax) =>
    reached(await start(text, rowsMax), 'done', 'failed', 'cancelled', 'paused');
  return {
    key,
    start,
    reached,
    run,
    view: async () => {
      const found = (await call['sql.sessions']({})).find((each) => each.key === key);
      if (found === undefined) throw new Error('the session is not there');
      return found;
    },
    rows: async (text) => {
      const { statements } = await run(text);
      expect(statements.flatMap(({ problems }) => problems.filter(({ kind }) => kind === 'error'))).toEqual(
        [],
      );
      return loaded(call, keyOf(statements.at(-1)));
    },
  };
}

export function keyOf(statement: SqlRun['statements'][number] | undefined): string {
  if (statement?.result === undefined) throw new Error(`there is no result: ${JSON.stringify(statement)}`);
  return statement.result.key;
}

export function errorsOf(run: SqlRun): SqlProblem[] {
  return run.statements.flatMap(({ problems }) => problems.filter(({ kind }) => kind === 'error'));
}

/** All pages of a result, each as the contract has it. */
export async function pages(call: SqlEngine['handlers'], result: string): Promise<CallOutput<'sql.rows'>[]> {
  const found: CallOutput<'sql.rows'>[] = [];
  for (let from = 0; ; from += pageRowsMax) {
    const page = calls['sql.rows'].output.parse(await call['sql.rows']({ result, from, count: pageRowsMax }));
    found.push(page);
    if (page.rows.length < pageRowsMax) return found;
  }
}

export async function loaded(call: SqlEngine['handlers'], result: string): Promise<(string | null)[][]> {
  return (await pages(call, result)).flatMap(({ rows }) => rows);
}

/** Exports a result to its end. */
export async function exported(
  { call }: Editor,
  wanted: Parameters<SqlEngine['handlers']['exports.start']>[0],
): Promise<ExportView> {
  const { id } = await call['exports.start'](wanted);
  return until('the export is over', async () =>
    (await call['exports.list']({})).find((each) => each.id === id && each.state !== 'running'),
  );
}
