import { api } from '../../agent/client/api.js';
import { actOf, ocsfOf } from '../../contract/projection.js';
import { argument, type Run, withGateway } from '../context.js';
import { bold, dim, oneLine, print, printJson } from '../output.js';
import { counted, localTime } from '../values.js';

/** Everything below one node, in order; as OCSF events for other systems. */
export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const timeline = await api.timeline(gateway, argument(input));
    const sessions = new Map(timeline.sessions.map((each) => [each.id, each]));
    if (input.flag('ocsf')) {
      for (const statement of timeline.statements) {
        const session = sessions.get(statement.session);
        if (session !== undefined)
          printJson(context.stdout, ocsfOf(timeline, session, statement, { version: context.version }));
      }
      return;
    }
    if (context.json) {
      const acts = timeline.sessions.map((each) => ({ ...each, act: actOf(each.chain) }));
      return printJson(context.stdout, { ...timeline, sessions: acts });
    }
    const { stdout } = context;
    for (const each of timeline.delegations) {
      const end =
        each.endedAt === undefined
          ? `until ${localTime(each.expiresAt)}`
          : `${each.endCause} at ${localTime(each.endedAt)}`;
      print(stdout, bold(each.label), dim(`  ${each.id}, from ${localTime(each.createdAt)}, ${end}`));
    }
    print(
      stdout,
      `${counted(timeline.sessions.length, 'session')}, ${counted(timeline.statements.length, 'statement')}`,
    );
    for (const { session, text, decision, startedAt } of timeline.statements) {
      const chain = sessions.get(session)?.chain ?? [];
      const line = chain.map(({ name }) => name).join(' > ');
      print(
        stdout,
        dim(`${localTime(startedAt)}  ${line}  `),
        decision === 'allowed' ? '' : `${decision}: `,
        oneLine(text),
      );
    }
    if (timeline.cut) print(stdout, dim('There is more: see throughline sessions.'));
  });
