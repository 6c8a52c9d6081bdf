import { isLoopback } from '../../gateway-core/agent/client/trust.js';
import type { AppState, Preferences, SavedQuery } from '../../gateway-core/contract/bridge/app.js';
import type { Handlers } from '../../gateway-core/contract/bridge/calls.js';
import { EvidenceExport } from '../../gateway-core/contract/bridge/evidence.js';
import { ExportView } from '../../gateway-core/contract/bridge/work.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import type { AgentPort } from './dispatcher.js';

/** Preferences of the person on this device. */
export interface PreferencesPort {
  get(): Promise<Preferences>;
  /** Changes what is given; resolves with all of them. */
  set(change: Partial<Preferences>): Promise<Preferences>;
}

export interface WorkspacePort {
  /** Empty when nothing was kept. */
  load(): Promise<string>;
  save(text: string): Promise<void>;
}

export interface QueriesPort {
  list(): Promise<{ directory: string; queries: SavedQuery[] }>;
  read(name: string): Promise<string>;
  write(name: string, text: string, replace: boolean): Promise<SavedQuery>;
  remove(name: string): Promise<void>;
}

export interface DemoPort {
  /** Starts the demo gateway if it does not run; resolves once it accepts connections. */
  start(): Promise<{ url: string }>;
}

export interface HostPorts {
  readonly state: () => AppState;
  readonly preferences: PreferencesPort;
  readonly preferencesChanged: (preferences: Preferences) => void;
  readonly workspace: WorkspacePort;
  readonly queries: QueriesPort;
  readonly demo: DemoPort;
  readonly agent: AgentPort;
  /** Opens an address in the system's browser. */
  readonly openExternal: (url: string) => Promise<void>;
  /** Shows a file in the system's file manager. */
  readonly reveal: (path: string) => Promise<void>;
}

/** Answers the calls of the map that are `at: host`, whatever host it is. */
export function createHostHandlers(ports: HostPorts): Handlers<'host'> {
  const { workspace, queries, preferences } = ports;
  return {
    'app.state': () => Promise.resolve(ports.state()),
    'app.useDemo': async () => {
      const { url } = await ports.demo.start();
      await ports.agent.call('app.useGateway', { url });
      return { url };
    },
    'app.openExternal': async ({ url }) => {
      await ports.openExternal(externalUrl(url));
      return {};
    },
    'app.reveal': async ({ export: id }) => {
      await ports.reveal(await exportPath(ports.agent, id));
      return {};
    },
    'preferences.get': () => preferences.get(),
    'preferences.set': async (change) => {
      const next = await preferences.set(change);
      ports.preferencesChanged(next);
      return next;
    },
    'workspace.load': async () => ({ text: await workspace.load() }),
    'workspace.save': async ({ text }) => {
      await workspace.save(text);
      return {};
    },
    'queries.list': () => queries.list(),
    'queries.read': async ({ name }) => ({ text: await queries.read(name) }),
    'queries.write': ({ name, text, replace }) => queries.write(name, text, replace),
    'queries.remove': async ({ name }) => {
      await queries.remove(name);
      return {};
    },
  };
}

/**
 * The address as it is handed to the system: https to anywhere, http to loopback, and nothing that another program
 * than a browser would take. @throws ThroughlineError invalid-request
 */
export function externalUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const allowed = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.href));
  if (url !== undefined && allowed && url.username === '' && url.password === '') return url.href;
  throw new ThroughlineError('invalid-request', 'only https pages, and pages of this machine, are opened', {
    action: 'copy the address if you trust it',
  });
}

/** A renderer names an export, never a path: what is shown is what the agent wrote. */
async function exportPath(agent: AgentPort, id: string): Promise<string> {
  const [results, bundles] = await Promise.all([
    agent.call('exports.list', {}),
    agent.call('evidence.exports', {}),
  ]);
  const exports = [
    ...(ExportView.array().safeParse(results).data ?? []),
    ...(EvidenceExport.array().safeParse(bundles).data ?? []),
  ];
  const found = exports.find((each) => each.id === id);
  if (found !== undefined && found.path !== '') return found.path;
  throw new ThroughlineError('not-found', 'there is no such export any more');
}
