import { api } from '../../agent/client/api.js';
import type { SessionView } from '../../contract/api.js';
import { type Run, withGateway } from '../context.js';
import { dim, green, type Part, print, printJson, red } from '../output.js';
import { printTable } from '../table.js';
import { localTime } from '../values.js';

const columns = [
  { title: 'SESSION' },
  { title: 'STARTED' },
  { title: 'CONNECTION' },
  { title: 'CHAIN', flexible: true },
  { title: 'STATEMENTS', right: true },
  { title: 'DESKTOP' },
  { title: 'STATE' },
];

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const of = input.text('of');
    const found = await api.sessions(gateway, {
      ...(input.flag('live') ? { live: 'true' } : {}),
      ...(of === undefined ? {} : { of }),
    });
    if (context.json) return printJson(context.stdout, found);
    if (found.length === 0) {
      return print(context.stdout, 'No sessions. One begins with: throughline exec NAME -- psql');
    }
    const rows = found.map((session) => [
      session.id,
      localTime(session.startedAt),
      session.connection,
      chainText(session.chain),
      String(session.statements),
      corroborationPart(session),
      statePart(session),
    ]);
    printTable(context.stdout, columns, rows);
  });

/** Root to leaf: `demo/contractor > claude > psql`. */
export function chainText(chain: SessionView['chain']): string {
  return chain.map(({ name }) => name).join(' > ');
}

/** Whether the desktop's own record says the same. */
export function corroborationPart({ corroboration }: Pick<SessionView, 'corroboration'>): Part {
  if (corroboration === undefined) return '';
  if (corroboration === 'corroborated') return green(corroboration);
  return corroboration === 'different' || corroboration === 'desktop-only'
    ? red(corroboration)
    : dim(corroboration);
}

export function statePart({ state, endCause }: Pick<SessionView, 'state' | 'endCause'>): Part {
  if (state === 'live') return green('live');
  return dim(endCause === undefined ? 'ended' : `ended: ${endCause}`);
}
