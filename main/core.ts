import { GatewayLook, type HostKind, Preferences } from '../gateway-core/contract/bridge/app.js';
import { type AgentHost, type AgentProcess, createAgentHost } from './agent-host/agent-host.js';
import { type DemoGateway, demoGateway } from './gateway/demo-gateway.js';
import type { RunningDemo } from './gateway/running-demo.js';
import { type HeldState, holdState } from './ipc/app-state.js';
import { createDispatcher, type Dispatcher } from './ipc/dispatcher.js';
import { toBridgeError } from './ipc/failure.js';
import { createHostHandlers } from './ipc/host-handlers.js';
import type { Places } from './settings/places.js';
import { type PreferencesFile, preferencesOf } from './settings/preferences.js';
import { queriesIn } from './settings/queries.js';
import { workspaceIn } from './settings/workspace.js';

/** What the two hosts do each in its own way. */
export interface HostParts {
  readonly kind: HostKind;
  /** Why this host, when it is not the usual one. */
  readonly reason: string;
  readonly version: string;
  readonly places: Places;
  readonly preferencesFile: Promise<PreferencesFile>;
  readonly forkAgent: () => AgentProcess;
  /** What runs the demo gateway; without `node` there is none. */
  readonly demo: { readonly node: string | undefined; readonly program: string };
  readonly openExternal: (url: string) => Promise<void>;
  readonly reveal: (path: string) => Promise<void>;
  /** One line for whoever looks at the terminal or the log. */
  readonly log: (line: string) => void;
  readonly preferencesChanged?: (preferences: Preferences) => void;
  /** Hears the agent's events too: a tray shows tunnels. */
  readonly onEvent?: (name: string, payload: unknown) => void;
}

export interface Core {
  readonly dispatcher: Dispatcher;
  readonly agent: AgentHost;
  readonly state: HeldState;
  readonly demo: DemoGateway;
  preferences(): Promise<Preferences>;
  /** Changes them as a window would: every window is told. */
  setPreferences(change: Partial<Preferences>): Promise<Preferences>;
  /** Starts the demo gateway and goes there; what fails is told in every window. */
  startDemo(): Promise<RunningDemo | undefined>;
  /** Goes to the gateway at `url`; what fails is told in every window. */
  useGateway(url: string): Promise<void>;
  /** Ends the agent, then the demo gateway: tunnels say goodbye before what they lead to goes away. */
  close(): Promise<void>;
}

/** Everything of a host but its window: agent process, demo gateway, settings, and the door to them. */
export function createCore(parts: HostParts): Core {
  const complain = (what: string, cause?: unknown): void => {
    parts.log(cause instanceof Error ? `${what}: ${cause.name} ${cause.message}` : what);
  };
  const facts = {
    host: parts.kind,
    hostReason: parts.reason,
    version: parts.version,
    platform: process.platform,
  };
  const state = holdState(facts, (next) => dispatcher.broadcast('app.changed', next));
  const demo = demoGateway({
    ...parts.demo,
    env: process.env,
    changed: (embedded) => state.embeddedIs(embedded),
    complain,
  });
  const tell = (level: 'warning' | 'error', title: string, text: string): void => {
    complain(`${title}: ${text}`);
    dispatcher.broadcast('notice', { level, title, text: text.slice(0, 2000) });
  };
  const preferences = preferencesOf(parts.preferencesFile, (problem) =>
    tell('warning', 'Preferences', problem),
  );
  const tellAgent = ({ exportDirectory, tunnels }: Preferences): void => {
    agent.tell({ kind: 'preferences', exportDirectory, tunnels });
  };
  const handlers = createHostHandlers({
    state: () => state.current(),
    preferences,
    preferencesChanged: (next) => {
      dispatcher.broadcast('preferences.changed', next);
      tellAgent(next);
      parts.preferencesChanged?.(next);
    },
    workspace: workspaceIn(parts.places.state),
    queries: queriesIn(parts.places.queries),
    demo,
    agent: { call: (name, input) => agent.call(name, input) },
    openExternal: parts.openExternal,
    reveal: parts.reveal,
  });
  const dispatcher: Dispatcher = createDispatcher({
    host: handlers,
    agent: { call: (name, input) => agent.call(name, input) },
    complain,
  });
  let wasRunning = false;
  let lastGateway: string | undefined;
  let resuming = false;
  /** A new agent process goes where the one before it was, if it does not by itself; once for each new process. */
  const resume = (): void => {
    const url = state.current().gateway?.url;
    if (url === undefined && resuming && lastGateway !== undefined) void useGateway(lastGateway);
    lastGateway = url ?? lastGateway;
    resuming = false;
  };
  const agent: AgentHost = createAgentHost({
    fork: parts.forkAgent,
    start: () => ({ kind: 'start', version: parts.version, platform: process.platform }),
    complain,
    onState: (next) => {
      state.agentIs(next);
      if (next === 'starting') {
        preferences.get().then(tellAgent, (cause: unknown) => complain('no preferences', cause));
      }
      if (next !== 'running') return;
      resuming = wasRunning;
      // What the ended process held is gone: views have to ask the new one.
      if (wasRunning) dispatcher.broadcast('resync', {});
      wasRunning = true;
    },
    onEvent: (name, payload) => {
      parts.onEvent?.(name, payload);
      if (name !== 'app.changed') return dispatcher.relay(name, payload);
      if (state.fromAgent(payload)) resume();
      else complain('the agent told a state of another shape');
    },
  });
  const attempt = async <T>(title: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (cause) {
      const { message, action } = toBridgeError(cause);
      tell('error', title, action === undefined ? message : `${message}: ${action}`);
      return undefined;
    }
  };
  const useGateway = async (url: string): Promise<void> => {
    await attempt('The gateway', async () => {
      const look = GatewayLook.parse(await agent.call('app.look', { url }));
      // Nobody has compared this certificate yet: the first screen shows it and asks.
      if (look.trust === 'unknown' || look.changed) return state.wantedIs(look.url);
      await agent.call('app.useGateway', { url: look.url });
    });
  };
  // Last: what it tells leads to nearly everything above.
  agent.start();
  return {
    dispatcher,
    agent,
    state,
    demo,
    preferences: () => preferences.get(),
    setPreferences: (change) => handlers['preferences.set'](change),
    startDemo: () =>
      attempt('The demo gateway', async () => {
        const running = await demo.start();
        await agent.call('app.useGateway', { url: running.url });
        return running;
      }),
    useGateway,
    close: async () => {
      await agent.close();
      await demo.close();
    },
  };
}
