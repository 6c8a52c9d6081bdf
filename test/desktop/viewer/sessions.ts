import type { SessionView } from '../../../gateway-core/contract/api.js';
import type { Chain, Hop } from '../../../gateway-core/contract/chain.js';
import type { AuditEventInput, StatementDecision } from '../../../gateway-core/contract/events.js';
import type { ConnectionName, SessionId } from '../../../gateway-core/contract/ids.js';
import { errorMessage, rowMessages, sessionId } from '../../sim/sealer-journal.js';
import { type MadeBundle, type MadeSession, policyVersion, type Step } from './world.js';

export const policies = `// What contractors may do.
@id("contractors-read-the-shop")
@mask("email", "partial")
permit (
  principal in Group::"contractors",
  action in [Action::"connect", Action::"sql:read"],
  resource == Connection::"shop-db"
);

@id("nobody-drops")
@message("tables are dropped by the DBA, on request")
forbid (principal, action == Action::"sql:ddl", resource)
unless { principal in Group::"dba" };

@id("writes-are-approved")
@approval("dba")
permit (principal, action == Action::"sql:write", resource);
`;
const version = policyVersion(policies);

const casey: Hop = {
  id: 'demo/contractor',
  kind: 'person',
  name: 'Casey Contractor',
  assurance: 'proven',
};
const claude: Hop = {
  id: 'dlg_01KAHQ0000000000000000000A',
  kind: 'agent',
  name: 'claude',
  assurance: 'issued',
};
const helper: Hop = {
  id: 'dlg_01KAHQ0000000000000000000B',
  kind: 'agent',
  name: 'schema-helper',
  assurance: 'proven',
};
const script: Hop = { id: 'claimed/report.py', kind: 'agent', name: 'report.py', assurance: 'claimed' };
const psql = (pid: number): Hop => ({
  id: `pid/${pid}`,
  kind: 'process',
  name: 'psql',
  assurance: 'observed',
});

export interface StatementSpec {
  readonly text: string;
  readonly decision?: StatementDecision;
  readonly answered?: StatementDecision;
  readonly action?: string;
  readonly command?: string;
  readonly columns?: readonly string[];
  readonly rows?: readonly (readonly (string | null)[])[];
  readonly parameters?: readonly (string | null)[];
  readonly message?: string;
  readonly policy?: readonly string[];
  readonly error?: string;
  readonly masked?: number;
  readonly afterMs?: number;
  readonly durationUs?: number;
}

export interface SessionSpec {
  readonly number: number;
  readonly chain: Chain;
  readonly connection?: string;
  readonly startedAt?: string;
  readonly corroboration?: SessionView['corroboration'];
  readonly statements: readonly StatementSpec[];
}

/** A session's events and content, in the order in which a gateway records them. */
export function sessionOf(spec: SessionSpec): MadeSession {
  const id = sessionId(spec.number);
  const connection = (spec.connection ?? 'shop-db') as ConnectionName;
  const startedAt = spec.startedAt ?? '2026-11-20T12:00:00.000Z';
  const steps: Step[] = [
    {
      event: {
        kind: 'session.started',
        session: id,
        connection,
        protocol: 'postgres',
        chain: spec.chain,
        signIn: 'sgn_01KAHQ0000000000000000000A',
        via: 'tunnel',
        durability: 'strict',
        application: 'psql',
        policy: ['contractors-read-the-shop'],
        policyVersion: version,
      },
      afterMs: 0,
    },
    ...spec.statements.flatMap((each, index) => statementSteps(id, index + 1, each)),
    {
      event: {
        kind: 'session.ended',
        session: id,
        endCause: 'client',
        statements: spec.statements.length,
        bytesFromClient: 1200,
        bytesToClient: 54_000,
      },
      afterMs: 900,
    },
  ];
  const lengthMs = steps.reduce((sum, { afterMs = 1 }) => sum + afterMs, 0);
  const { corroboration = 'gateway-only' } = spec;
  if (corroboration === 'different') {
    const difference = 'the desktop sent 12 bytes that the gateway did not get';
    const event = { kind: 'session.compared', session: id, verdict: corroboration, difference } as const;
    steps.push({ event, afterMs: 5000 });
  }
  return {
    view: {
      id,
      connection,
      protocol: 'postgres',
      principal: spec.chain[0].id,
      chain: spec.chain,
      state: 'ended',
      startedAt,
      endedAt: new Date(Date.parse(startedAt) + lengthMs).toISOString(),
      endCause: 'client',
      statements: spec.statements.length,
      via: 'tunnel',
      application: 'psql',
      corroboration,
    },
    steps,
  };
}

const ran = (decision: StatementDecision): boolean => decision === 'allowed' || decision === 'approved';

function statementSteps(session: SessionId, seq: number, spec: StatementSpec): Step[] {
  const { text, decision = 'allowed', answered, rows, columns = ['a'], error } = spec;
  const decided = (each: StatementDecision): AuditEventInput => ({
    kind: 'statement.decided',
    session,
    seq,
    decision: each,
    policy: [...(spec.policy ?? ['contractors-read-the-shop'])],
    policyVersion: version,
    action: spec.action ?? 'sql:read',
    command: spec.command ?? 'select',
    payload: {
      text,
      ...(spec.parameters === undefined ? {} : { parameters: [...spec.parameters] }),
      ...(spec.message === undefined ? {} : { message: spec.message }),
      exactHash: 'ab'.repeat(32),
    },
  });
  const steps: Step[] = [{ event: decided(decision), afterMs: spec.afterMs ?? 1500 }];
  if (answered !== undefined) steps.push({ event: decided(answered), afterMs: 42_000 });
  if (!ran(answered ?? decision)) return steps;
  let bytes = 0;
  const pages = rows === undefined ? 0 : Math.max(1, Math.ceil(rows.length / 500));
  for (let page = 0; page < pages; page += 1) {
    const at = page * 500;
    const whole = rowMessages(columns, rows?.slice(at, at + 500) ?? []);
    const content = at === 0 ? whole : whole.subarray(1 + whole.readUInt32BE(1));
    bytes += content.length;
    steps.push({ content, seq, afterMs: 12 });
  }
  if (error !== undefined) {
    const content = errorMessage(error);
    bytes += content.length;
    steps.push({ content, seq, stream: 'messages' });
  }
  steps.push({
    event: {
      kind: 'statement.ended',
      session,
      seq,
      state: error === undefined ? 'ok' : 'error',
      durationUs: spec.durationUs ?? 12_400,
      ...(rows === undefined ? {} : { rows: rows.length }),
      bytes,
      maskedValues: spec.masked ?? 0,
      ...(error === undefined
        ? { payload: { tag: rows === undefined ? 'UPDATE 1' : `SELECT ${rows.length}` } }
        : { error: { code: '42P01' }, payload: { error } }),
    },
    afterMs: 8,
  });
  return steps;
}

const customers = Array.from({ length: 40 }, (_, index) => [
  String(index + 1),
  ['Ann', 'Bo', 'Cleo', 'Dai'][index % 4] ?? '',
  `${'abcd'[index % 4] ?? 'a'}***@example.com`,
  index % 5 === 0 ? null : `2026-10-${String((index % 28) + 1).padStart(2, '0')}`,
  '[masked]',
]);

/** Three sessions of one person: alone, through an agent, through an agent's agent. */
export function everydayBundle(): MadeBundle {
  const sessions = [
    sessionOf({
      number: 1,
      chain: [casey, psql(4021)],
      statements: [
        { text: 'select 1 as hello', columns: ['hello'], rows: [['1']] },
        {
          text: 'select id, name, email, created, card\n  from customers\n where country = $1\n order by id',
          parameters: ['DE', null],
          columns: ['id', 'name', 'email', 'created', 'card'],
          rows: customers,
          masked: 80,
        },
        {
          text: 'select * from custmers',
          error: 'relation "custmers" does not exist',
          afterMs: 21_000,
        },
      ],
    }),
    sessionOf({
      number: 2,
      chain: [casey, claude, psql(4188)],
      startedAt: '2026-11-20T12:04:10.000Z',
      corroboration: 'different',
      statements: [
        { text: 'select count(*) from orders', columns: ['count'], rows: [['18233']] },
        {
          text: 'drop table orders',
          decision: 'denied',
          action: 'sql:ddl',
          command: 'drop table',
          policy: ['nobody-drops'],
          message: 'tables are dropped by the DBA, on request',
        },
        {
          text: "update orders set state = 'shipped' where id = 7",
          decision: 'held',
          answered: 'approved',
          action: 'sql:write',
          command: 'update',
          policy: ['writes-are-approved'],
          durationUs: 2_310,
        },
        {
          text: 'delete from orders where id = 8',
          decision: 'held',
          answered: 'refused',
          action: 'sql:write',
          command: 'delete',
          policy: ['writes-are-approved'],
          message: 'not without a backup',
        },
      ],
    }),
    sessionOf({
      number: 3,
      chain: [casey, claude, helper, script, psql(4301)],
      startedAt: '2026-11-20T12:09:00.000Z',
      statements: Array.from({ length: 12 }, (_, index) => ({
        text: `select table_name from information_schema.tables where table_schema = 'public' limit ${index + 1}`,
        columns: ['table_name'],
        rows: Array.from({ length: index + 1 }, (__, row) => [`table_${row}`]),
        afterMs: index === 6 ? 600_000 : 700,
      })),
    }),
  ];
  return {
    subject: { kind: 'agent', id: casey.id },
    sessions,
    policies: [policies],
    reason: 'incident 4711: orders that nobody remembers',
    context: [
      {
        kind: 'identity.signed-in',
        principal: casey.id as never,
        groups: ['contractors'],
        method: 'browser',
        signIn: 'sgn_01KAHQ0000000000000000000A',
      },
      { kind: 'policy.put', by: 'demo/admin', policyVersion: version },
    ],
  };
}

/** One session with a result of `rows` rows, and `statements` statements before it. */
export function largeBundle(rows: number, statements: number): MadeBundle {
  const session = sessionOf({
    number: 1,
    chain: [casey, psql(1)],
    statements: [
      ...Array.from({ length: statements }, (_, index) => ({
        text: `select ${index} as n`,
        columns: ['n'],
        rows: [[String(index)]],
        afterMs: 3,
      })),
      {
        text: 'select * from numbers',
        columns: ['n', 'square', 'name'],
        rows: Array.from({ length: rows }, (_, index) => [
          String(index),
          String(index * index),
          `number ${index}`,
        ]),
      },
    ],
  });
  return { subject: { kind: 'session', id: session.view.id }, sessions: [session], policies: [policies] };
}
