import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { StateSchema } from '../store/schema.js';

const key = 'revoked-nodes';
/** A process that was revoked stays so for as long as a sign-in can last; its id is never given to another one. */
const keptMs = 24 * 3600_000;
const nodesMax = 10_000;
const Kept = z.array(z.tuple([z.string(), z.number()]));

/** Processes without a delegation of their own that were revoked: what they and their descendants open is refused. */
export class RevokedNodes {
  readonly #state: Kysely<StateSchema>;
  readonly #now: () => number;
  readonly #nodes = new Map<string, number>();

  constructor(state: Kysely<StateSchema>, now: () => number) {
    this.#state = state;
    this.#now = now;
  }

  async load(): Promise<void> {
    const row = await this.#state
      .selectFrom('meta')
      .select('value')
      .where('key', '=', key)
      .executeTakeFirst();
    if (row === undefined) return;
    for (const [node, atMs] of Kept.parse(JSON.parse(row.value))) this.#nodes.set(node, atMs);
  }

  has(node: string): boolean {
    return this.#nodes.has(node);
  }

  /** Holds from the call on; resolves when it would also hold after a restart. */
  async add(nodes: readonly string[]): Promise<void> {
    if (nodes.length === 0) return;
    const now = this.#now();
    for (const each of nodes) this.#nodes.set(each, now);
    for (const [each, atMs] of this.#nodes)
      if (now - atMs > keptMs || this.#nodes.size > nodesMax) this.#nodes.delete(each);
    const value = JSON.stringify([...this.#nodes]);
    await this.#state
      .insertInto('meta')
      .values({ key, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute();
  }
}
