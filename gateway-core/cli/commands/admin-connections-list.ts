import { api } from '../../agent/client/api.js';
import { type Run, withGateway } from '../context.js';
import { print, printJson, yellow } from '../output.js';
import { printTable } from '../table.js';
import { labelText } from './connections.js';

const columns = [
  { title: 'NAME' },
  { title: 'PROTOCOL' },
  { title: 'ADDRESS', flexible: true },
  { title: 'DATABASE', flexible: true },
  { title: 'CREDENTIAL' },
  { title: 'LABELS', flexible: true },
];

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const found = await api.adminConnections(gateway);
    if (context.json) return printJson(context.stdout, found);
    if (found.length === 0) {
      return print(
        context.stdout,
        'No connections are registered. Add some: throughline admin connections add FILE',
      );
    }
    const rows = found.map(({ name, protocol, address, database, credential, labels }) => [
      name,
      protocol,
      address,
      database ?? '',
      credential.held ? credential.kind : yellow('none'),
      labelText(labels),
    ]);
    printTable(context.stdout, columns, rows);
  });
