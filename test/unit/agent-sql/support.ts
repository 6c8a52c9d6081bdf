import type { SqlEngineOptions } from '../../../gateway-core/agent/sql/options.js';
import { RowStore } from '../../../gateway-core/agent/sql/row-store.js';
import type { ResultColumn, ResultView } from '../../../gateway-core/contract/bridge/sql.js';

export type Row = readonly (string | null)[];

/** A DataRow message as PostgreSQL writes it (protocol 3.0, message formats). */
export function dataRow(values: readonly (string | Buffer | null)[]): Buffer {
  const fields = values.flatMap((value) => {
    const bytes = value === null ? undefined : Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes?.length ?? -1);
    return bytes === undefined ? [length] : [length, bytes];
  });
  const head = Buffer.alloc(7, 'D');
  head.writeInt32BE(6 + fields.reduce((sum, each) => sum + each.length, 0), 1);
  head.writeUInt16BE(values.length, 5);
  return Buffer.concat([head, ...fields]);
}

export function storeOf(rows: readonly Row[]): RowStore {
  const store = new RowStore();
  for (const row of rows) {
    const message = dataRow(row);
    if (!store.add(message, 0, message.length)) throw new Error('a row of a test is malformed');
  }
  return store;
}

export function column(kind: ResultColumn['kind'], name = kind as string): ResultColumn {
  return { name, typeOid: 25, type: kind, kind };
}

export function view(wanted: Partial<ResultView> = {}): ResultView {
  return { sort: [], filter: '', columns: [], ...wanted };
}

/** Options of an engine that has nothing behind it; a test gives what it needs. */
export function engineOptions(given: Partial<SqlEngineOptions> = {}): SqlEngineOptions {
  const none = (): never => {
    throw new Error('this test has no such thing');
  };
  return {
    openStream: none,
    detail: none,
    emit: () => undefined,
    exportDirectory: none,
    history: { directory: '', seal: none, unseal: none },
    principal: () => 'demo/anna',
    nowMs: () => 0,
    ...given,
  };
}
