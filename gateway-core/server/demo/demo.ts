import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { paths } from '../../contract/api.js';
import { ConnectionConfig } from '../../contract/connection.js';
import { demoRules, type Identity } from '../../identity/index.js';
import type { Connection, ConnectionRegistry } from '../connections.js';
import type { PolicyRegistry } from '../policies.js';
import {
  demoConnection,
  demoConnectionName,
  demoHostAddress,
  demoHostName,
  demoPolicies,
} from './defaults.js';
import { DemoHost } from './host/index.js';
import { type DemoTarget, demoTarget } from './target.js';

const by = 'gateway/demo';

/** Everything that `--demo` adds: identity provider, first policies, the connections shop-db and shop-host, and what they lead to. */
export class Demo {
  readonly #dataDirectory: string;
  readonly #target: DemoTarget;
  readonly #host: DemoHost;
  #provider: Promise<{ close(): Promise<void> }> | undefined;

  constructor(dataDirectory: string, targetDirectory: string) {
    this.#dataDirectory = dataDirectory;
    this.#target = demoTarget(targetDirectory);
    this.#host = new DemoHost(dataDirectory);
  }

  /** Path of the 0600 file that signs in without a browser; made once. */
  get secretFile(): string {
    return join(this.#dataDirectory, 'demo-secret');
  }

  secret(): string {
    if (!existsSync(this.secretFile)) {
      writeFileSync(this.secretFile, `${randomBytes(32).toString('base64url')}\n`, {
        mode: 0o600,
        flag: 'wx',
      });
    }
    return readFileSync(this.secretFile, 'utf8').trim();
  }

  /** What a fresh demo starts with. What an admin of the demo changed stays changed. */
  async seed(connections: ConnectionRegistry, policies: PolicyRegistry): Promise<void> {
    if (policies.current.text === '') await policies.put(demoPolicies, by);
    if (DemoHost.isAvailable() && connections.get(demoHostName) === undefined)
      await connections.put([ConnectionConfig.parse(this.#host.seed())], by);
    if (connections.get(demoConnectionName) !== undefined) return;
    const config = demoConnection({
      // Where the socket is comes out when the target starts: see `beforeDial`.
      address: '/demo:5432',
      authentication: this.#target.kind === 'pglite' ? 'trust' : 'scram',
      password: randomBytes(24).toString('base64url'),
    });
    await connections.put([ConnectionConfig.parse(config)], by);
  }

  /** Loads and starts the demo's identity provider; the gateway is ready before it is. */
  async startProvider(identity: Identity, gateway: { url: string; ca: string }): Promise<void> {
    const logoutTo = {
      url: new URL(paths.backChannelLogout(demoRules.name), gateway.url).href,
      ca: gateway.ca,
    };
    const starting = import('./identity-provider/index.js').then(({ startDemoIdentityProvider }) =>
      startDemoIdentityProvider({ dir: this.#dataDirectory, port: 0, logoutTo }),
    );
    this.#provider = starting;
    await identity.expectProvider(starting.then(({ settings }) => settings));
  }

  /** Starts the demo's database or host at first use. Undefined: not the demo's connection. */
  async address(connection: Connection, connections: ConnectionRegistry): Promise<string | undefined> {
    if (connection.name === demoHostName && connection.address === demoHostAddress)
      return this.#host.address();
    if (connection.name !== demoConnectionName || connection.address !== '/demo:5432') return undefined;
    const { password } = await connections.credential(connection.name);
    return `${await this.#target.start(password ?? '')}:5432`;
  }

  async close(): Promise<void> {
    // Also when it has only begun to start: a listener that comes after the end would keep the process alive.
    await this.#provider?.then((provider) => provider.close()).catch(() => undefined);
    await Promise.all([this.#target.stop(), this.#host.stop()]);
  }
}
