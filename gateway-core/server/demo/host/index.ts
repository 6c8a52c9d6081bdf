import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { ConnectionInput } from '../../../contract/connection.js';
import { ThroughlineError } from '../../../contract/errors.js';
import { hostIdentity } from '../../../proxy/ssh/host-identity.js';
import { demoHost } from '../defaults.js';
import { startOpenssh } from './openssh.js';
import { startOwn } from './own.js';
import type { RunningHost } from './running.js';

/**
 * The demo's host: OpenSSH's server on loopback where Debian has it installed, else a small one of the demo's own. Both
 * have the same keys, work for the user who runs the demo, and end with the gateway.
 */
export class DemoHost {
  readonly #directory: string;
  readonly #home: string;
  readonly #program: string;
  #running: RunningHost | undefined;
  /** One look at a time: two would start two. */
  #looking: Promise<RunningHost> | undefined;
  #isOver = false;

  constructor(directory: string, program = '/usr/sbin/sshd') {
    this.#directory = join(directory, 'host');
    // Beside the data, never in it: what people put there is in clear.
    this.#home = `${directory}.host`;
    this.#program = program;
  }

  /** False: there is no shell to give, and the demo has no host. */
  static isAvailable(): boolean {
    return existsSync('/bin/sh');
  }

  /** Makes its keys anew, and gives the connection that fits them. */
  seed(): ConnectionInput {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const host = hostIdentity(randomBytes(32));
    const person = hostIdentity(randomBytes(32));
    writeFileSync(join(this.#directory, 'host_key'), host.privateKey, { mode: 0o600 });
    writeFileSync(join(this.#directory, 'authorized_keys'), `${person.publicLine}\n`, { mode: 0o600 });
    return demoHost({
      user: userInfo().username,
      privateKey: person.privateKey,
      hostKey: host.publicLine,
    });
  }

  /** Where it listens; starts it at first use, and again when it has ended. */
  async address(): Promise<string> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return (await this.#looking).address;
  }

  async #look(): Promise<RunningHost> {
    if (this.#running === undefined || this.#running.isOver()) this.#running = await this.#start();
    return this.#running;
  }

  async #start(): Promise<RunningHost> {
    if (this.#isOver)
      throw new ThroughlineError('target-unreachable', 'the gateway ends, and its demo host with it', {
        action: 'start it again: throughline up --demo',
      });
    if (existsSync(this.#program)) return startOpenssh(this.#program, this.#directory);
    return startOwn(this.#directory, this.#home);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#looking?.catch(() => undefined);
    await this.#running?.stop();
  }
}
