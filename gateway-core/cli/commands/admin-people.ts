import { api } from '../../agent/client/api.js';
import { type Run, withGateway } from '../context.js';
import { print, printJson } from '../output.js';
import { printTable } from '../table.js';
import { localTime } from '../values.js';

const columns = [
  { title: 'PRINCIPAL', flexible: true },
  { title: 'GROUPS', flexible: true },
  { title: 'SIGN-INS', right: true },
  { title: 'LIVE SESSIONS', right: true },
  { title: 'LAST SEEN' },
  { title: 'REMOVED AT THE PROVIDER' },
];

/** When that takes effect here. */
const removalWords = {
  'next-check': 'ends at the next check',
  'sign-in-end': 'ends with the sign-in',
} as const;

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const people = await api.people(gateway);
    if (context.json) return printJson(context.stdout, people);
    if (people.length === 0) return print(context.stdout, 'Nobody has signed in yet.');
    const rows = people.map(({ principal, groups, signIns, sessionsLive, lastSeenAt, removal }) => [
      principal,
      groups.join(', '),
      String(signIns),
      String(sessionsLive),
      localTime(lastSeenAt),
      removal === undefined ? '' : removalWords[removal],
    ]);
    printTable(context.stdout, columns, rows);
  });
