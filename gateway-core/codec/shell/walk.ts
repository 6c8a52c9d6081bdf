import {
  type Assignment,
  type Command,
  type Function as FunctionNode,
  forEachChild,
  type ParameterExpansionPart,
  type ParsedScript,
  type Redirect,
  type Statement,
  type SyntaxNode,
  type TestBinaryExpression,
  type TestUnaryExpression,
} from 'unbash';
import { argumentOf } from './arguments.js';
import type { Findings } from './findings.js';
import { shellLimits } from './limits.js';

/** Where a part of a line stands. */
export interface Scope {
  /** How many texts it is inside of: `sh -c "sh -c x"`. */
  readonly textDepth: number;
  /** How many substitutions it is inside of, in its text. */
  readonly nesting: number;
  /** Functions that are defined for certain where it runs. */
  readonly functions: ReadonlySet<string>;
}

export interface Visitor {
  readonly findings: Findings;
  command(node: Command, scope: Scope): void;
  variable(name: string, exported: boolean): void;
}

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
    look(node, next.scope, visitor);
    const inner = node.type === 'Function' ? ownBody(node, next.scope) : next.scope;
    const from = stack.length;
    forEachChild(node, (child) => stack.push({ node: child, scope: inner }));
    // First come, first looked at: the lists that are given out follow the line.
    reverseFrom(stack, from);
  }
}

function reverseFrom<T>(list: T[], from: number): void {
  for (let low = from, high = list.length - 1; low < high; low += 1, high -= 1) {
    const held = list[low] as T;
    list[low] = list[high] as T;
    list[high] = held;
  }
}

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

/** What one node says by itself; its children are looked at on their own. */
function look(node: SyntaxNode, scope: Scope, visitor: Visitor): void {
  const { findings } = visitor;
  switch (node.type) {
    case 'Command':
      visitor.command(node, scope);
      if (node.name === undefined) break;
      for (const each of node.prefix) if (each.type === 'Assignment') visitor.variable(each.name, true);
      break;
    case 'Assignment':
      assignment(node, visitor);
      break;
    case 'Redirect':
      redirect(node, visitor);
      break;
    case 'Function':
      if (node.name.pos !== node.pos) findings.unknown('dialect');
      break;
    case 'For':
    case 'Select':
      visitor.variable(node.name.value, false);
      if (node.type === 'Select') findings.unknown('dialect');
      break;
    case 'Pipeline':
      if (node.operators.includes('|&')) findings.unknown('dialect');
      break;
    case 'TestUnary':
    case 'TestBinary':
      test(node, findings);
      break;
    case 'ArithmeticFor':
    case 'ArithmeticCommand':
      // Other shells see subshells, and run what stands there.
      findings.unknown('dialect');
      findings.unknown('dynamic-script');
      break;
    case 'TestCommand':
    case 'Coproc':
    case 'AnsiCQuoted':
    case 'LocaleString':
    case 'ExtendedGlob':
      findings.unknown('dialect');
      break;
    case 'ArithmeticExpansion':
      if (node.text.startsWith('$[')) findings.unknown('dialect');
      if (evaluates(node.text)) findings.unknown('dynamic-script');
      break;
    case 'ParameterExpansion':
      parameter(node, visitor);
      break;
    case 'CommandExpansion':
    case 'ProcessSubstitution':
    case 'ArithmeticCommandExpansion':
      if (node.script === undefined) findings.unknown('syntax');
      break;
    default:
      break;
  }
}

/** Arithmetic over variables runs what they hold, if it is `a[$(rm x)]`. Numbers alone run nothing. */
function evaluates(text: string): boolean {
  return /[A-Za-z_$`]/.test(text.slice(1));
}

function assignment(node: Assignment, visitor: Visitor): void {
  if (node.append === true || node.index !== undefined) visitor.findings.unknown('dialect');
  if (node.index !== undefined && evaluates(` ${node.index.text}`))
    visitor.findings.unknown('dynamic-script');
  // Whether programs see it stands with the command.
  visitor.variable(node.name, false);
}

function redirect(node: Redirect, visitor: Visitor): void {
  const { findings } = visitor;
  const { operator, target, descriptor } = node;
  if (descriptor?.type === 'FileDescriptorVariable') {
    findings.unknown('dialect');
    visitor.variable(descriptor.name, false);
  }
  if (operator === '&>' || operator === '&>>') findings.unknown('dialect');
  if (operator === '<' || operator === '<&' || target === undefined) return;
  const file = argumentOf(target);
  if (operator === '>&' && file.kind === 'plain' && /^(\d+-?|-)$/.test(file.text)) return;
  if (file.kind === 'plain') findings.write(file.text);
  else findings.writeUnknown();
}

const numberTests: ReadonlySet<string> = new Set(['-eq', '-ne', '-lt', '-le', '-gt', '-ge']);

/** Inside [[ ]] numbers are arithmetic, and -v takes a name with an index. */
function test(node: TestUnaryExpression | TestBinaryExpression, findings: Findings): void {
  if (node.type === 'TestUnary') {
    if (node.operator !== '-v' && node.operator !== '-R') return;
    const operand = argumentOf(node.operand);
    if (operand.kind !== 'plain' || operand.text.includes('[')) findings.unknown('dynamic-script');
    return;
  }
  if (!numberTests.has(node.operator)) return;
  for (const each of [node.left, node.right]) {
    if (!/^-?\d+$/.test(each.text)) findings.unknown('dynamic-script');
  }
}

function parameter(node: ParameterExpansionPart, visitor: Visitor): void {
  const { findings } = visitor;
  const { operation } = node;
  if (node.prefix === '!') findings.unknown('dynamic-script');
  if (node.index !== undefined && !/^(\d+|@|\*)$/.test(node.index.text)) findings.unknown('dynamic-script');
  if (operation === undefined) return;
  if (operation.type === 'Unknown') findings.unknown('syntax');
  if (operation.type === 'Transform' && operation.operand.text !== 'Q') findings.unknown('dynamic-script');
  if (operation.type === 'Slice') {
    const numbers = [operation.offset.text, operation.length?.text ?? ''];
    if (numbers.some((text) => evaluates(` ${text}`))) findings.unknown('dynamic-script');
  }
  if (operation.type === 'Default' && operation.operator.endsWith('='))
    visitor.variable(node.parameter, false);
}
