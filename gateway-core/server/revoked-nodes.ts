import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { StateSchema } from '../store/schema.js';

const key = 'revoked-nodes';
/** A process that was revoked stays so for as long as a sign-in can last; its id is never given to another one. */
const keptMs = 24 * 3600_000;
const nodesMax = 10_000;
/** Of one principal: nobody's revocations push out those of others. */
const nodesOfOneMax = 1000;
const Kept = z.array(z.tuple([z.string(), z.number(), z.string().default('')]));

/** Processes without a delegation of their own that were revoked: what they and their descendants open is refused. */
export class RevokedNodes {
  readonly #state: Kysely<StateSchema>;
  readonly #now: () => number;
  readonly #nodes = new Map<string, { readonly atMs: number; readonly principal: string }>();

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
    for (const [node, atMs, principal] of Kept.parse(JSON.parse(row.value)))
      this.#nodes.set(node, { atMs, principal });
  }

  has(node: string): boolean {
    return this.#nodes.has(node);
  }

  /** Nodes of one principal. Holds from the call on; resolves when it would also hold after a restart. */
  async add(nodes: readonly string[], principal: string): Promise<void> {
    if (nodes.length === 0) return;
    const now = this.#now();
    for (const each of nodes) {
      // A map keeps the order in which keys came first.
      this.#nodes.delete(each);
      this.#nodes.set(each, { atMs: now, principal });
    }
    this.#forget(principal, now);
    const kept = [...this.#nodes].map(([node, { atMs, principal: whose }]) => [node, atMs, whose]);
    const value = JSON.stringify(kept);
    await this.#state
      .insertInto('meta')
      .values({ key, value })
      .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
      .execute();
  }

  /** Old ones, then the oldest of who has too many, then the oldest of all. */
  #forget(principal: string, now: number): void {
    for (const [node, { atMs }] of this.#nodes) if (now - atMs > keptMs) this.#nodes.delete(node);
    const own = [...this.#nodes].flatMap(([node, each]) => (each.principal === principal ? [node] : []));
    for (const node of own.slice(0, Math.max(0, own.length - nodesOfOneMax))) this.#nodes.delete(node);
    for (const node of this.#nodes.keys()) {
      if (this.#nodes.size <= nodesMax) return;
      this.#nodes.delete(node);
    }
  }
}
