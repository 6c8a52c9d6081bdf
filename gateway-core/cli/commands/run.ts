import type { ChildProcess } from 'node:child_process';
import { becomeSubreaper, endProcesses, self, startedBy, watchTree } from '../../agent/lineage/index.js';
import { lineageLimits } from '../../agent/lineage/limits.js';
import { escapeControls } from '../../agent/lineage/redact.js';
import { ownLineage } from '../../agent/lineage/report.js';
import { startChild } from '../../agent/sdk/child.js';
import { socketLooking } from '../../agent/tunnel/behind.js';
import { AgentLabel, DelegableAction, delegationLimits } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { ConnectionName } from '../../contract/ids.js';
import { type Context, type Input, type Run, withRecordedGateway } from '../context.js';
import { failureOf, printFailure } from '../failure.js';
import { isolation } from '../isolation.js';
import { parseDurationMs, parseWhole } from '../values.js';
import { onlyRefusals, outliveSignals, runProgram, withoutLibpq } from './exec.js';

export const run: Run = (context, input) =>
  withRecordedGateway(context, input, async (gateway, state) => {
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
    const { label } = request;
    let tell: (over: Over) => void = () => undefined;
    const ended = new Promise<Over>((resolve) => {
      tell = resolve;
    });
    let over: Over | undefined;
    const child = await startChild({
      parent: gateway,
      request: { ...request, ...(evidence === undefined ? {} : { evidence }) },
      ...(sandbox === undefined ? await socketLooking(state) : { attribute: within }),
      ...(sandbox === undefined ? {} : { isolated: sandbox.directory }),
      report: onlyRefusals(context),
      onOver: (cause, reason) => {
        over = { cause, reason };
        if (input.flag('keep')) sayKept(context, label, over);
        else tell(over);
      },
    });
    // The run above ends this one with the program, and the program may be quicker.
    const dieAgain = outliveSignals();
    let status: number | undefined;
    const keeps = input.flag('keep');
    try {
      const [command, parameters] = sandbox?.command(program, rest) ?? ([program, rest] as const);
      const env = { ...withoutLibpq(context.env), ...(await child.environment()) };
      if (over !== undefined && !keeps) throw overError(label, over);
      status = await runUnder(ended, label, child.answer.id, sandbox !== undefined, (onSpawn) =>
        runProgram(command, parameters, env, onSpawn),
      );
    } finally {
      await child.end();
      dieAgain();
    }
    // A program can fail by the end of its delegation before that is heard of here.
    if (over !== undefined && status !== 0 && !keeps) throw overError(label, over);
    return status;
  });

interface Over {
  readonly cause: string;
  readonly reason: string | undefined;
}

/**
 * Runs the program until it ends; when the delegation ends before, then the program is ended with all that it has
 * started. @throws ThroughlineError denied, when it was
 */
async function runUnder(
  ended: Promise<Over>,
  label: string,
  delegation: string,
  isolated: boolean,
  start: (onSpawn: (child: ChildProcess) => void) => Promise<number>,
): Promise<number> {
  // Descendants that leave their parents come to this process, and stay in its tree.
  const subreaper = await becomeSubreaper();
  let program: ChildProcess | undefined;
  const status = start((child) => {
    program = child;
  });
  // It is waited for below, unless something of it cannot be ended.
  status.catch(() => undefined);
  const pid = program?.pid;
  const seen =
    pid === undefined || subreaper.kind === 'reaping' ? undefined : watchTree(pid, () => undefined);
  try {
    const first = await Promise.race([status, ended]);
    if (typeof first === 'number' || program === undefined || pid === undefined) return await status;
    // bubblewrap dies of SIGTERM, and everything in the sandbox of it: what is in there has its time, too.
    const spared = isolated ? { spared: pid } : {};
    const left =
      process.platform === 'linux'
        ? await endProcesses({ running: startedBy({ pid, subreaper, seen, delegation }), ...spared })
        : await endAlone(program, status);
    program.unref();
    throw overError(label, first, left);
  } finally {
    seen?.stop();
  }
}

/** Where nobody tells what a program has started. */
async function endAlone(program: ChildProcess, status: Promise<number>): Promise<readonly never[]> {
  program.kill('SIGTERM');
  const timer = setTimeout(() => program.kill('SIGKILL'), lineageLimits.endGraceMs);
  await status.finally(() => clearTimeout(timer));
  return [];
}

const namedMax = 5;

function overError(
  label: string,
  over: Over,
  left: readonly { readonly pid: number; readonly name: string }[] = [],
): ThroughlineError {
  const listed = left.slice(0, namedMax).map(({ pid, name }) => `${escapeControls(name)} (${pid})`);
  const more = left.length > namedMax ? ` and ${left.length - namedMax} more` : '';
  return new ThroughlineError('denied', `${isOver(label, over)}, and so is its program`, {
    action:
      left.length === 0
        ? 'ask whoever ended it before you start it again'
        : `these could not be ended: ${listed.join(', ')}${more}`,
  });
}

function sayKept(context: Context, label: string, over: Over): void {
  const error = new ThroughlineError('denied', isOver(label, over), {
    action: 'its program goes on, and nothing below it reaches a connection any more',
  });
  printFailure(context.stderr, failureOf(error), context.json);
}

function isOver(label: string, { cause, reason }: Over): string {
  return `the delegation of ${label} is over (${cause}${reason === undefined ? '' : `: ${reason}`})`;
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
    DelegableAction.safeParse(actionOf(name)),
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

const sshActions: ReadonlySet<string> = new Set(['shell', 'exec', 'sftp', 'forward']);

function actionOf(name: string): string {
  if (name.includes(':') || name === 'connect') return name;
  return `${sshActions.has(name) ? 'ssh' : 'sql'}:${name}`;
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
        action:
          flag === '--actions'
            ? 'it takes read, write, ddl, admin, shell, exec, sftp, forward'
            : 'see throughline connections',
      },
    );
  });
}
