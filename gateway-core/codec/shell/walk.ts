import {
  type Function as FunctionNode,
  forEachChild,
  type ParsedScript,
  type Statement,
  type SyntaxNode,
} from 'unbash';
import type { Findings } from './findings.js';
import { shellLimits } from './limits.js';
import { look } from './looks.js';
import type { Scope, Visitor } from './visitor.js';

/**
 * Visits every node of a script that may run something. A loop, not a recursion: trees of sums are as deep as they are
 * long.
 */
export function walk(script: ParsedScript, scope: Scope, visitor: Visitor): void {
  const stack: { node: SyntaxNode; scope: Scope }[] = [{ node: script, scope }];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (!visitor.findings.node()) return;
    const { node } = next;
    if (node.type === 'Script') {
      const inner = enter(node, next.scope, visitor.findings);
      if (inner === undefined) continue;
      const statements = withFunctions(node.commands, inner);
      for (const each of statements) stack.push(each);
      continue;
    }
    if (rereads.has(node.type) && !visitor.findings.text(node.end - node.pos)) return;
    look(node, visitor, next.scope);
    const inner = node.type === 'Function' ? ownBody(node, next.scope) : next.scope;
    const children: SyntaxNode[] = [];
    forEachChild(node, (child) => children.push(child));
    // Last pushed, first looked at: the lists that are given out follow the line.
    for (const child of children.reverse()) stack.push({ node: child, scope: inner });
  }
}

/** Nodes whose inside is read when it is asked for, each level of them anew. */
const rereads: ReadonlySet<SyntaxNode['type']> = new Set([
  'ArithmeticExpansion',
  'ArithmeticCommand',
  'ArithmeticFor',
  'ArithmeticWord',
  'ParameterExpansion',
  'CommandExpansion',
  'ProcessSubstitution',
  'ArithmeticCommandExpansion',
  'DoubleQuoted',
  'HereDocBody',
]);

function enter(script: ParsedScript, scope: Scope, findings: Findings): Scope | undefined {
  if ((script.errors?.length ?? 0) > 0) findings.unknown('syntax');
  if (scope.nesting > shellLimits.nestingMax || !findings.text(script.end - script.pos)) {
    findings.unknown('too-long');
    return undefined;
  }
  return { ...scope, nesting: scope.nesting + 1 };
}

/** Each statement with the functions that the statements before it defined, whatever happens. Last first. */
function withFunctions(statements: readonly Statement[], scope: Scope): { node: SyntaxNode; scope: Scope }[] {
  let { functions } = scope;
  const out: { node: SyntaxNode; scope: Scope }[] = [];
  for (const node of statements) {
    out.push({ node, scope: functions === scope.functions ? scope : { ...scope, functions } });
    const name = node.background === true ? undefined : definedName(node.command);
    if (name !== undefined && functions.size < shellLimits.namesMax)
      functions = new Set([...functions, name]);
  }
  return out.reverse();
}

function definedName(node: SyntaxNode): string | undefined {
  if (node.type !== 'Function' || node.name.parts !== undefined) return undefined;
  return /^[A-Za-z_]\w*$/.test(node.name.text) ? node.name.text : undefined;
}

function ownBody(node: FunctionNode, scope: Scope): Scope {
  const name = definedName(node);
  return name === undefined ? scope : { ...scope, functions: new Set([...scope.functions, name]) };
}
