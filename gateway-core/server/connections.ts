import { createHash, createHmac } from 'node:crypto';
import type { Kysely } from 'kysely';
import { ConnectionConfig, type SecretReference } from '../contract/connection.js';
import { ThroughlineError } from '../contract/errors.js';
import type { AuditEventInput } from '../contract/events.js';
import type { StateSchema } from '../store/schema.js';
import { checkMasks } from './mask-check.js';

/** A registered connection as everything but its credential. */
export type Connection = Omit<ConnectionConfig, 'credential'> & {
  readonly credentialKind: 'sealed' | 'env' | 'file' | 'none';
};

/** What the store's secrets do, as this room needs it. */
export interface SecretsPort {
  seal(plain: Uint8Array, context: string): Uint8Array;
  /** Throws when the bytes or their context do not fit. */
  open(sealed: Uint8Array, context: string): Uint8Array;
  resolve(reference: SecretReference): Promise<string>;
}

type Credential = NonNullable<ConnectionConfig['credential']>;

export interface PutOutcome {
  readonly added: string[];
  readonly changed: string[];
  readonly unchanged: string[];
}

/**
 * The registered connections: kept in memory for every decision, written through to the state database. A change is
 * in the audit log before it takes effect. Credentials are sealed and bound to the connection's name *and* address:
 * moving a row, or pointing a connection elsewhere, does not carry the credential along.
 */
export class ConnectionRegistry {
  readonly #state: Kysely<StateSchema>;
  readonly #secrets: SecretsPort;
  readonly #record: (event: AuditEventInput) => Promise<void>;
  readonly #now: () => number;
  readonly #connections = new Map<string, Connection>();
  readonly #sealed = new Map<string, Uint8Array>();
  readonly #listeners: ((name: string) => void)[] = [];

  constructor(input: {
    state: Kysely<StateSchema>;
    secrets: SecretsPort;
    record: (event: AuditEventInput) => Promise<void>;
    now: () => number;
  }) {
    this.#state = input.state;
    this.#secrets = input.secrets;
    this.#record = input.record;
    this.#now = input.now;
  }

  async load(): Promise<void> {
    for (const row of await this.#state.selectFrom('connections').selectAll().execute()) {
      const parsed = ConnectionConfig.safeParse(JSON.parse(row.config));
      if (!parsed.success) {
        throw new ThroughlineError('invalid-config', `the stored connection "${row.name}" is not readable`, {
          action: 'the state database was changed by something else: restore it from a backup',
        });
      }
      this.#remember(parsed.data, row.credential);
    }
  }

  /** Calls back with the name of every connection that changes or goes, after the fact. */
  onChange(listener: (name: string) => void): void {
    this.#listeners.push(listener);
  }

  get(name: string): Connection | undefined {
    return this.#connections.get(name);
  }

  list(): readonly Connection[] {
    return [...this.#connections.values()].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** All or none are checked before the first is written. A connection without `credential` keeps the one it has. */
  async put(configs: readonly ConnectionConfig[], by: string): Promise<PutOutcome> {
    const outcome: PutOutcome = { added: [], changed: [], unchanged: [] };
    const names = new Set<string>();
    for (const config of configs) {
      if (names.has(config.name)) {
        throw new ThroughlineError('invalid-request', `"${config.name}" stands twice in the file`);
      }
      names.add(config.name);
      checkMasks(config.masks);
    }
    for (const config of configs) outcome[await this.#putOne(config, by)].push(config.name);
    return outcome;
  }

  async #putOne(config: ConnectionConfig, by: string): Promise<keyof PutOutcome> {
    const { credential, ...rest } = config;
    const before = this.#connections.get(config.name);
    const text = JSON.stringify(sorted(rest));
    const digest = createHash('sha256').update(text).digest('hex');
    const addressChanged = before !== undefined && contextOf(before) !== contextOf(rest);
    const sealedBefore = this.#sealed.get(config.name);
    const same = before !== undefined && JSON.stringify(sorted(withoutKind(before))) === text;
    const sameCredential =
      credential === undefined ||
      (sealedBefore !== undefined && this.#opens(sealedBefore, before, credential));
    if (same && sameCredential) return 'unchanged';

    const kept = addressChanged ? null : (sealedBefore ?? null);
    const sealed = credential === undefined ? kept : this.#seal(credential, rest);
    await this.#record({
      kind: 'connection.put',
      connection: config.name,
      by,
      digest,
      credentialChanged: credential !== undefined && !sameCredential,
      addressChanged,
    });
    const row = { config: text, credential: sealed, digest, updated_at_ms: this.#now(), updated_by: by };
    await this.#state
      .insertInto('connections')
      .values({ name: config.name, ...row })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
    this.#remember(config, sealed);
    for (const listener of this.#listeners) listener(config.name);
    return before === undefined ? 'added' : 'changed';
  }

  async remove(name: string, by: string): Promise<boolean> {
    if (!this.#connections.has(name)) return false;
    await this.#record({ kind: 'connection.removed', connection: name as ConnectionConfig['name'], by });
    await this.#state.deleteFrom('connections').where('name', '=', name).execute();
    this.#connections.delete(name);
    this.#sealed.delete(name);
    for (const listener of this.#listeners) listener(name);
    return true;
  }

  /** The credential in clear, for the moment of signing in to the target. Never kept, never logged. */
  async credential(name: string): Promise<{
    user: string;
    password: string | undefined;
    privateKey: string | undefined;
    passphrase: string | undefined;
  }> {
    const connection = this.#connections.get(name);
    const sealed = this.#sealed.get(name);
    if (connection === undefined || sealed === undefined) {
      throw new ThroughlineError('target-refused', `no credential is held for "${name}"`, {
        action: 'an admin has to put the connection again with its credential',
      });
    }
    const credential = this.#open(sealed, connection);
    const resolved = (reference: Credential['password']): Promise<string | undefined> =>
      reference === undefined ? Promise.resolve(undefined) : this.#secrets.resolve(reference);
    return {
      user: await this.#secrets.resolve(credential.user),
      password: await resolved(credential.password),
      privateKey: await resolved(credential.privateKey),
      passphrase: await resolved(credential.passphrase),
    };
  }

  #remember(config: ConnectionConfig, sealed: Uint8Array | null): void {
    const { credential: _, ...rest } = config;
    if (sealed === null) this.#sealed.delete(config.name);
    else this.#sealed.set(config.name, sealed);
    const kind = sealed === null ? 'none' : this.#kindOf(this.#open(sealed, rest));
    this.#connections.set(config.name, { ...rest, credentialKind: kind });
  }

  #kindOf(credential: Credential): Connection['credentialKind'] {
    const secret = credential.privateKey ?? credential.password ?? credential.user;
    if (typeof secret === 'string') return 'sealed';
    return 'env' in secret ? 'env' : 'file';
  }

  #seal(credential: Credential, connection: Place): Uint8Array {
    return this.#secrets.seal(Buffer.from(JSON.stringify(credential)), contextOf(connection));
  }

  #open(sealed: Uint8Array, connection: Place): Credential {
    return JSON.parse(
      Buffer.from(this.#secrets.open(sealed, contextOf(connection))).toString(),
    ) as Credential;
  }

  #opens(sealed: Uint8Array, connection: Connection | undefined, credential: Credential): boolean {
    if (connection === undefined) return false;
    const digest = (value: Credential) =>
      createHmac('sha256', 'compare').update(JSON.stringify(value)).digest('hex');
    return digest(this.#open(sealed, connection)) === digest(credential);
  }
}

type Place = Pick<ConnectionConfig, 'name' | 'address' | 'database' | 'hostKeys'>;

/** What a credential is good for. Other host keys are another target: a password would go to whoever has them. */
function contextOf({ name, address, database, hostKeys }: Place): string {
  const keys = hostKeys === undefined ? [] : [hostKeys];
  return JSON.stringify(['connection', name, address, database ?? '', ...keys]);
}

function withoutKind(connection: Connection): Omit<Connection, 'credentialKind'> {
  const { credentialKind: _, ...rest } = connection;
  return rest;
}

/** Keys in one order at every depth, so that equal configs have equal text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, each]) => each !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}
