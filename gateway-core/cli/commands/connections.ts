import { api } from '../../agent/client/api.js';
import { type Run, withGateway } from '../context.js';
import { dim, green, type Part, print, printJson, yellow } from '../output.js';
import { printTable } from '../table.js';

const columns = [
  { title: 'NAME' },
  { title: 'PROTOCOL' },
  { title: 'ACCESS' },
  { title: 'LABELS', flexible: true },
];

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const found = await api.connections(gateway);
    if (context.json) return printJson(context.stdout, found);
    if (found.length === 0) {
      return print(
        context.stdout,
        'No connections for you yet. An admin registers them: throughline admin connections add FILE',
      );
    }
    const rows = found.map(({ name, protocol, access, labels }) => [
      name,
      protocol,
      accessPart(access),
      labelText(labels),
    ]);
    printTable(context.stdout, columns, rows);
  });

function accessPart(access: 'allowed' | 'request' | 'none'): Part {
  switch (access) {
    case 'allowed':
      return green(access);
    case 'request':
      return yellow(access);
    case 'none':
      return dim(access);
  }
}

/** `team=shop env=demo` */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}
