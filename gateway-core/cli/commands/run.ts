import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { api } from '../../agent/client/api.js';
import {
  delegationVariables,
  type HeldDelegation,
  holder,
  mintDelegation,
} from '../../agent/client/delegated.js';
import type { Gateway } from '../../agent/client/gateway.js';
import { becomeSubreaper, self } from '../../agent/lineage/index.js';
import { socketAttribution } from '../../agent/tunnel/behind.js';
import { openTunnel, type Tunnel } from '../../agent/tunnel/tunnel.js';
import { AgentLabel, DelegableAction, delegationLimits } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { ConnectionName } from '../../contract/ids.js';
import type { Usable } from '../connection.js';
import { type Context, type Input, type Run, withGateway } from '../context.js';
import { failureOf, printFailure } from '../failure.js';
import { parseDurationMs, parseWhole } from '../values.js';
import { type Environment, environment, onlyRefusals, runProgram } from './exec.js';

/** How long the last bytes of programs may take after the agent has ended. */
const drainMs = 1000;
/** Tunnels of one agent: more connections than this it opens by itself, with `throughline connect`. */
const tunnelsMax = 64;
/** How long the end of the delegation may take at a gateway that is away. */
const finishTimeoutMs = 3000;

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway, state) => {
    const [program, ...rest] = input.arguments;
    if (program === undefined) throw new Error('commander lets no required argument be missing');
    const evidence = self();
    const held = await mintDelegation(gateway, {
      ...wanted(input),
      ...(evidence === undefined ? {} : { evidence }),
    });
    const child = gateway.as(held.answer.id, held.key);
    // Descendants that leave their parents come to this process, and stay in its tree.
    await becomeSubreaper();
    const staying = stay(context, child, held);
    const directory = mkdtempSync(join(tmpdir(), 'throughline-run-'));
    const tunnels: Tunnel[] = [];
    try {
      const places = await openAll(context, child, await socketAttribution(state), tunnels);
      const env = agentEnvironment(context.env, held, gateway.url, places, directory);
      return await runProgram(program, rest, env);
    } finally {
      await Promise.all(tunnels.map((tunnel) => tunnel.close(drainMs)));
      await staying.finish();
      child.close();
      rmSync(directory, { recursive: true, force: true });
    }
  });

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

/** Says to the gateway that the holder is there for as long as it is, and to the person when the delegation is over. */
function stay(context: Context, gateway: Gateway, { answer }: HeldDelegation): { finish(): Promise<void> } {
  let over = false;
  let following: ReturnType<typeof holder.attach> | undefined;
  const follow = async (): Promise<void> => {
    while (!over) {
      following = holder.attach(gateway, answer.id);
      try {
        for await (const item of following.items) {
          if (item.kind !== 'ended') continue;
          over = true;
          const because = item.reason === undefined ? '' : `: ${item.reason}`;
          printFailure(
            context.stderr,
            failureOf(
              new ThroughlineError(
                'denied',
                `the delegation of ${answer.chain.at(-1)?.name ?? 'this agent'} is over (${item.cause}${because})`,
                {
                  action: 'nothing below it reaches a connection any more',
                },
              ),
            ),
            context.json,
          );
        }
      } catch (error) {
        if (error instanceof ThroughlineError && error.code === 'not-signed-in') return;
      }
      if (!over) await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
  void follow();
  const contacts = setInterval(() => {
    holder.contact(gateway, answer.id).catch(() => undefined);
  }, delegationLimits.contactMs);
  return {
    finish: async () => {
      clearInterval(contacts);
      const wasOver = over;
      over = true;
      following?.abort();
      if (wasOver) return;
      // Without it the gateway finds out by itself, a few seconds later.
      await Promise.race([
        holder.finish(gateway, answer.id).catch(() => undefined),
        new Promise((resolve) => setTimeout(resolve, finishTimeoutMs).unref()),
      ]);
    },
  };
}

interface Place {
  readonly usable: Usable;
  readonly tunnel: Tunnel;
}

/** A tunnel for each connection that the delegation reaches. */
async function openAll(
  context: Context,
  gateway: Gateway,
  attribute: Awaited<ReturnType<typeof socketAttribution>>,
  tunnels: Tunnel[],
): Promise<readonly Place[]> {
  const reachable = (await api.connections(gateway)).filter(({ access }) => access === 'allowed');
  const places: Place[] = [];
  for (const detail of reachable.slice(0, tunnelsMax)) {
    const tunnel = await openTunnel({
      gateway,
      connection: detail.name,
      attribute,
      report: onlyRefusals(context),
    });
    tunnels.push(tunnel);
    places.push({
      usable: { detail, user: detail.user ?? 'throughline', database: detail.database },
      tunnel,
    });
  }
  return places;
}

/**
 * What the agent and everything that it starts finds: libpq's variables for the only connection (or the first), a
 * service for each (`psql service=NAME`), and the handle with which `throughline run` nests. The handle is of use only
 * below this process and on this device.
 */
function agentEnvironment(
  env: Environment,
  { answer }: HeldDelegation,
  gateway: string,
  places: readonly Place[],
  directory: string,
): Environment {
  const [first] = places;
  const services = join(directory, 'pg_service.conf');
  writeFileSync(services, places.map(service).join('\n'), { mode: 0o600 });
  return {
    ...(first === undefined ? env : environment(env, first.usable, first.tunnel)),
    PGSERVICEFILE: services,
    [delegationVariables.id]: answer.id,
    [delegationVariables.handle]: answer.handle,
    [delegationVariables.gateway]: gateway,
    THROUGHLINE_AGENT: answer.chain.at(-1)?.name,
  };
}

/** PostgreSQL manual, 34.17. */
function service({ usable: { detail, user, database }, tunnel }: Place): string {
  const lines = [`[${detail.name}]`, `host=${tunnel.host}`, `port=${tunnel.port}`, `user=${user}`];
  if (database !== undefined) lines.push(`dbname=${database}`);
  return `${[...lines, 'sslmode=disable', 'gssencmode=disable'].join('\n')}\n`;
}
