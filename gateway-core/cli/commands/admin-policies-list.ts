import { api } from '../../agent/client/api.js';
import { type Run, withGateway } from '../context.js';
import { dim, green, printJson } from '../output.js';
import { printTable } from '../table.js';
import { counted, localTime } from '../values.js';

const columns = [
  { title: 'VERSION' },
  { title: 'PUT' },
  { title: 'BY', flexible: true },
  { title: 'SIZE', right: true },
  { title: 'STATE' },
];

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const found = await api.policies(gateway);
    if (context.json) return printJson(context.stdout, found);
    const rows = found.map(({ version, putAt, by, text }, at) => [
      version,
      localTime(putAt),
      by,
      counted(text.split('\n').length, 'line'),
      at === 0 ? green('in force') : dim('replaced'),
    ]);
    printTable(context.stdout, columns, rows);
  });
