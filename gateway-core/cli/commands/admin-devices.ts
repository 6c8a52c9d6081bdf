import { api } from '../../agent/client/api.js';
import type { AdminDevice } from '../../contract/api.js';
import { type Run, withGateway } from '../context.js';
import { dim, oneLine, type Part, print, printJson, red } from '../output.js';
import { printTable } from '../table.js';
import { counted, localTime } from '../values.js';

const columns = [
  { title: 'DEVICE' },
  { title: 'PRINCIPAL', flexible: true },
  { title: 'LAST SEEN' },
  { title: 'WAITING THERE' },
  { title: 'REFUSED', flexible: true },
];

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const devices = await api.devices(gateway);
    if (context.json) return printJson(context.stdout, devices);
    if (devices.length === 0) return print(context.stdout, 'No desktop has uploaded a record yet.');
    const rows = devices.map((device) => [
      device.device,
      device.principal,
      localTime(device.lastSeenAt),
      backlogPart(device),
      device.refused === undefined
        ? ''
        : red(`${localTime(device.refused.at)} ${device.refused.code}: ${oneLine(device.refused.reason)}`),
    ]);
    printTable(context.stdout, columns, rows);
  });

function backlogPart({ backlog }: AdminDevice): Part {
  if (backlog === undefined) return '';
  if (backlog.records === 0) return dim('nothing');
  const since = backlog.oldestAt === undefined ? '' : ` since ${localTime(backlog.oldestAt)}`;
  return `${counted(backlog.records, 'record')}${since}`;
}
