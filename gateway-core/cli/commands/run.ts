import { becomeSubreaper, self } from '../../agent/lineage/index.js';
import { ownLineage } from '../../agent/lineage/report.js';
import { startChild } from '../../agent/sdk/child.js';
import { socketAttribution } from '../../agent/tunnel/behind.js';
import { AgentLabel, DelegableAction, delegationLimits } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { ConnectionName } from '../../contract/ids.js';
import { type Context, type Input, type Run, withGateway } from '../context.js';
import { failureOf, printFailure } from '../failure.js';
import { isolation } from '../isolation.js';
import { parseDurationMs, parseWhole } from '../values.js';
import { onlyRefusals, runProgram, withoutLibpq } from './exec.js';

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway, state) => {
    const [program, ...rest] = input.arguments;
    if (program === undefined) throw new Error('commander lets no required argument be missing');
    const request = wanted(input);
    const evidence = self();
    const sandbox = input.flag('isolate') ? isolation(state.home) : undefined;
    // Into a sandbox nobody can look: what comes through its sockets is the agent.
    const within = async () => {
      const lineage = ownLineage(() => undefined);
      return {
        lineage: lineage ?? ({ kind: 'unattributed', reason: 'platform' } as const),
        stillHolds: () => true,
      };
    };
    const child = await startChild({
      parent: gateway,
      request: { ...request, ...(evidence === undefined ? {} : { evidence }) },
      attribute: sandbox === undefined ? await socketAttribution(state) : within,
      ...(sandbox === undefined ? {} : { isolated: sandbox.directory }),
      report: onlyRefusals(context),
      onOver: (cause, reason) => sayOver(context, request.label, cause, reason),
    });
    try {
      // Descendants that leave their parents come to this process, and stay in its tree.
      await becomeSubreaper();
      const env = { ...withoutLibpq(context.env), ...(await child.environment()) };
      const [command, parameters] = sandbox?.command(program, rest) ?? ([program, rest] as const);
      return await runProgram(command, parameters, env);
    } finally {
      await child.end();
    }
  });

function sayOver(context: Context, label: string, cause: string, reason: string | undefined): void {
  const because = reason === undefined ? '' : `: ${reason}`;
  const error = new ThroughlineError('denied', `the delegation of ${label} is over (${cause}${because})`, {
    action: 'nothing below it reaches a connection any more',
  });
  printFailure(context.stderr, failureOf(error), context.json);
}

/** What the command line asks for. @throws ThroughlineError usage */
function wanted(input: Input) {
  const label = AgentLabel.safeParse(input.text('agent') ?? '');
  if (!label.success)
    throw new ThroughlineError(
      'usage',
      '--agent needs a label of 1 to 64 characters: it names the agent in every record',
    );
  const connections = names(input.text('connections'), '--connections', (name) =>
    ConnectionName.safeParse(name),
  );
  const actions = names(input.text('actions'), '--actions', (name) =>
    DelegableAction.safeParse(name.includes(':') || name === 'connect' ? name : `sql:${name}`),
  );
  const [ttl, depth, sessions, children] = ['ttl', 'depth', 'sessions', 'children'].map((name) =>
    input.text(name),
  );
  const purpose = input.text('purpose');
  const budget = {
    ...(sessions === undefined
      ? {}
      : { sessions: parseWhole(sessions, '--sessions', 0, delegationLimits.sessionsMax) }),
    ...(children === undefined
      ? {}
      : { children: parseWhole(children, '--children', 0, delegationLimits.childrenMax) }),
  };
  return {
    label: label.data,
    ...(connections === undefined ? {} : { connections }),
    ...(actions === undefined ? {} : { actions }),
    ...(ttl === undefined ? {} : { ttlMs: parseDurationMs(ttl, '--ttl') }),
    ...(depth === undefined ? {} : { levels: parseWhole(depth, '--depth', 0, delegationLimits.depthMax) }),
    ...(purpose === undefined ? {} : { purpose: purpose.slice(0, delegationLimits.purposeCharactersMax) }),
    ...(Object.keys(budget).length === 0 ? {} : { budget }),
  };
}

function names<T>(
  text: string | undefined,
  flag: string,
  parse: (name: string) => { success: true; data: T } | { success: false },
): T[] | undefined {
  if (text === undefined) return undefined;
  return text.split(',').map((each) => {
    const parsed = parse(each.trim());
    if (parsed.success) return parsed.data;
    throw new ThroughlineError(
      'usage',
      `${flag} does not know ${each.trim().slice(0, 64) || 'an empty name'}`,
      {
        action: flag === '--actions' ? 'it takes read, write, ddl, admin' : 'see throughline connections',
      },
    );
  });
}
