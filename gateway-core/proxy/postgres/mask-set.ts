import { compileMaskTargets, type MaskTargets } from '../../codec/postgres/statement/index.js';
import { type TypeInfo, typeInfo } from '../../codec/postgres/types.js';
import type { DetectMask, MaskKind, MaskRule } from '../../contract/masks.js';
import { maskStrength } from '../../contract/masks.js';
import type { Catalog } from '../../contract/sql.js';
import {
  type ColumnMasker,
  type ColumnPlan,
  createColumnMasker,
  type ValueClass,
} from '../../masking/column-masker.js';
import { createValueMasker, type ValueMasker } from '../../masking/value-masker.js';
import type { MarkedColumn, ValueMask } from './result-masker.js';

const jsonbOid = 3802;

/** What is known of one column of a result. */
export interface ColumnState {
  /** Mask patterns that reach it, by index. */
  readonly patterns: readonly number[];
  /** It cannot be known what reaches it: every mask does. */
  readonly unknown: boolean;
  /** The value is made from the column, not plainly the column's own. */
  readonly computed: boolean;
}

/** The masks in force for one statement: of its connection and of the policies that allowed it. */
export class MaskSet {
  readonly hasColumns: boolean;
  readonly #patterns: readonly string[];
  readonly #kinds: readonly MaskKind[];
  readonly #detect: readonly DetectMask[];
  readonly #hashKey: Uint8Array;
  readonly #values: ValueMasker;
  readonly #compiled = new WeakMap<Catalog, MaskTargets>();
  readonly #maskers = new Map<string, ValueMask>();

  constructor(rules: readonly MaskRule[], hashKey: Uint8Array) {
    const columns = rules.flatMap((rule) =>
      'columns' in rule ? rule.columns.map((pattern) => ({ pattern, kind: rule.with })) : [],
    );
    this.#patterns = columns.map((each) => each.pattern);
    this.#kinds = columns.map((each) => each.kind);
    this.#detect = rules.flatMap((rule) => ('detect' in rule ? [rule] : []));
    this.#hashKey = hashKey;
    this.hasColumns = columns.length > 0;
    // Keys and passwords are never kept in clear, whatever a connection's masks say.
    const kept: readonly DetectMask[] = [...this.#detect, { detect: ['key'], with: 'redact' }];
    this.#values = createValueMasker({ rules: kept, hashKey });
  }

  /** Undefined: nothing is masked by column, so nothing needs to be known of the target. */
  targets(catalog: Catalog | undefined): MaskTargets | 'no-catalog' | undefined {
    if (!this.hasColumns) return undefined;
    if (catalog === undefined) return 'no-catalog';
    let targets = this.#compiled.get(catalog);
    if (targets === undefined) {
      targets = compileMaskTargets(catalog, this.#patterns);
      this.#compiled.set(catalog, targets);
    }
    return targets;
  }

  /** The mask of a result's column; undefined: none can be needed. `typeOid` 0: text of no known type (COPY). */
  column(state: ColumnState, typeOid: number, format: 0 | 1): ValueMask | undefined {
    const plan = this.#plan(state);
    if (plan.mask === 'pass') return undefined;
    const valueClass = typeOid === 0 ? 'text' : classOf(typeInfo(typeOid));
    if (
      plan.mask === 'detect' &&
      (valueClass === 'date' || valueClass === 'boolean' || valueClass === 'uuid')
    ) {
      return undefined;
    }
    const covers = plan.mask === 'column' && state.computed;
    const isJsonb = typeOid === jsonbOid;
    const key = `${plan.mask === 'column' ? plan.with : 'detect'} ${valueClass} ${typeOid === 0} ${format} ${isJsonb} ${covers}`;
    const known = this.#maskers.get(key);
    if (known !== undefined) return known;
    const masker = createColumnMasker({
      plan,
      // Binary values of no known type: nothing says what a mask would have to look like, so a hit becomes NULL.
      valueClass: typeOid === 0 && format === 1 ? 'other' : valueClass,
      format: format === 1 ? 'binary' : 'text',
      hashKey: this.#hashKey,
    });
    const mask = covers ? sameForAll(masker, isJsonb && format === 1) : valueMask(masker);
    this.#maskers.set(key, mask);
    return mask;
  }

  /** What masks a column, in words for the person who sees it; undefined: nothing does. */
  rule(state: ColumnState): MarkedColumn | undefined {
    const plan = this.#plan(state);
    if (plan.mask === 'pass') return undefined;
    if (plan.mask === 'detect') {
      const words = plan.rules.map((rule) => `${rule.detect.join(', ')}: ${rule.with}`);
      return { rule: words.join('; '), whole: false };
    }
    const patterns = state.unknown
      ? 'origin not known'
      : state.patterns.map((index) => this.#patterns[index]).join(', ');
    return {
      rule: `${patterns}${state.computed && !state.unknown ? ' (computed)' : ''}: ${plan.with}`,
      whole: true,
    };
  }

  #plan(state: ColumnState): ColumnPlan {
    const kinds = state.unknown ? this.#kinds : state.patterns.map((index) => this.#kinds[index] ?? 'redact');
    if (kinds.length === 0)
      return this.#detect.length === 0 ? { mask: 'pass' } : { mask: 'detect', rules: this.#detect };
    // Part of a value made from a column is not the part that the mask was meant to leave.
    const all: readonly MaskKind[] = state.computed ? [...kinds, 'redact'] : kinds;
    const strictest = maskStrength.find((kind) => all.includes(kind)) ?? 'redact';
    return { mask: 'column', with: strictest, rules: this.#detect };
  }

  /** Text as it may be kept or shown: what the detectors find is masked. */
  text(value: string): string {
    return this.#values.maskText(value).text;
  }

  finds(value: string): boolean {
    return this.#values.maskText(value).count > 0;
  }
}

function valueMask(masker: ColumnMasker): ValueMask {
  return (buffer, start, end) => masker.mask(buffer, start, end);
}

/**
 * For values made from a masked column: what is NULL, empty or of a certain form is up to who wrote the expression,
 * and would answer whatever it asks. So all rows get the same.
 */
function sameForAll(masker: ColumnMasker, binaryJsonb: boolean): ValueMask {
  const example = Buffer.from(binaryJsonb ? '\u0001""' : '""');
  const masked = masker.mask(example, 0, example.length) ?? null;
  return Object.assign(() => masked, { coversNull: true });
}

function classOf(type: TypeInfo | undefined): ValueClass {
  if (type === undefined) return 'other';
  switch (type.kind) {
    case 'text':
      return type.name === 'json' ? 'json' : type.name === 'xml' ? 'other' : 'text';
    case 'jsonb':
      return type.name === 'jsonb' ? 'json' : 'other';
    case 'integer':
    case 'float':
    case 'numeric':
      return 'number';
    case 'date-time':
      return 'date';
    case 'boolean':
    case 'bytea':
    case 'uuid':
      return type.kind;
    case 'array': {
      const element = typeInfo(type.element ?? 0);
      return element?.kind === 'text' || element?.name === 'jsonb' ? 'array-text' : 'array-other';
    }
    case 'network':
    case 'record':
    case 'other':
      return 'other';
  }
}
