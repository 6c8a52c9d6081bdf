import { api } from '../../agent/client/api.js';
import type { SessionDetail, StatementView } from '../../contract/api.js';
import { argument, type Context, type Run, withGateway } from '../context.js';
import { bold, dim, oneLine, type Part, print, printJson, red } from '../output.js';
import { printTable } from '../table.js';
import { humanDuration, localTime } from '../values.js';
import { corroborationPart, statePart } from './sessions.js';

const columns = [
  { title: '#', right: true },
  { title: 'STATEMENT', flexible: true },
  { title: 'DECISION' },
  { title: 'POLICY', flexible: true },
  { title: 'TIME', right: true },
  { title: 'ROWS', right: true },
];

const deletedTexts = {
  whole: 'Retention has deleted this recording. The audit log still proves that the session was.',
  beginning: 'Retention has deleted the beginning of this recording.',
} as const;

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const session = await api.session(gateway, argument(input));
    if (context.json) return printJson(context.stdout, session);
    printHead(context, session);
    if (session.deleted !== undefined) print(context.stdout, red(deletedTexts[session.deleted]));
    if (session.deleted === 'whole') return;
    if (session.statements.length === 0) return print(context.stdout, 'No statements.');
    printTable(context.stdout, columns, session.statements.map(statementRow));
  });

function printHead({ stdout }: Context, session: SessionDetail): void {
  print(stdout, bold(session.id), `  ${session.connection} (${session.protocol})  `, statePart(session));
  const chain = session.chain.map(({ name, assurance }) => `${name} (${assurance})`).join(' > ');
  print(stdout, `chain    ${chain}`);
  const ended = session.endedAt === undefined ? '' : `  ended ${localTime(session.endedAt)}`;
  print(stdout, `started  ${localTime(session.startedAt)}${ended}`);
  if (session.application !== undefined) print(stdout, `tool     ${session.application}`);
  const difference = session.compared?.difference;
  const why = difference === undefined ? '' : `  ${oneLine(difference)}`;
  if (session.corroboration !== undefined) print(stdout, 'desktop  ', corroborationPart(session), why);
  for (const [at, each] of (session.behind?.processes ?? []).entries()) {
    const words = each.arguments?.join(' ') ?? each.exe ?? each.name;
    print(stdout, at === 0 ? 'behind   ' : '         ', dim(`${each.pid}  ${oneLine(words).slice(0, 120)}`));
  }
  for (const { name, since, until } of session.watched ?? []) {
    const to = until === undefined ? '' : ` to ${localTime(until)}`;
    print(stdout, `watched  by ${oneLine(name)}, from ${localTime(since)}${to}`);
  }
  if (session.lineage === 'unattributed')
    print(stdout, 'behind   ', dim('unattributed: nobody could tell which program it is'));
  print(stdout);
}

function statementRow(statement: StatementView): Part[] {
  const { seq, text, decision, policy, durationMs, rows, error } = statement;
  const shown = oneLine(text) + (error === undefined ? '' : `  [${oneLine(error)}]`);
  const allowed = decision === 'allowed' || decision === 'approved';
  return [
    String(seq),
    shown,
    allowed ? decision : red(decision),
    dim(policy.join(', ')),
    humanDuration(durationMs),
    rows === undefined ? '' : String(rows),
  ];
}
