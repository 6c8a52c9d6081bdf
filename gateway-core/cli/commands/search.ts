import { api } from '../../agent/client/api.js';
import { type Run, withGateway } from '../context.js';
import { dim, oneLine, print, printJson } from '../output.js';
import { printTable } from '../table.js';
import { localTime } from '../values.js';

const columns = [
  { title: 'AT' },
  { title: 'SESSION' },
  { title: '#', right: true },
  { title: 'CONNECTION' },
  { title: 'PRINCIPAL', flexible: true },
  { title: 'TEXT', flexible: true },
];

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const hits = await api.search(gateway, { q: input.arguments.join(' ') });
    if (context.json) return printJson(context.stdout, hits);
    if (hits.length === 0)
      return print(context.stdout, 'Nothing found. Masked values are searched as they are masked.');
    const rows = hits.map(({ at, session, seq, connection, principal, text, where }) => [
      localTime(at),
      session,
      String(seq),
      connection,
      principal,
      where === 'statement' ? oneLine(text) : dim(oneLine(text)),
    ]);
    printTable(context.stdout, columns, rows);
  });
