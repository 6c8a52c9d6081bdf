import type * as Cedar from '@cedar-policy/cedar-wasm/nodejs';
import { type Actor, type Hop, hasAgent, mayBeAgent } from '../contract/chain.js';
import type { Action, Decision, Grounds, Permit } from '../contract/decision.js';
import type { MaskRule } from '../contract/masks.js';
import type { MaskedUse, StatementFacts } from '../contract/sql.js';
import type { CommandFacts, SshUse } from '../contract/ssh.js';
import type { CompiledPolicies } from './engine.js';

/** The connection as policy sees it. */
export interface PolicyConnection {
  readonly name: string;
  readonly protocol: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface PolicyStatement {
  readonly facts: Pick<StatementFacts, 'action' | 'command' | 'tables' | 'functions'>;
  /** Uses of masked columns that lineage found, and the columns, for the message. */
  readonly maskedUses: readonly { readonly use: MaskedUse; readonly columns: readonly string[] }[];
}

/** One actor on one connection: entities are built once, decisions are asked many times. */
export interface Decider {
  /** Verdicts that do not depend on the clock stay valid while this stays the same. */
  readonly policyVersion: string;
  connect(nowMs: number): Decision;
  statement(statement: PolicyStatement, nowMs: number): Decision;
  ssh(use: SshUse, nowMs: number): Decision;
  session(
    action: Extract<Action, `session:${string}`> | 'evidence:export',
    own: boolean,
    nowMs: number,
  ): Decision;
}

/**
 * Policy is evaluated for the root and for every delegation; all must allow. A delegation that no policy permits by
 * itself inherits its parent's permit, narrowed by its scope; `process` hops and `observed` hops cannot permit, only
 * trigger forbids. Masks unite; any hold holds. Whatever is not understood is denied.
 */
export function decider(policies: CompiledPolicies, actor: Actor, connection: PolicyConnection): Decider {
  const common = entitiesOf(actor, connection);
  const entities = actor.chain.map((_, index) => [...common, ...agentEntities(actor, index)]);
  const resource = { type: 'Connection', id: connection.name };
  const decide = (action: Action, context: Cedar.Context, nowMs: number) =>
    overChain(
      policies,
      actor,
      action,
      resource,
      entities,
      { ...baseContext(actor, nowMs), ...context },
      connection.name,
    );
  return {
    policyVersion: policies.version,
    connect: (nowMs) => decide('connect', {}, nowMs),
    session: (action, own, nowMs) => decide(action, { session: { own } }, nowMs),
    statement: (statement, nowMs) => {
      const decision = decide(statement.facts.action, { statement: statementContext(statement) }, nowMs);
      return refuseMaskedUses(policies, decision, statement);
    },
    ssh: (use, nowMs) => decide(use.action, sshContext(use), nowMs),
  };
}

/** Decisions about the gateway itself. Refused to every chain with an agent, and where none can be ruled out: people administer (SECURITY: agents against their person). */
export function decideAdmin(
  policies: CompiledPolicies,
  actor: Actor,
  action: Extract<Action, `admin:${string}`>,
  nowMs: number,
): Decision {
  if (mayBeAgent(actor)) {
    return hasAgent(actor.chain)
      ? deny(policies, [], 'agents may not administer the gateway', 'ask a person to do it')
      : deny(policies, [], 'nobody can tell whether an agent asks for this', startSeen);
  }
  const resource = { type: 'Gateway', id: 'gateway' };
  const common = [...rootEntities(actor), { uid: resource, attrs: {}, parents: [] }];
  const entities = actor.chain.map(() => common);
  return overChain(policies, actor, action, resource, entities, baseContext(actor, nowMs), undefined);
}

const startSeen = 'start it from a shell or the app, so that this device can tell which program it is';

/** The one place where a permit is made: from a decision that allows. */
export function permitOf(decision: Extract<Decision, { kind: 'allow' }>): Permit {
  return { grounds: decision.grounds, masks: decision.masks } as unknown as Permit;
}

/** `entities[i]` are those with which `chain[i]` is asked. */
function overChain(
  policies: CompiledPolicies,
  actor: Actor,
  action: Action,
  resource: Cedar.TypeAndId,
  entities: readonly Cedar.Entities[],
  context: Cedar.Context,
  connection: string | undefined,
): Decision {
  const deciding = new Set<string>();
  for (const [index, hop] of actor.chain.entries()) {
    const scope = actor.scopes[index] ?? {};
    if (
      connection !== undefined &&
      scope.connections !== undefined &&
      !scope.connections.includes(connection)
    ) {
      return deny(
        policies,
        [],
        `the delegation "${hop.name}" does not include this connection`,
        'ask for a wider delegation',
      );
    }
    if (action !== 'connect' && scope.actions !== undefined && !scope.actions.includes(action)) {
      return deny(
        policies,
        [],
        `the delegation "${hop.name}" does not include ${action}`,
        'ask for a wider delegation',
      );
    }
    const principal = hopUid(actor, index);
    const answer = policies.ask({
      principal,
      action: { type: 'Action', id: action },
      resource,
      context,
      entities: entities[index] ?? [],
    });
    if (answer.kind === 'error') {
      return deny(
        policies,
        [],
        `policy could not be evaluated: ${answer.message}`,
        'ask an admin to correct the policy',
      );
    }
    if (answer.kind === 'deny' && (index === 0 || answer.reasons.length > 0)) {
      const message = answer.reasons
        .map((id) => policies.obligations.get(id)?.message)
        .find((each) => each !== undefined);
      const fallback =
        answer.reasons.length === 0 ? `no policy permits ${action} here` : `${action} is forbidden here`;
      return deny(
        policies,
        answer.reasons,
        message ?? fallback,
        'ask an admin for access, or use another connection',
      );
    }
    const mayPermit = index === 0 || (hop.kind !== 'process' && hop.assurance !== 'observed');
    if (answer.kind === 'allow' && mayPermit) for (const id of answer.reasons) deciding.add(id);
  }
  return combine(policies, [...deciding]);
}

function combine(policies: CompiledPolicies, ids: readonly string[]): Decision {
  const grounds: Grounds = { policies: ids, policyVersion: policies.version };
  const masks: MaskRule[] = [];
  const approvers = new Set<string>();
  let message: string | undefined;
  let keepBytes = 0;
  for (const id of ids) {
    const obligations = policies.obligations.get(id);
    if (obligations === undefined) continue;
    masks.push(...obligations.masks);
    keepBytes = Math.max(keepBytes, obligations.keepBytes);
    for (const group of obligations.approvers) approvers.add(group);
    if (obligations.approvers.length > 0) message ??= obligations.message;
  }
  if (approvers.size === 0)
    return { kind: 'allow', grounds, masks, ...(keepBytes === 0 ? {} : { keepBytes }) };
  const names = [...approvers];
  return {
    kind: 'hold',
    grounds,
    approvers: names,
    masks,
    message: message ?? `needs approval by ${names.join(' or ')}`,
  };
}

function refuseMaskedUses(
  policies: CompiledPolicies,
  decision: Decision,
  statement: PolicyStatement,
): Decision {
  if (decision.kind === 'deny' || statement.maskedUses.length === 0) return decision;
  // Every permit that decided must open the use: an intersection, as everything over the chain is.
  const closed = statement.maskedUses.find(({ use }) =>
    decision.grounds.policies.some((id) => policies.obligations.get(id)?.opens.has(use) !== true),
  );
  if (closed === undefined) return decision;
  const columns = closed.columns.length === 0 ? 'masked columns' : closed.columns.slice(0, 5).join(', ');
  return {
    kind: 'deny',
    grounds: decision.grounds,
    message: `${useInWords[closed.use]} ${columns}, which ${closed.columns.length === 1 ? 'is' : 'are'} masked for you`,
    action: `leave the masked columns out, or ask an admin for a policy with @opens("${closed.use}")`,
  };
}

const useInWords: Readonly<Record<MaskedUse, string>> = {
  predicate: 'the statement compares or groups by',
  order: 'the statement orders by',
  'copy-into-table': 'the statement would copy',
  statistics: 'the statement reads statistics about',
  'explain-analyze': 'EXPLAIN ANALYZE would run over',
  opaque: 'the statement could reach, unseen by the gateway,',
};

function deny(policies: CompiledPolicies, ids: readonly string[], message: string, action: string): Decision {
  return { kind: 'deny', grounds: { policies: ids, policyVersion: policies.version }, message, action };
}

function baseContext(actor: Actor, nowMs: number): Cedar.Context {
  const now = new Date(nowMs);
  return {
    chain: {
      depth: acting(actor).length - 1,
      assurance: weakest(actor),
      agents: acting(actor)
        .slice(1)
        .map((hop) => hop.name),
      lineage: actor.lineage ?? 'none',
      credential: actor.misuse ?? 'own',
    },
    time: {
      hour: now.getUTCHours(),
      minute: now.getUTCMinutes(),
      weekday: now.getUTCDay() === 0 ? 7 : now.getUTCDay(),
    },
    ...(actor.deviceKey === undefined ? {} : { device: { key: actor.deviceKey } }),
  };
}

function statementContext(statement: PolicyStatement): Cedar.CedarValueJson {
  const name = (table: { schema: string | undefined; name: string }) =>
    table.schema === undefined ? table.name : `${table.schema}.${table.name}`;
  const { facts } = statement;
  return {
    command: facts.command,
    tables: [...new Set(facts.tables.map(name))],
    writes: [...new Set(facts.tables.filter((table) => table.access === 'write').map(name))],
    functions: [...new Set(facts.functions)],
    masked: statement.maskedUses.map(({ use }) => use),
  };
}

function sshContext(use: SshUse): Cedar.Context {
  if (use.action === 'ssh:sftp') return { file: { ...use.file } };
  if (use.action === 'ssh:forward') return { forward: { ...use.forward } };
  return use.command === undefined ? {} : { command: commandContext(use.command) };
}

function commandContext(facts: CommandFacts): Cedar.CedarValueJson {
  return {
    programs: [...facts.programs],
    paths: [...facts.paths],
    writes: [...facts.writes],
    writesUnknown: facts.writesUnknown,
    elevated: facts.elevated,
    unknown: [...facts.unknown],
  };
}

/** The program at a socket is the tool of whoever stands before it, not one more who acts. */
function acting(actor: Actor): readonly Hop[] {
  return actor.chain.filter(
    (hop, index) => index === 0 || hop.kind !== 'process' || hop.assurance !== 'observed',
  );
}

const assuranceOrder = ['proven', 'issued', 'observed', 'claimed'] as const;

function weakest(actor: Actor): string {
  return (
    acting(actor)
      .map((hop) => hop.assurance)
      .sort((a, b) => assuranceOrder.indexOf(b) - assuranceOrder.indexOf(a))[0] ?? 'claimed'
  );
}

function hopUid(actor: Actor, index: number): Cedar.TypeAndId {
  const hop = actor.chain[index] ?? actor.chain[0];
  return index === 0 ? { type: 'User', id: hop.id } : { type: 'Agent', id: hop.name };
}

function rootEntities(actor: Actor): Cedar.EntityJson[] {
  const root = actor.chain[0];
  const groups = actor.groups.map((id) => ({ type: 'Group', id }));
  return [
    { uid: { type: 'User', id: root.id }, attrs: { name: root.name }, parents: groups },
    ...groups.map((uid) => ({ uid, attrs: {}, parents: [] })),
  ];
}

function entitiesOf(actor: Actor, connection: PolicyConnection): Cedar.Entities {
  const labels = Object.entries(connection.labels).map(([key, value]) => ({
    type: 'Label',
    id: `${key}=${value}`,
  }));
  return [
    ...rootEntities(actor),
    ...labels.map((uid) => ({ uid, attrs: {}, parents: [] })),
    {
      uid: { type: 'Connection', id: connection.name },
      attrs: { name: connection.name, protocol: connection.protocol },
      parents: labels,
    },
  ];
}

/**
 * INVARIANT: a hop is judged by its own attributes. Hops choose their names, so one further down could lend its own to
 * the hop of that name above it, which Cedar knows as the same entity.
 */
function agentEntities({ chain }: Actor, asked: number): readonly Cedar.EntityJson[] {
  const byName = new Map<string, Cedar.EntityJson>();
  for (const [index, { name, kind, assurance }] of [...chain.entries()].slice(1)) {
    if (asked > 0 && index !== asked && chain[asked]?.name === name) continue;
    byName.set(name, {
      uid: { type: 'Agent', id: name },
      attrs: { name, kind, assurance },
      parents: [],
    });
  }
  return [...byName.values()];
}
