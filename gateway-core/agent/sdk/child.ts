import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConnectionDetail } from '../../contract/api.js';
import {
  type DelegationRequest,
  type DelegationResponse,
  delegationLimits,
  type Lineage,
} from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { api } from '../client/api.js';
import { type HeldDelegation, holder, mintDelegation } from '../client/delegated.js';
import type { DeviceKey } from '../client/dpop.js';
import type { Gateway } from '../client/gateway.js';
import { delegationVariables } from '../client/inherited.js';
import type { Looking } from '../tunnel/behind.js';
import { programVariables } from '../tunnel/lines.js';
import { passfileText } from '../tunnel/passfile.js';
import { hostKeysOf, sshVariables, writeSshFiles } from '../tunnel/ssh-files.js';
import { openTunnel, type Tunnel, type TunnelEvent } from '../tunnel/tunnel.js';

/** How long the last bytes of programs may take after the child has ended. */
const drainMs = 1000;
/** Tunnels of one child at once. */
const tunnelsMax = 64;
/** How long the end of a delegation may take at a gateway that is away. */
const finishTimeoutMs = 3000;
const againMs = 500;
/** How far this machine's clock may be ahead of the gateway's, whose word counts while it can be heard. */
const clockSkewMs = 30_000;

/** `attribute`, `lookUp`: as socketLooking gives them. */
export interface ChildOptions extends Looking {
  /** Who mints: a person's sign-in, or a delegation. */
  readonly parent: Gateway;
  readonly request: Omit<DelegationRequest, 'key'>;
  /** Of the process that the request names as evidence, where it is not this one. */
  readonly lineage?: Lineage;
  readonly report?: (event: TunnelEvent) => void;
  /** Of mode 0700: connections are reached by sockets in here instead of ports, and nothing nests. */
  readonly isolated?: string;
  /** The delegation was over before `end` was: revoked, expired, or what it hangs on has ended. Called once. */
  readonly onOver?: (cause: string, reason: string | undefined) => void;
}

/** A place where a tool reaches one connection as the child. */
export interface ChildPlace {
  readonly detail: ConnectionDetail;
  readonly tunnel: Pick<Tunnel, 'host' | 'port' | 'socket' | 'password'>;
  readonly user: string;
  readonly database: string | undefined;
}

/** A child of whoever minted it: held by a key that only this process has, for as long as this process says so. */
export interface Child {
  readonly answer: DelegationResponse;
  /** With it, children can be minted offline. */
  readonly key: DeviceKey;
  /** Speaks as the child. */
  readonly gateway: Gateway;
  /** A tunnel for each connection that the child reaches; opened with the first call. */
  places(): Promise<readonly ChildPlace[]>;
  /**
   * What a program of the child finds in its environment: libpq's variables for its first connection, a service for
   * each (`psql service=NAME`), and the handle with which `throughline run` nests.
   */
  environment(): Promise<Readonly<Record<string, string>>>;
  /** Ends the delegation with everything below it. Tells `onOver` first when it was over already. */
  end(): Promise<void>;
}

/** Mints a child and stays with it. @throws ThroughlineError denied: wider than the parent; rate-limited */
export async function startChild(options: ChildOptions): Promise<Child> {
  const held = await mintDelegation(options.parent, options.request, options.lineage);
  const gateway = options.parent.as(held.answer.id, held.key);
  return new RunningChild(options, held, gateway);
}

class RunningChild implements Child {
  readonly answer: DelegationResponse;
  readonly key: DeviceKey;
  readonly gateway: Gateway;
  readonly #options: ChildOptions;
  readonly #tunnels: Tunnel[] = [];
  readonly #contacts: NodeJS.Timeout;
  #following: ReturnType<typeof holder.attach> | undefined;
  #places: Promise<readonly ChildPlace[]> | undefined;
  #directory: string | undefined;
  readonly #followed: Promise<void>;
  #over = false;
  #ending = false;
  #told = false;

  constructor(options: ChildOptions, { answer, key }: HeldDelegation, gateway: Gateway) {
    this.#options = options;
    this.answer = answer;
    this.key = key;
    this.gateway = gateway;
    this.#contacts = setInterval(() => {
      holder.contact(gateway, answer.id).catch(() => undefined);
    }, delegationLimits.contactMs);
    this.#followed = this.#follow();
  }

  places(): Promise<readonly ChildPlace[]> {
    this.#places ??= this.#open();
    return this.#places;
  }

  async environment(): Promise<Readonly<Record<string, string>>> {
    const places = await this.places();
    this.#directory ??= this.#options.isolated ?? mkdtempSync(join(tmpdir(), 'throughline-run-'));
    const services = join(this.#directory, 'pg_service.conf');
    const passfile = this.#passfile(places, this.#directory);
    writeFileSync(
      services,
      places
        .filter(({ detail }) => detail.protocol === 'postgres')
        .map((place) => serviceOf(place, passfile))
        .join('\n'),
      { mode: 0o600 },
    );
    const { id, handle, chain } = this.answer;
    const first = places.find(({ detail }) => detail.protocol === 'postgres');
    return {
      ...(first === undefined ? {} : programVariables({ ...first, ...first.tunnel, passfile })),
      ...(await this.#sshVariables(places, this.#directory)),
      PGSERVICEFILE: services,
      [delegationVariables.id]: id,
      ...(handle === undefined || this.#options.isolated !== undefined
        ? {}
        : { [delegationVariables.handle]: handle }),
      [delegationVariables.gateway]: this.gateway.url,
      THROUGHLINE_AGENT: chain.at(-1)?.name ?? '',
    };
  }

  /** An ssh, scp and sftp that know the way, first in PATH. */
  async #sshVariables(places: readonly ChildPlace[], directory: string): Promise<Record<string, string>> {
    const ways = places
      .filter(({ detail }) => detail.protocol === 'ssh')
      .map(({ detail, tunnel: { host, port, socket } }) => ({ connection: detail.name, host, port, socket }));
    if (ways.length === 0) return {};
    const hostKeys = hostKeysOf(await api.gateway(this.gateway));
    const path = process.env['PATH'];
    return sshVariables(path, writeSshFiles(directory, ways, hostKeys, path));
  }

  /** Where tunnels have passwords: the file that holds them. */
  #passfile(places: readonly ChildPlace[], directory: string): string | undefined {
    const guarded = places.flatMap(({ tunnel: { host, port, password } }) =>
      password === undefined ? [] : [{ host, port, password }],
    );
    if (guarded.length === 0) return undefined;
    const path = join(directory, 'pgpass');
    writeFileSync(path, passfileText(guarded), { mode: 0o600 });
    return path;
  }

  async end(): Promise<void> {
    await Promise.all(this.#tunnels.map((tunnel) => tunnel.close(drainMs)));
    clearInterval(this.#contacts);
    this.#ending = true;
    // Without it the gateway finds out by itself, a few seconds later.
    if (!this.#over) await Promise.race([this.#finish(), sleep(finishTimeoutMs, undefined, { ref: false })]);
    this.#over = true;
    this.#following?.abort();
    this.gateway.close();
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }

  async #open(): Promise<readonly ChildPlace[]> {
    const reachable = (await api.connections(this.gateway)).filter(({ access }) => access === 'allowed');
    const places: ChildPlace[] = [];
    for (const detail of reachable.slice(0, tunnelsMax)) {
      const { attribute, lookUp, report, isolated } = this.#options;
      const directory = isolated === undefined ? undefined : join(isolated, detail.name);
      if (directory !== undefined) mkdirSync(directory, { mode: 0o700 });
      const tunnel = await openTunnel({
        gateway: this.gateway,
        connection: detail.name,
        protocol: detail.protocol,
        ...(directory === undefined ? {} : { directory }),
        ...(attribute === undefined ? {} : { attribute }),
        ...(lookUp === undefined ? {} : { lookUp }),
        ...(report === undefined ? {} : { report }),
      });
      this.#tunnels.push(tunnel);
      places.push({ detail, tunnel, user: detail.user ?? 'throughline', database: detail.database });
    }
    return places;
  }

  async #finish(): Promise<void> {
    try {
      await holder.finish(this.gateway, this.answer.id);
    } catch (error) {
      if (!isOver(error)) return;
      // Somebody else has ended it: why is on its way.
      await this.#followed;
      this.#tell(unknownCause, undefined);
    }
  }

  /** Says that the holder is there for as long as it is, and hears when the delegation is over. */
  async #follow(): Promise<void> {
    while (!this.#over) {
      this.#following = holder.attach(this.gateway, this.answer.id);
      try {
        for await (const item of this.#following.items) {
          if (item.kind === 'ended') this.#ended(item.cause, item.reason);
        }
      } catch (error) {
        if (isOver(error)) this.#ended(undefined, undefined);
      }
      // The gateway is away and cannot say so.
      if (Date.now() > Date.parse(this.answer.expiresAt) + clockSkewMs) this.#ended('expired', undefined);
      if (!this.#over) await sleep(againMs);
    }
  }

  #ended(cause: string | undefined, reason: string | undefined): void {
    if (this.#over) return;
    this.#over = true;
    // Ended by this very process, as far as is known here.
    if (this.#ending && (cause === undefined || cause === 'finished')) return;
    this.#tell(cause ?? unknownCause, reason);
  }

  #tell(cause: string, reason: string | undefined): void {
    if (this.#told) return;
    this.#told = true;
    this.#options.onOver?.(cause, reason);
  }
}

const unknownCause = 'it has ended at the gateway';
const isOver = (error: unknown): boolean =>
  error instanceof ThroughlineError && error.code === 'not-signed-in';

/** PostgreSQL manual, 34.17. */
function serviceOf({ detail, tunnel, user, database }: ChildPlace, passfile: string | undefined): string {
  const lines = [`[${detail.name}]`, `host=${tunnel.host}`, `port=${tunnel.port}`, `user=${user}`];
  if (database !== undefined) lines.push(`dbname=${database}`);
  if (passfile !== undefined) lines.push(`passfile=${passfile}`);
  return `${[...lines, 'sslmode=disable', 'gssencmode=disable'].join('\n')}\n`;
}
