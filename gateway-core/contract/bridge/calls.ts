import { z } from 'zod';
import {
  AdminConnection,
  AdminPerson,
  ConnectionDetail,
  PolicyDocument,
  PolicyPutResult,
  PutResult,
  ReplayItem,
  RevokeResponse,
  revokedTogetherMax,
  SearchHit,
  SessionDetail,
  SessionView,
  StatementView,
  VerifyReport,
} from '../api.js';
import { AgentChange, AgentNode } from '../delegation.js';
import { ConnectionName, SessionId } from '../ids.js';
import { AppState, GatewayLook, Preferences, QueryName, SavedQuery, workspaceBytesMax } from './app.js';
import { type Call, call, done, none } from './call.js';
import { BundleCheck, BundleList, BundleName, EvidenceExport, EvidenceWanted } from './evidence.js';
import {
  cellPieceCharactersMax,
  pageRowsMax,
  ResultKey,
  ResultView,
  RowPage,
  RunKey,
  runCharactersMax,
  Schema,
  SchemaColumn,
  SqlRun,
  SqlSession,
  SqlSessionKey,
} from './sql.js';
import { ForwardView, SshKey, SshSession, TransferView } from './ssh.js';
import { sshCalls } from './ssh-calls.js';
import { watchCalls } from './watch.js';
import { ExportView, exportFormats, HistoryEntry, ReplayHead, TunnelView } from './work.js';

const url = z.string().min(1).max(2048);
const name = z.string().min(1).max(256);
const reason = z.string().trim().min(1).max(1000);

/**
 * The one typed map of calls between the renderer and its host, whatever host that is. Inputs are checked where they
 * arrive: the renderer is not trusted. Outputs are checked where they arrive as well, so that drift is an error and
 * not a strange picture.
 *
 * `at`: who answers. `host` is the process that owns the window or serves the page; `agent` the agent process, which
 * lives on when windows close.
 */
export const calls = {
  // The app and its gateway
  'app.state': call('host', none, AppState),
  'app.look': call('agent', z.object({ url }).strict(), GatewayLook),
  /** Trusts the certificate with this fingerprint for that address, and goes there. */
  'app.useGateway': call(
    'agent',
    z
      .object({
        url,
        fingerprint: z
          .string()
          .regex(/^[0-9a-f]{64}$/)
          .optional(),
      })
      .strict(),
    done,
  ),
  /** Starts the embedded demo gateway if it does not run, and goes there. */
  'app.useDemo': call('host', none, z.object({ url: z.string() })),
  /** Opens the system browser; how it ends comes with `app.changed`. */
  'app.signIn': call('agent', none, z.object({ url: z.string() })),
  'app.cancelSignIn': call('agent', none, done),
  'app.signOut': call('agent', none, done),
  'app.acknowledgeNotice': call('agent', none, done),
  /** Asks the gateway at once whether it is there again. */
  'app.reconnect': call('agent', none, done),
  /** Opens a web page in the system browser. https only, or loopback. */
  'app.openExternal': call('host', z.object({ url }).strict(), done),
  /** Shows a file that the app wrote in the system's file manager. */
  'app.reveal': call('host', z.object({ export: z.string().max(64) }).strict(), done),
  'preferences.get': call('host', none, Preferences),
  'preferences.set': call('host', Preferences.partial().strict(), Preferences),
  /** Tabs, layout and unsaved text, as JSON of the renderer's own. Kept in a private file; read back after a crash. */
  'workspace.load': call('host', none, z.object({ text: z.string() })),
  'workspace.save': call('host', z.object({ text: z.string().max(workspaceBytesMax) }).strict(), done),
  'queries.list': call('host', none, z.object({ directory: z.string(), queries: z.array(SavedQuery) })),
  'queries.read': call('host', z.object({ name: QueryName }).strict(), z.object({ text: z.string() })),
  'queries.write': call(
    'host',
    z.object({ name: QueryName, text: z.string().max(runCharactersMax), replace: z.boolean() }).strict(),
    SavedQuery,
  ),
  'queries.remove': call('host', z.object({ name: QueryName }).strict(), done),

  // What the gateway shows
  'connections.list': call('agent', none, z.array(ConnectionDetail)),
  'sessions.list': call(
    'agent',
    z.object({ live: z.boolean().optional(), of: name.optional() }).strict(),
    z.array(SessionView),
  ),
  'sessions.show': call('agent', z.object({ id: SessionId }).strict(), SessionDetail),
  'sessions.revoke': call('agent', z.object({ id: SessionId, reason }).strict(), RevokeResponse),
  /** Who acts now: people, agents, sub-agents, programs. Parents before children. */
  'agents.list': call('agent', z.object({}).strict(), z.array(AgentNode)),
  'agents.revoke': call(
    'agent',
    z.object({ ids: z.array(z.string().min(1).max(256)).min(1).max(revokedTogetherMax), reason }).strict(),
    RevokeResponse,
  ),
  'replay.open': call('agent', z.object({ session: SessionId }).strict(), ReplayHead),
  'replay.items': call(
    'agent',
    z
      .object({
        replay: z.string().max(64),
        from: z.number().int().nonnegative(),
        count: z.number().int().min(1).max(1000),
      })
      .strict(),
    z.object({ items: z.array(ReplayItem) }),
  ),
  /** Indexes of the items that contain the text, 10,000 at most. */
  'replay.find': call(
    'agent',
    z.object({ replay: z.string().max(64), text: z.string().min(1).max(1000) }).strict(),
    z.object({ items: z.array(z.number().int()), cut: z.boolean() }),
  ),
  'replay.close': call('agent', z.object({ replay: z.string().max(64) }).strict(), done),
  search: call('agent', z.object({ text: z.string().trim().min(1).max(1000) }).strict(), z.array(SearchHit)),
  'log.verify': call('agent', none, VerifyReport),
  'log.checkpoint': call('agent', none, z.object({ text: z.string() })),
  'admin.connections': call('agent', none, z.array(AdminConnection)),
  /** YAML or JSON as `throughline admin connections add` takes it. */
  'admin.putConnections': call(
    'agent',
    z
      .object({
        text: z
          .string()
          .min(1)
          .max(1024 * 1024),
      })
      .strict(),
    PutResult,
  ),
  'admin.removeConnection': call('agent', z.object({ name: ConnectionName }).strict(), done),
  'admin.policies': call('agent', none, PolicyDocument),
  'admin.putPolicies': call(
    'agent',
    z.object({ text: z.string().max(1024 * 1024) }).strict(),
    PolicyPutResult,
  ),
  'admin.people': call('agent', none, z.array(AdminPerson)),

  // Tunnels
  'tunnels.list': call('agent', none, z.array(TunnelView)),
  'tunnels.open': call(
    'agent',
    z.object({ connection: ConnectionName, port: z.number().int().min(0).max(65_535).optional() }).strict(),
    TunnelView,
  ),
  'tunnels.close': call('agent', z.object({ connection: ConnectionName }).strict(), done),

  ...sshCalls,
  ...watchCalls,

  // SQL
  'sql.sessions': call('agent', none, z.array(SqlSession)),
  'sql.open': call(
    'agent',
    z.object({ connection: ConnectionName, autocommit: z.boolean() }).strict(),
    SqlSession,
  ),
  'sql.reconnect': call('agent', z.object({ key: SqlSessionKey }).strict(), SqlSession),
  'sql.close': call('agent', z.object({ key: SqlSessionKey }).strict(), done),
  /** Splits the text into statements and runs one after the other, stopping at the first error. */
  'sql.run': call(
    'agent',
    z
      .object({
        key: SqlSessionKey,
        run: RunKey,
        text: z.string().min(1).max(runCharactersMax),
        /** Rows of each result that are loaded before it pauses. */
        rowsMax: z.number().int().min(1).max(5_000_000),
      })
      .strict(),
    SqlRun,
  ),
  'sql.runState': call('agent', z.object({ run: RunKey }).strict(), SqlRun),
  'sql.cancel': call('agent', z.object({ key: SqlSessionKey }).strict(), done),
  /** Loads on after a pause. */
  'sql.more': call(
    'agent',
    z.object({ result: ResultKey, rowsMax: z.number().int().min(1).max(5_000_000) }).strict(),
    done,
  ),
  'sql.transaction': call(
    'agent',
    z.object({ key: SqlSessionKey, end: z.enum(['commit', 'rollback']) }).strict(),
    SqlSession,
  ),
  'sql.autocommit': call('agent', z.object({ key: SqlSessionKey, on: z.boolean() }).strict(), SqlSession),
  'sql.rows': call(
    'agent',
    z
      .object({
        result: ResultKey,
        from: z.number().int().nonnegative(),
        count: z.number().int().min(1).max(pageRowsMax),
      })
      .strict(),
    RowPage,
  ),
  /** `number` is the row's number in the result itself, as in RowPage.numbers. */
  'sql.cell': call(
    'agent',
    z
      .object({
        result: ResultKey,
        number: z.number().int().nonnegative(),
        column: z.number().int().nonnegative(),
        from: z.number().int().nonnegative(),
        count: z.number().int().min(1).max(cellPieceCharactersMax),
      })
      .strict(),
    z.object({ text: z.string().nullable(), characters: z.number().int() }),
  ),
  /** Sets how the result is looked at; pages are of this view from now on. A newer call ends an older one. */
  'sql.view': call(
    'agent',
    z.object({ result: ResultKey, view: ResultView }).strict(),
    z.object({ rows: z.number().int() }),
  ),
  'sql.dispose': call('agent', z.object({ run: RunKey }).strict(), done),
  'sql.explain': call(
    'agent',
    z
      .object({
        key: SqlSessionKey,
        text: z
          .string()
          .min(1)
          .max(1024 * 1024),
        analyze: z.boolean(),
      })
      .strict(),
    /** EXPLAIN (FORMAT JSON), as PostgreSQL gave it. */
    z.object({ json: z.string() }),
  ),
  'schema.read': call(
    'agent',
    z.object({ connection: ConnectionName, refresh: z.boolean() }).strict(),
    Schema,
  ),
  'schema.columns': call(
    'agent',
    z.object({ connection: ConnectionName, schema: z.string().max(256), name: z.string().max(256) }).strict(),
    z.array(SchemaColumn),
  ),
  'history.list': call(
    'agent',
    z
      .object({
        text: z.string().max(1000),
        connection: z.string().max(63).optional(),
        before: z.string().max(64).optional(),
        count: z.number().int().min(1).max(500),
      })
      .strict(),
    z.array(HistoryEntry),
  ),
  'history.clear': call('agent', none, done),
  'exports.start': call(
    'agent',
    z
      .object({
        result: ResultKey,
        format: z.enum(exportFormats),
        /** A file name without a directory; the host chooses the directory and never overwrites. */
        name: QueryName,
        /** Only what the view shows, in its order; else every row of the statement, also those not yet loaded. */
        view: z.boolean(),
      })
      .strict(),
    ExportView,
  ),
  'exports.list': call('agent', none, z.array(ExportView)),
  /** Fetches an offline bundle into the folder for exports, in the background. */
  'evidence.export': call('agent', EvidenceWanted, EvidenceExport),
  'evidence.exports': call('agent', none, z.array(EvidenceExport)),
  /** Bundles in the folder for exports: whatever was put there. None of these needs a gateway. */
  'bundles.list': call('agent', none, BundleList),
  'bundles.check': call(
    'agent',
    z.object({ name: BundleName, key: z.string().max(1024).optional() }).strict(),
    BundleCheck,
  ),
  'bundles.replay': call('agent', z.object({ name: BundleName, session: SessionId }).strict(), ReplayHead),
  'evidence.cancel': call('agent', z.object({ id: z.string().max(64) }).strict(), done),
  'exports.cancel': call('agent', z.object({ id: z.string().max(64) }).strict(), done),
} as const satisfies Record<string, Call>;

export type Calls = typeof calls;
export type CallName = keyof Calls;
export type CallInput<N extends CallName> = z.infer<Calls[N]['input']>;
export type CallOutput<N extends CallName> = z.infer<Calls[N]['output']>;
/** What one side implements. */
export type Handlers<At extends 'host' | 'agent'> = {
  readonly [N in CallName as Calls[N]['at'] extends At ? N : never]: (
    input: CallInput<N>,
  ) => Promise<CallOutput<N>>;
};

/** What is told without being asked. Every window gets every event. */
export const events = {
  'app.changed': AppState,
  'preferences.changed': Preferences,
  /** Ask for the list again. */
  'connections.changed': z.object({}),
  'session.changed': SessionView,
  'statement.changed': z.object({ session: SessionId, statement: StatementView }),
  /** Something was missed (a reconnect, a full queue): what is on the screen has to be read again. */
  'agent.changed': AgentChange,
  resync: z.object({}),
  'tunnels.changed': z.array(TunnelView),
  'sql.session': SqlSession,
  'sql.closed': z.object({ key: SqlSessionKey }),
  'sql.run': SqlRun,
  'ssh.session': SshSession,
  'ssh.closed': z.object({ key: SshKey }),
  'transfer.changed': TransferView,
  'forwards.changed': z.array(ForwardView),
  'export.changed': ExportView,
  'evidence.changed': EvidenceExport,
  /** One line for the person: a session was revoked, a tunnel refused another user. */
  notice: z.object({
    level: z.enum(['info', 'warning', 'error']),
    title: z.string().max(200),
    text: z.string().max(2000),
    session: z.string().optional(),
  }),
} as const;
export type Events = typeof events;
export type EventName = keyof Events;
export type EventPayload<N extends EventName> = z.infer<Events[N]>;
