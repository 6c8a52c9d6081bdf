import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { AppState, GatewayLook, Preferences } from '../../contract/bridge/app.js';
import type { Handlers } from '../../contract/bridge/calls.js';
import { ThroughlineError } from '../../contract/errors.js';
import { api } from '../client/api.js';
import type { ClientState } from '../client/state.js';
import { fingerprintOf, gatewayOrigin, isLoopback, lookAt } from '../client/trust.js';
import { checkBundle, listBundles, withBundleReplay } from '../evidence/bundles.js';
import { DesktopRecording } from '../recording/recording.js';
import { createSqlEngine } from '../sql/index.js';
import { createSshEngine } from '../ssh/index.js';
import { readConnections } from './connections-text.js';
import type { Emit } from './emit.js';
import { EvidenceExports } from './evidence-exports.js';
import { GatewayLink } from './gateway-link.js';
import { serviceLimits } from './limits.js';
import { Replays } from './replays.js';
import { detailOf, Tunnels } from './tunnels.js';
import { Watching } from './watching.js';

/** The part of the preferences that the agent acts on. */
export type AgentPreferences = Pick<Preferences, 'exportDirectory' | 'tunnels'>;

export interface AgentServiceOptions {
  readonly version: string;
  readonly platform: string;
  readonly state: ClientState;
  readonly emit: Emit;
  readonly openBrowser: (url: string) => void;
}

export interface AgentService {
  readonly handlers: Handlers<'agent'>;
  /** Goes to the gateway of the last time. */
  start(): Promise<void>;
  /** What the person prefers, at the start and at every change. */
  prefer(preferences: AgentPreferences): void;
  close(): Promise<void>;
}

/**
 * Everything that lives on when a window closes: the sign-in, tunnels, SQL sessions with their results, replays. One
 * per agent process; the host hands it the calls of `contract/bridge`.
 */
export function createAgentService(options: AgentServiceOptions): AgentService {
  const { state, emit } = options;
  let preferences: AgentPreferences = { exportDirectory: '', tunnels: [] };
  const replays = new Replays();
  let recorded: Pick<AppState, 'spool' | 'logConflict'> = {};
  const recording = new DesktopRecording({
    state,
    version: options.version,
    changed: ({ spool, logConflict }) => {
      recorded = {
        ...(spool === undefined ? {} : { spool }),
        ...(logConflict === undefined ? {} : { logConflict }),
      };
      link.recordingChanged();
    },
  });
  const link = new GatewayLink({
    state,
    emit,
    openBrowser: options.openBrowser,
    facts: { version: options.version, platform: options.platform },
    recording: {
      recorder: recording,
      state: () => recorded,
      know: (url, device) => recording.know(url, device),
      reached: () => recording.reconnected(),
    },
    begun: (gateway) => {
      recording.attach(gateway);
      void tunnels.openAll(preferences.tunnels);
    },
    ended: async (why) => {
      replays.closeAll();
      watching.closeAll();
      evidence.cancelAll();
      const problem =
        why === 'signed-out'
          ? { code: 'not-signed-in', message: 'you have signed out', action: 'sign in again' }
          : { code: 'conflict', message: 'the app has gone to another gateway' };
      sql.closeSessions(problem);
      ssh.closeSessions(problem);
      await tunnels.closeAll();
      // The sign-in may be used for a moment longer: how the sessions ended is told with it.
      await recording.settle(serviceLimits.uploadAtEndMs);
      recording.detach();
    },
  });
  const tunnels = new Tunnels({ state, emit, gateway: () => link.current() });
  const sql = createSqlEngine({
    openStream: (connection) => link.with((gateway) => gateway.openStream(connection, undefined, 'built-in')),
    recorded: (stream) => recording.of(stream),
    detail: (connection) => link.with((gateway) => detailOf(gateway, connection)),
    emit,
    exportDirectory: () => exportDirectory(preferences.exportDirectory),
    history: {
      directory: state.home.state,
      seal: async (text) => {
        const sealed = await state.seal('history', text);
        if (sealed !== undefined) return sealed.toString('base64');
        throw new ThroughlineError('not-signed-in', 'there is no key to seal the history with');
      },
      unseal: (text) => state.unseal('history', Buffer.from(text, 'base64')),
    },
    principal: () => link.principal(),
    nowMs: () => Date.now(),
  });
  const ssh = createSshEngine({
    openStream: (connection) => link.with((gateway) => gateway.openStream(connection, undefined, 'built-in')),
    hostKeys: () => link.sshHostKeys(),
    sessionOf: (stream) => recording.of(stream)?.id,
    emit,
    exportDirectory: () => exportDirectory(preferences.exportDirectory),
  });
  const evidence = new EvidenceExports({
    directory: () => exportDirectory(preferences.exportDirectory),
    emit,
  });
  const watching = new Watching({
    follow: (session) => api.watch(link.current(), session),
    failed: (error) => link.noticed(error),
  });
  const handlers: Handlers<'agent'> = {
    ...appHandlers(link, state),
    ...gatewayHandlers(link, replays),
    'evidence.export': (wanted) => link.with((gateway) => Promise.resolve(evidence.start(gateway, wanted))),
    'evidence.exports': () => Promise.resolve(evidence.list()),
    'bundles.list': () => listBundles(exportDirectory(preferences.exportDirectory)),
    'bundles.check': ({ name, key }) => checkBundle(exportDirectory(preferences.exportDirectory), name, key),
    'bundles.replay': ({ name, session }) =>
      withBundleReplay(exportDirectory(preferences.exportDirectory), name, session, (items) =>
        replays.open(items),
      ),
    'evidence.cancel': ({ id }) => {
      evidence.cancel(id);
      return Promise.resolve({});
    },
    'tunnels.list': () => Promise.resolve(tunnels.list()),
    'tunnels.open': ({ connection, port }) => tunnels.open(connection, port),
    'tunnels.close': async ({ connection }) => {
      await tunnels.close(connection);
      return {};
    },
    ...watching.handlers,
    ...sql.handlers,
    ...ssh.handlers,
  };
  return {
    handlers,
    start: () => link.start(),
    prefer: (next) => {
      preferences = next;
    },
    close: async () => {
      watching.closeAll();
      evidence.cancelAll();
      await Promise.all([tunnels.end(), sql.close(), ssh.close()]);
      await recording.close(serviceLimits.uploadAtEndMs);
      link.close();
    },
  };
}

type AppCalls = Extract<keyof Handlers<'agent'>, `app.${string}`>;

function appHandlers(link: GatewayLink, state: ClientState): Pick<Handlers<'agent'>, AppCalls> {
  return {
    'app.look': ({ url }) => look(state, url),
    'app.useGateway': async ({ url, fingerprint }) => {
      await link.use(url, fingerprint);
      return {};
    },
    'app.signIn': async () => ({ url: await link.signIn() }),
    'app.cancelSignIn': async () => {
      link.cancelSignIn();
      return Promise.resolve({});
    },
    'app.signOut': async () => {
      await link.signOut();
      return {};
    },
    'app.acknowledgeNotice': async () => {
      await link.acknowledgeNotice();
      return {};
    },
    'app.reconnect': () => {
      link.reconnect();
      return Promise.resolve({});
    },
  };
}

type GatewayCalls = Extract<
  keyof Handlers<'agent'>,
  | `connections.${string}`
  | `sessions.${string}`
  | `agents.${string}`
  | `replay.${string}`
  | `log.${string}`
  | `admin.${string}`
  | 'search'
>;

function gatewayHandlers(link: GatewayLink, replays: Replays): Pick<Handlers<'agent'>, GatewayCalls> {
  return {
    'connections.list': () => link.with(api.connections),
    'sessions.list': ({ live, of }) =>
      link.with((gateway) =>
        api.sessions(gateway, {
          ...(live === true ? { live: 'true' as const } : {}),
          ...(of === undefined ? {} : { of }),
        }),
      ),
    'sessions.show': ({ id }) => link.with((gateway) => api.session(gateway, id)),
    'sessions.revoke': ({ id, reason }) => {
      link.endings.expected();
      return link.with((gateway) => api.revoke(gateway, { kind: 'session', id, reason }));
    },
    'agents.list': () => link.with((gateway) => api.agents(gateway)),
    'agents.revoke': ({ ids, reason }) => {
      link.endings.expected();
      return link.with((gateway) => api.revoke(gateway, { kind: 'agents', ids, reason }));
    },
    'replay.open': ({ session }) => link.with((gateway) => replays.open(api.recording(gateway, session))),
    'replay.items': ({ replay, from, count }) =>
      Promise.resolve().then(() => ({ items: replays.items(replay, from, count) })),
    'replay.find': ({ replay, text }) => replays.find(replay, text),
    'replay.close': ({ replay }) => {
      replays.close(replay);
      return Promise.resolve({});
    },
    search: ({ text }) => link.with((gateway) => api.search(gateway, { q: text })),
    'log.verify': () => link.with(api.verifyLog),
    'log.checkpoint': () => link.with(async (gateway) => ({ text: await api.checkpoint(gateway) })),
    'admin.connections': () => link.with(api.adminConnections),
    'admin.putConnections': ({ text }) =>
      link.with((gateway) => api.putConnections(gateway, readConnections(text))),
    'admin.removeConnection': ({ name }) =>
      link.with(async (gateway) => {
        await api.removeConnection(gateway, name);
        return {};
      }),
    'admin.policies': () =>
      link.with(async (gateway) => {
        const [current] = await api.policies(gateway);
        if (current !== undefined) return current;
        throw new ThroughlineError('not-found', 'the gateway has no policies yet');
      }),
    'admin.putPolicies': ({ text }) => link.with((gateway) => api.putPolicies(gateway, text)),
    'admin.people': () => link.with(api.people),
  };
}

/** What an address shows of itself, and how far it is known here. Nothing is sent but a TLS handshake. */
async function look(state: ClientState, url: string): Promise<GatewayLook> {
  const origin = gatewayOrigin(url);
  const presented = await lookAt(origin);
  const shown = presented.top.ca ? presented.top : presented.leaf;
  const settings = await state.settings();
  const pinned = settings.gateways[origin]?.trust;
  const fingerprints = [presented.leaf, presented.top].map(fingerprintOf);
  const matches =
    pinned?.kind === 'leaf'
      ? fingerprints.includes(pinned.fingerprint)
      : pinned?.kind === 'ca' && pinned.pem.includes(presented.top.toString().trim());
  const local = isLoopback(origin) && settings.local[origin] !== undefined;
  const trust = local ? 'local' : matches ? 'pinned' : presented.systemTrusts ? 'system' : 'unknown';
  return {
    url: origin,
    fingerprint: fingerprintOf(shown),
    subject: presented.leaf.subject.replaceAll('\n', ', '),
    trust,
    changed: trust !== 'local' && pinned !== undefined && pinned.kind !== 'system' && !matches,
    validUntil: new Date(presented.leaf.validTo).toISOString(),
  };
}

/** The folder that the person chose, else the system's for downloads, else the home directory. */
function exportDirectory(chosen: string): string {
  const download = process.env['XDG_DOWNLOAD_DIR'];
  const candidates = [chosen, download ?? '', join(homedir(), 'Downloads')];
  return candidates.find((each) => each !== '' && existsSync(each)) ?? homedir();
}
