import type { ConnectionDetail } from '../../contract/api.js';
import type { TunnelView } from '../../contract/bridge/work.js';
import type { Lineage } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { api } from '../client/api.js';
import type { Gateway } from '../client/gateway.js';
import type { ClientState } from '../client/state.js';
import { socketLooking } from '../tunnel/behind.js';
import { sshLines, tunnelLines } from '../tunnel/lines.js';
import { type Passfile, passfileOf } from '../tunnel/passfile.js';
import { hostKeysOf, keepSshFiles, type SshTunnelPlace } from '../tunnel/ssh-files.js';
import { openTunnel, type Tunnel, type TunnelEvent } from '../tunnel/tunnel.js';
import type { Emit } from './emit.js';
import { toBridgeError } from './failure.js';

interface Held {
  view: TunnelView;
  tunnel: Tunnel | undefined;
  passfile: Passfile | undefined;
  /** Refusals as they were told the last time. */
  refusedTold: number;
}

export interface TunnelsOptions {
  readonly state: ClientState;
  readonly emit: Emit;
  /** Called for each socket: the gateway of that moment, so that tunnels live through a new sign-in. */
  readonly gateway: () => Gateway;
}

/** How often open sockets are counted, and how often a tunnel's refusals are told. */
const countIntervalMs = 500;

/** The tunnels of this agent. Ports are sticky: settings of other tools stay right over restarts. */
export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #held = new Map<string, Held>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: TunnelsOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#count(), countIntervalMs);
    this.#timer.unref();
  }

  list(): TunnelView[] {
    return [...this.#held.values()].map(({ view }) => view);
  }

  /** @throws ThroughlineError denied, conflict (another tunnel to it is open, or the port is taken) */
  async open(connection: string, port: number | undefined): Promise<TunnelView> {
    const held = this.#held.get(connection);
    if (held !== undefined && held.view.state !== 'failed') {
      if (port === undefined || port === held.view.port) return held.view;
      await this.close(connection);
    }
    const entry: Held = {
      view: emptyView(connection),
      tunnel: undefined,
      passfile: undefined,
      refusedTold: 0,
    };
    this.#held.set(connection, entry);
    this.#tell();
    try {
      const gateway = this.#options.gateway();
      const detail = await detailOf(gateway, connection);
      entry.tunnel = await this.#listen(gateway.url, detail, port, entry);
      if (this.#held.get(connection) !== entry) await this.#abandon(entry.tunnel);
      const { host, port: listening, socket, password } = entry.tunnel;
      const isSsh = detail.protocol === 'ssh';
      const user = detail.user ?? (isSsh ? connection : 'throughline');
      const place = { host, port: listening, user, database: detail.database ?? (isSsh ? '' : connection) };
      entry.passfile = passfileOf(entry.tunnel);
      const lines = isSsh
        ? sshLines(connection, await this.#sshFiles(gateway, { connection, host, port: listening, socket }))
        : tunnelLines({ ...place, passfile: entry.passfile?.path });
      const secret = password === undefined ? {} : { password };
      entry.view = { ...entry.view, ...place, ...secret, state: 'open', lines };
      this.#tell();
      return entry.view;
    } catch (error) {
      entry.view = { ...entry.view, state: 'failed', error: toBridgeError(error) };
      if (this.#held.get(connection) === entry) this.#tell();
      throw error;
    }
  }

  async close(connection: string): Promise<void> {
    const held = this.#held.get(connection);
    this.#held.delete(connection);
    held?.passfile?.remove();
    await held?.tunnel?.close();
    this.#tell();
  }

  /** Opens those that are wanted and not open. What fails stands in the list. */
  async openAll(connections: readonly string[]): Promise<void> {
    for (const connection of connections) {
      const state = this.#held.get(connection)?.view.state;
      if (state === undefined || state === 'failed')
        await this.open(connection, undefined).catch(() => undefined);
    }
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#held.keys()].map((each) => this.close(each)));
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    await this.closeAll();
  }

  /** A port that nobody knows of must not stay open. */
  async #abandon(tunnel: Tunnel): Promise<never> {
    await tunnel.close();
    throw new ThroughlineError('conflict', 'the tunnel was closed while it opened', {
      action: 'open it again',
    });
  }

  async #sshFiles(gateway: Gateway, place: SshTunnelPlace): Promise<ReturnType<typeof keepSshFiles>> {
    const hostKeys = hostKeysOf(await api.gateway(gateway));
    return keepSshFiles(this.#options.state.home.state, place, hostKeys);
  }

  async #listen(
    url: string,
    { name: connection, protocol }: ConnectionDetail,
    port: number | undefined,
    entry: Held,
  ): Promise<Tunnel> {
    const options = {
      gateway: {
        openStream: (name: string, lineage?: Lineage) => this.#options.gateway().openStream(name, lineage),
      },
      connection,
      protocol,
      report: (event: TunnelEvent) => this.#report(entry, event),
      ...(await socketLooking(this.#options.state)),
    };
    const { state } = this.#options;
    const key = `${url} ${connection}`;
    const last = (await state.settings()).ports[key];
    const tunnel = await openTunnel({ ...options, port: port ?? last ?? 0 }).catch((error: unknown) => {
      // A port of last time that another program has now is no reason to fail; one that was asked for is.
      const taken = error instanceof ThroughlineError && error.code === 'conflict';
      if (taken && port === undefined && last !== undefined) return openTunnel(options);
      throw error;
    });
    if (tunnel.port !== last) {
      await state.changeSettings((settings) => ({
        ...settings,
        ports: { ...settings.ports, [key]: tunnel.port },
      }));
    }
    return tunnel;
  }

  #report(entry: Held, event: TunnelEvent): void {
    if (event.kind === 'failed') {
      entry.view = { ...entry.view, error: toBridgeError(event.error) };
      return this.#tell();
    }
    const { refused, connection } = entry.view;
    entry.view = { ...entry.view, refused: refused + 1 };
    // Told once, counted always: another user must not be able to flood the screen.
    if (refused > 0) return;
    this.#options.emit('notice', {
      level: 'warning',
      title: `The tunnel to ${connection} refused somebody`,
      text: reasons[event.reason],
    });
    this.#tell();
  }

  #count(): void {
    let changed = false;
    for (const held of this.#held.values()) {
      const sockets = held.tunnel?.sockets() ?? 0;
      if (sockets === held.view.sockets && held.view.refused === held.refusedTold) continue;
      held.view = { ...held.view, sockets };
      changed = true;
    }
    if (changed) this.#tell();
  }

  #tell(): void {
    for (const held of this.#held.values()) held.refusedTold = held.view.refused;
    this.#options.emit('tunnels.changed', this.list());
  }
}

const reasons: Readonly<Record<Extract<TunnelEvent, { kind: 'refused' }>['reason'], string>> = {
  'other-user': 'A process of another user of this machine tried to use it.',
  'changed-hands': 'It changed hands while it was looked at, so it was not let in.',
  'wrong-password': 'It gave another password than this tunnel’s.',
  'unknown-user': 'Whose process it was could not be established, so it was not let in.',
  'too-many': 'Too many sockets are open on it.',
};

function emptyView(connection: string): TunnelView {
  return {
    connection,
    state: 'opening',
    host: '127.0.0.1',
    port: 0,
    user: '',
    database: '',
    sockets: 0,
    refused: 0,
    lines: [],
  };
}

/** @throws ThroughlineError denied: the same for a name that does not exist and for one that policy hides */
export async function detailOf(gateway: Gateway, connection: string): Promise<ConnectionDetail> {
  const detail = (await api.connections(gateway)).find(({ name }) => name === connection);
  if (detail?.access === 'allowed') return detail;
  throw new ThroughlineError('denied', `there is no connection ${connection} that you may use`, {
    action: 'ask an admin for access',
  });
}
