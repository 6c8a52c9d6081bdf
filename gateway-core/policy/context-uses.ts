/** What policies look at in their context. */
export interface ContextUses {
  readonly attributes: Set<string>;
  /** Those that they ask for before they use them (`has`). */
  readonly tested: Set<string>;
  /** Some policy hands on the context as a whole: it may look at anything. */
  whole: boolean;
}

export const noUses = (): ContextUses => ({ attributes: new Set(), tested: new Set(), whole: false });

/**
 * Adds what the conditions of one policy use, as Cedar has parsed them
 * (https://docs.cedarpolicy.com/policies/json-format.html): in the text a comment or a record could stand in between.
 */
export function addContextUses(uses: ContextUses, node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  if ('Var' in node && node.Var === 'context') uses.whole = true;
  for (const [operator, operand] of Object.entries(node) as [string, unknown][]) {
    const name = operator === '.' || operator === 'has' ? attributeOf(operand) : undefined;
    if (name === undefined) addContextUses(uses, operand);
    else uses.attributes.add(name);
    if (name !== undefined && operator === 'has') uses.tested.add(name);
  }
}

/** Of the context itself. `context has a.b` has a list. */
function attributeOf(operand: unknown): string | undefined {
  const { left, attr } = (operand ?? {}) as { left?: { Var?: unknown }; attr?: unknown };
  const first: unknown = Array.isArray(attr) ? attr[0] : attr;
  return left?.Var === 'context' && typeof first === 'string' ? first : undefined;
}
