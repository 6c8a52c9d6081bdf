import { paths } from '../../../gateway-core/contract/api.js';

/** Text as hostile as a gateway, a target or another person can make it. */
export const hostile = 'x\u001b[2J\u001b]0;owned\u0007\u009b31m\u202egnp.exe\u200b\u2028y\r\nDENIED\tz\u0000';
export const sessionId = 'ses_01J9ZQ4T3V8M6K2N5P7R9S1W0X';
const at = '2026-11-20T12:00:00.000Z';

export const chain = [
  { id: 'demo/contractor', kind: 'person', name: 'contractor', assurance: 'proven' },
  { id: 'dlg_1', kind: 'agent', name: hostile, assurance: 'issued' },
];
export const session = {
  id: sessionId,
  connection: 'shop-db',
  protocol: 'postgres',
  principal: 'demo/contractor',
  chain,
  state: 'ended',
  startedAt: at,
  endedAt: at,
  endCause: 'client',
  statements: 2,
  via: 'tunnel',
  application: hostile,
};
const statements = [
  {
    seq: 1,
    text: `select ${hostile}`,
    decision: 'allowed',
    policy: ['contractors-read'],
    policyVersion: '0123456789abcdef',
    command: 'SELECT',
    startedAt: at,
    durationMs: 12.5,
    rows: 3,
  },
  {
    seq: 2,
    text: 'drop table customers',
    decision: 'denied',
    policy: [hostile],
    policyVersion: '0123456789abcdef',
    command: 'DROP TABLE',
    startedAt: at,
    durationMs: 0,
    error: hostile,
  },
];
export const recording = [
  {
    kind: 'session',
    session: sessionId,
    connection: 'shop-db',
    principal: 'demo/contractor',
    chain,
    startedAt: at,
  },
  { kind: 'statement', atMs: 10, seq: 1, text: `select ${hostile}`, decision: 'allowed' },
  { kind: 'columns', atMs: 11, seq: 1, columns: ['id', hostile] },
  { kind: 'row', atMs: 12, seq: 1, values: ['1', 'a***@example.com'] },
  { kind: 'row', atMs: 12, seq: 1, values: ['22', null] },
  { kind: 'outcome', atMs: 13, seq: 1, state: 'ok', tag: 'SELECT 2', rows: 2, rowsKept: 2 },
  { kind: 'statement', atMs: 70_500, seq: 2, text: 'drop table x', decision: 'denied', message: hostile },
  { kind: 'message', atMs: 70_501, seq: 2, severity: 'NOTICE', text: hostile },
  { kind: 'data', atMs: 70_502, seq: 2, stream: 'copy-out', text: `1\t${hostile}\n2\tb\n` },
  { kind: 'end', atMs: 70_600, endCause: 'client' },
];
export const report = {
  ok: true,
  entries: 7,
  sessions: 2,
  proved: ['every entry is in the tree'],
  problems: [],
  keyFingerprint: 'ab'.repeat(32),
};
const adminConnection = {
  name: 'orders',
  protocol: 'postgres',
  address: hostile,
  credential: { held: true, user: 'app', kind: 'sealed' },
  labels: { team: hostile },
  masks: [],
  recording: { rows: '4MB', durability: 'strict' },
};
const policy = {
  version: '0123456789abcdef',
  text: `// ${hostile}\npermit(principal, action, resource);`,
  putAt: at,
  by: hostile,
};

/** An answer for every path that the command asks. */
export const routes: Record<string, unknown> = {
  [`GET ${paths.sessions}`]: [session],
  [`GET ${paths.session(sessionId)}`]: { ...session, statements },
  [`GET ${paths.search}`]: [
    {
      session: sessionId,
      seq: 1,
      at,
      connection: 'shop-db',
      principal: 'demo/contractor',
      text: hostile,
      where: 'statement',
    },
  ],
  [`POST ${paths.revoke}`]: { ended: [sessionId] },
  [`POST ${paths.handles}`]: {
    user: 'dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X',
    password: "hnd_it's-secret",
    connection: 'shop-db',
    expiresAt: at,
    sessionsMax: 3,
    listeners: { postgres: '127.0.0.1:15432' },
  },
  [`GET ${paths.checkpoint}`]: 'replaced by the test',
  [`POST ${paths.logVerify}`]: report,
  [`GET ${paths.adminConnections}`]: [adminConnection],
  [`GET ${paths.adminConnection('orders')}`]: adminConnection,
  [`DELETE ${paths.adminConnection('orders')}`]: { removed: 'orders' },
  [`PUT ${paths.adminConnections}`]: { added: ['orders'], changed: [], unchanged: [] },
  [`GET ${paths.adminPolicies}`]: policy,
  [`PUT ${paths.adminPolicies}`]: { version: '0123456789abcdef', policies: ['a', 'b'] },
  [`GET ${paths.adminPeople}`]: [
    { principal: 'demo/contractor', groups: [hostile], signIns: 2, lastSeenAt: at, sessionsLive: 1 },
  ],
  [`GET ${paths.adminDevices}`]: [
    {
      device: hostile,
      principal: hostile,
      lastSeenAt: at,
      backlog: { records: 3, bytes: 1000, oldestAt: at },
      refused: { at, segment: 1, code: hostile, reason: hostile },
    },
  ],
};
