import { compileMaskTargets } from '../codec/postgres/statement/index.js';
import type { MaskRule } from '../contract/masks.js';

/** Throws `invalid-config` for a column pattern that cannot be read: when it is put, not when it is needed. */
export function checkMasks(rules: readonly MaskRule[]): void {
  const patterns = rules.flatMap((rule) => ('columns' in rule ? rule.columns : []));
  compileMaskTargets({ relations: [], userFunctions: new Set() }, patterns);
}
