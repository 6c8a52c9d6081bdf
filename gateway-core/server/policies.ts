import type { Kysely } from 'kysely';
import { ThroughlineError } from '../contract/errors.js';
import type { AuditEventInput } from '../contract/events.js';
import { type CompiledPolicies, loadPolicyEngine, type PolicyEngine } from '../policy/index.js';
import type { StateSchema } from '../store/schema.js';
import { checkMasks } from './mask-check.js';

/** The policies in force. A put is in the audit log before it decides anything; every version is kept. */
export class PolicyRegistry {
  readonly #state: Kysely<StateSchema>;
  readonly #engine: PolicyEngine;
  readonly #record: (event: AuditEventInput) => Promise<void>;
  readonly #now: () => number;
  readonly #listeners: (() => void)[] = [];
  #current: CompiledPolicies;
  #put: { at: number; by: string } = { at: 0, by: 'gateway' };

  private constructor(input: PolicyRegistryInput, engine: PolicyEngine) {
    this.#state = input.state;
    this.#record = input.record;
    this.#now = input.now;
    this.#engine = engine;
    this.#current = this.#compile('');
  }

  /** Until something is put, the empty policy is in force: nothing is permitted. */
  static async load(input: PolicyRegistryInput): Promise<PolicyRegistry> {
    const registry = new PolicyRegistry(input, await loadPolicyEngine());
    const row = await input.state
      .selectFrom('policies')
      .selectAll()
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row !== undefined) {
      registry.#current = registry.#compile(row.text, 'accepted');
      registry.#put = { at: row.put_at_ms, by: row.put_by };
    }
    return registry;
  }

  get current(): CompiledPolicies {
    return this.#current;
  }

  get document(): { version: string; text: string; putAt: string; by: string } {
    const { at, by } = this.#put;
    return {
      version: this.#current.version,
      text: this.#current.text,
      putAt: new Date(at).toISOString(),
      by,
    };
  }

  /** The text of a version that was in force at some time. */
  async textOf(version: string): Promise<string | undefined> {
    if (version === this.#current.version) return this.#current.text;
    const row = await this.#state
      .selectFrom('policies')
      .select('text')
      .where('version', '=', version)
      .limit(1)
      .executeTakeFirst();
    return row?.text;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  async put(
    text: string,
    by: string,
  ): Promise<{ version: string; previous: string | undefined; policies: string[] }> {
    const compiled = this.#compile(text);
    for (const { masks } of compiled.obligations.values()) checkMasks(masks);
    const previous = this.#current.version;
    if (compiled.version !== previous) {
      await this.#record({ kind: 'policy.put', by, policyVersion: compiled.version, previous });
      await this.#state
        .insertInto('policies')
        .values((values) => ({
          number: values
            .selectFrom('policies')
            .select((select) =>
              select(select.fn.coalesce(select.fn.max('number'), select.lit(0)), '+', select.lit(1)).as('n'),
            ),
          version: compiled.version,
          text,
          put_at_ms: this.#now(),
          put_by: by,
        }))
        .execute();
      this.#current = compiled;
      this.#put = { at: this.#now(), by };
      for (const listener of this.#listeners) listener();
    }
    return { version: compiled.version, previous, policies: [...compiled.ids] };
  }

  #compile(text: string, accepted?: 'accepted'): CompiledPolicies {
    const result = this.#engine.compile(text, accepted);
    if (result.ok) return result.policies;
    const problem = result.problems[0];
    const where = problem?.line === undefined ? '' : `line ${problem.line}: `;
    throw new ThroughlineError(
      'invalid-policy',
      `the policies are not accepted: ${where}${problem?.message ?? ''}`,
      {
        action: 'correct the text; nothing was changed',
        fields: { problems: result.problems.length },
      },
    );
  }
}

interface PolicyRegistryInput {
  readonly state: Kysely<StateSchema>;
  readonly record: (event: AuditEventInput) => Promise<void>;
  readonly now: () => number;
}
