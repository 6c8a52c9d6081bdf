import type { Kysely } from 'kysely';
import type { ConnectionName } from '../contract/ids.js';
import type { HostKeys, PresentedKey } from '../proxy/ssh/target.js';
import type { StateSchema } from '../store/schema.js';
import type { Connection } from './connections.js';
import type { GatewayRecorder } from './recorder.js';

/** Which host keys a target may prove itself with: those of its connection, or those of its first contact. */
export class HostKeyPins {
  readonly #state: Kysely<StateSchema>;
  readonly #recorder: GatewayRecorder;
  readonly #now: () => number;

  constructor(state: Kysely<StateSchema>, recorder: GatewayRecorder, now: () => number) {
    this.#state = state;
    this.#recorder = recorder;
    this.#now = now;
  }

  /** Reads what is known now. A connection without `hostKeys` knows none: whatever the target presents is refused. */
  async of({ name, address, hostKeys = [] }: Connection): Promise<HostKeys> {
    if (hostKeys !== 'first-contact') return this.#pinned(name, hostKeys);
    const rows = await this.#state
      .selectFrom('target_host_keys')
      .select('line')
      .where('connection', '=', name)
      .where('address', '=', address)
      .execute();
    if (rows.length > 0)
      return this.#pinned(
        name,
        rows.map(({ line }) => line),
      );
    return { types: undefined, accepts: (key) => this.#pin(name, address, key) };
  }

  #pinned(connection: ConnectionName, known: readonly string[]): HostKeys {
    const lines = known.filter((each) => !each.startsWith('SHA256:'));
    return {
      types: lines.length === known.length ? lines.map((line) => line.split(' ')[0] ?? '') : undefined,
      accepts: async (key) => {
        if (known.includes(key.fingerprint) || known.includes(key.line)) return true;
        await this.#recorder.record({
          kind: 'target.unknown-key',
          connection,
          key: key.type,
          fingerprint: key.fingerprint,
          known: [...known],
        });
        return false;
      },
    };
  }

  /** In the log before it counts. Two first contacts at once keep what both saw only if it is the same. */
  async #pin(connection: ConnectionName, address: string, key: PresentedKey): Promise<boolean> {
    await this.#recorder.record({
      kind: 'target.pinned',
      connection,
      key: key.type,
      fingerprint: key.fingerprint,
    });
    await this.#state
      .insertInto('target_host_keys')
      .values({
        connection,
        address,
        line: key.line,
        fingerprint: key.fingerprint,
        seen_at_ms: this.#now(),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const kept = await this.#state
      .selectFrom('target_host_keys')
      .select('line')
      .where('connection', '=', connection)
      .where('address', '=', address)
      .orderBy('seen_at_ms')
      .executeTakeFirst();
    return kept?.line === key.line;
  }
}
