import type {
  Assignment,
  ParameterExpansionPart,
  Redirect,
  SyntaxNode,
  TestBinaryExpression,
  TestUnaryExpression,
} from 'unbash';
import { type Argument, argumentOf } from './arguments.js';
import { differs } from './dialects.js';
import type { Findings } from './findings.js';
import type { Scope, Visitor } from './visitor.js';

type Look<Type extends SyntaxNode['type']> = (
  node: Extract<SyntaxNode, { readonly type: Type }>,
  visitor: Visitor,
  scope: Scope,
) => void;

const dialect = (_node: SyntaxNode, { findings }: Visitor): void => findings.unknown('dialect');

/** Other shells see subshells, and run what stands there. */
const dialectAndArithmetic = (_node: SyntaxNode, { findings }: Visitor): void => {
  findings.unknown('dialect');
  findings.unknown('dynamic-script');
};

const unread = (node: { readonly script: unknown }, { findings }: Visitor): void => {
  if (node.script === undefined) findings.unknown('syntax');
};

/** Kinds of nodes that say something by themselves. Of the others only the children do. */
const looks: { readonly [Type in SyntaxNode['type']]?: Look<Type> } = {
  Command: (node, visitor, scope) => {
    visitor.command(node, scope);
    if (node.name === undefined) return;
    for (const each of node.prefix)
      if (each.type === 'Assignment') visitor.variable(each.name, true, valueOf(each));
  },
  Word: ({ text, parts }, { findings }) => {
    if (differs(text, parts)) findings.unknown('dialect');
  },
  HereDocBody: ({ parts }, { findings }) => {
    if (parts !== undefined && differs('', parts)) findings.unknown('dialect');
  },
  Assignment: assignment,
  Redirect: redirect,
  Function: (node, { findings }) => {
    if (node.name.pos !== node.pos) findings.unknown('dialect');
  },
  For: (node, visitor) => visitor.variable(node.name.value, false, undefined),
  Select: (node, visitor) => {
    visitor.variable(node.name.value, false, undefined);
    visitor.findings.unknown('dialect');
  },
  Pipeline: (node, { findings }) => {
    if (node.operators.includes('|&')) findings.unknown('dialect');
  },
  TestUnary: test,
  TestBinary: test,
  ArithmeticFor: dialectAndArithmetic,
  ArithmeticCommand: dialectAndArithmetic,
  TestCommand: dialect,
  Coproc: dialect,
  AnsiCQuoted: dialect,
  LocaleString: dialect,
  ExtendedGlob: dialect,
  ArithmeticExpansion: (node, { findings }) => {
    if (node.text.startsWith('$[')) findings.unknown('dialect');
    if (evaluates(node.text)) findings.unknown('dynamic-script');
  },
  ParameterExpansion: parameter,
  CommandExpansion: unread,
  ProcessSubstitution: unread,
  ArithmeticCommandExpansion: unread,
};

/** What one node says by itself; its children are looked at on their own. */
export function look(node: SyntaxNode, visitor: Visitor, scope: Scope): void {
  // The table is keyed by the node's own type.
  const each = looks[node.type] as ((node: SyntaxNode, visitor: Visitor, scope: Scope) => void) | undefined;
  each?.(node, visitor, scope);
}

/** Arithmetic over variables runs what they hold, if it is `a[$(rm x)]`. Numbers alone run nothing. */
function evaluates(text: string): boolean {
  return /[A-Za-z_$`]/.test(text.slice(1));
}

function assignment(node: Assignment, visitor: Visitor): void {
  // An array to bash and ksh, a table of functions or commands to zsh, and a mistake to dash.
  if (node.append === true || node.index !== undefined || node.value.type !== 'Word')
    visitor.findings.unknown('dialect');
  if (node.index !== undefined && evaluates(` ${node.index.text}`))
    visitor.findings.unknown('dynamic-script');
  // Whether programs see it stands with the command.
  visitor.variable(node.name, false, valueOf(node));
}

function valueOf({ value }: Assignment): string | undefined {
  if (value.type !== 'Word') return undefined;
  const { kind, text } = argumentOf(value);
  // A number that the shell or the system gives: $?, $#, $$, $!.
  if (kind === 'dynamic' && /^\$[?#$!]$/.test(text)) return '0';
  return kind === 'plain' ? text : undefined;
}

function redirect(node: Redirect, visitor: Visitor): void {
  const { findings } = visitor;
  const { operator, target, descriptor } = node;
  if (descriptor?.type === 'FileDescriptorVariable') {
    findings.unknown('dialect');
    visitor.variable(descriptor.name, false, undefined);
  }
  // `>| rm` is a pipe to fish.
  if (operator === '&>' || operator === '&>>' || operator === '>|') findings.unknown('dialect');
  if (target === undefined) return;
  const file = argumentOf(target);
  if (opens.has(operator) && mayConnect(file)) findings.unknown('remote');
  if (operator === '<' || operator === '<&') return;
  if (operator === '>&' && file.kind === 'plain' && /^(\d+-?|-)$/.test(file.text)) return;
  if (file.kind === 'plain') findings.write(file.text);
  else findings.writeUnknown();
}

const opens: ReadonlySet<string> = new Set(['<', '>', '>>', '<>', '>|', '>&', '&>', '&>>']);
const connections = ['/dev/tcp/', '/dev/udp/'];

/** bash and ksh connect to what `/dev/tcp/HOST/PORT` names. With a beginning that nobody knows it may be that. */
function mayConnect({ kind, start }: Argument): boolean {
  return connections.some((each) => start.startsWith(each) || (kind !== 'plain' && each.startsWith(start)));
}

const numberTests: ReadonlySet<string> = new Set(['-eq', '-ne', '-lt', '-le', '-gt', '-ge']);

/** Inside [[ ]] numbers are arithmetic, and -v takes a name with an index. */
function test(
  node: TestUnaryExpression | TestBinaryExpression,
  { findings }: { readonly findings: Findings },
): void {
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
    visitor.variable(node.parameter, false, undefined);
}
