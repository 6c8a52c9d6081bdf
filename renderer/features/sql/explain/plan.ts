/** One step of a plan, as EXPLAIN (FORMAT JSON) gives it, with what it costs by itself. */
export interface PlanNode {
  /** Its place in the plan, from 0, depth first. */
  readonly id: number;
  readonly depth: number;
  readonly type: string;
  /** What it works on: `orders o`, `orders using orders_pkey`. */
  readonly target: string;
  /** How it belongs to the step above: `Outer`, `InitPlan` ... */
  readonly relationship: string;
  readonly subplan: string;
  readonly estimate: {
    readonly cost: number;
    readonly startup: number;
    readonly rows: number;
    readonly width: number;
  };
  /** Of all loops together; absent without ANALYZE, or when it was never executed. */
  readonly actual?: {
    readonly timeMs: number;
    readonly rows: number;
    readonly loops: number;
  };
  /** ANALYZE ran and never came here. */
  readonly neverExecuted: boolean;
  readonly selfCost: number;
  readonly selfTimeMs: number | undefined;
  /** How far the estimate of rows is off: 10 is ten times too many or too few. */
  readonly misestimate: number | undefined;
  /** Conditions, keys, buffers ... as names and values. */
  readonly details: readonly (readonly [string, string])[];
  readonly children: readonly PlanNode[];
}

export interface Plan {
  readonly root: PlanNode;
  /** All steps, in the order of their ids. */
  readonly nodes: readonly PlanNode[];
  readonly analyzed: boolean;
  readonly planningMs: number | undefined;
  readonly executionMs: number | undefined;
  readonly triggers: readonly (readonly [string, number])[];
  readonly settings: readonly (readonly [string, string])[];
}

const nodesMax = 20_000;
const depthMax = 500;

/** @returns undefined when the text is not a plan */
export function parsePlan(json: string): Plan | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  const top = record(Array.isArray(value) ? value[0] : value);
  const raw = record(top?.['Plan']);
  if (top === undefined || raw === undefined) return undefined;
  const nodes: PlanNode[] = [];
  const root = node(raw, 0, nodes, { count: 0 });
  if (root === undefined) return undefined;
  nodes.sort((a, b) => a.id - b.id);
  return {
    root,
    nodes,
    analyzed: nodes.some(({ actual }) => actual !== undefined),
    planningMs: number(top['Planning Time']),
    executionMs: number(top['Execution Time']),
    triggers: list(top['Triggers']).flatMap((each) => {
      const trigger = record(each);
      return trigger === undefined
        ? []
        : [[text(trigger['Trigger Name']), number(trigger['Time']) ?? 0] as const];
    }),
    settings: Object.entries(record(top['Settings']) ?? {}).map(
      ([name, each]) => [name, text(each)] as const,
    ),
  };
}

type Raw = Readonly<Record<string, unknown>>;

function node(raw: Raw, depth: number, nodes: PlanNode[], counter: { count: number }): PlanNode | undefined {
  if (depth > depthMax || counter.count >= nodesMax) return undefined;
  const id = counter.count++;
  const children = list(raw['Plans']).flatMap((each) => {
    const child = record(each);
    const made = child === undefined ? undefined : node(child, depth + 1, nodes, counter);
    return made === undefined ? [] : [made];
  });
  const estimate = {
    cost: number(raw['Total Cost']) ?? 0,
    startup: number(raw['Startup Cost']) ?? 0,
    rows: number(raw['Plan Rows']) ?? 0,
    width: number(raw['Plan Width']) ?? 0,
  };
  const { actual, neverExecuted } = measured(raw);
  const made: PlanNode = {
    id,
    depth,
    type: typeOf(raw),
    target: targetOf(raw),
    relationship: text(raw['Parent Relationship']),
    subplan: text(raw['Subplan Name']),
    estimate,
    ...(actual === undefined ? {} : { actual }),
    neverExecuted,
    selfCost: less(estimate.cost, children, (child) => child.estimate.cost),
    selfTimeMs: actual && less(actual.timeMs, children, (child) => child.actual?.timeMs ?? 0),
    misestimate: actual && misestimate(estimate.rows, actual.rows / actual.loops),
    details: detailsOf(raw),
    children,
  };
  nodes.push(made);
  return made;
}

/** PostgreSQL gives the mean of all loops; all of them together are what was spent. */
function measured(raw: Raw): { readonly actual: PlanNode['actual']; readonly neverExecuted: boolean } {
  const loops = number(raw['Actual Loops']);
  if (loops === undefined) return { actual: undefined, neverExecuted: false };
  if (loops === 0) return { actual: undefined, neverExecuted: true };
  const timeMs = (number(raw['Actual Total Time']) ?? 0) * loops;
  return { actual: { timeMs, rows: (number(raw['Actual Rows']) ?? 0) * loops, loops }, neverExecuted: false };
}

/** What is left to the step itself. A step above a LIMIT, or one with parallel workers, can come out below nothing. */
function less(total: number, children: readonly PlanNode[], of: (child: PlanNode) => number): number {
  // A CTE or an InitPlan is counted where it runs, not in the step that it hangs from.
  const below = children.filter(({ relationship }) => relationship !== 'InitPlan').map(of);
  return Math.max(0, total - below.reduce((sum, each) => sum + each, 0));
}

function misestimate(planned: number, actual: number): number {
  const [low, high] = [Math.min(planned, actual), Math.max(planned, actual)];
  return Math.max(1, high) / Math.max(1, low);
}

function typeOf(raw: Raw): string {
  const type = text(raw['Node Type']);
  const parts = [
    raw['Parallel Aware'] === true ? 'Parallel' : '',
    type === 'Aggregate' ? aggregates[text(raw['Strategy'])] : '',
    type === 'ModifyTable' ? text(raw['Operation']) : type,
    type.includes('Join') || type === 'Nested Loop' ? joinOf(raw) : '',
  ];
  return parts.filter((part) => part !== undefined && part !== '').join(' ');
}

const aggregates: Readonly<Record<string, string>> = { Sorted: 'Group', Hashed: 'Hash', Mixed: 'Mixed' };

function joinOf(raw: Raw): string {
  const join = text(raw['Join Type']);
  return join === '' || join === 'Inner' ? '' : `(${join.toLowerCase()})`;
}

function targetOf(raw: Raw): string {
  const relation = [text(raw['Schema']), text(raw['Relation Name'])].filter((part) => part !== '').join('.');
  const name =
    relation || text(raw['CTE Name']) || text(raw['Function Name']) || text(raw['Table Function Name']);
  const alias = text(raw['Alias']);
  const index = text(raw['Index Name']);
  const named = alias === '' || alias === text(raw['Relation Name']) ? name : `${name} ${alias}`.trim();
  return [named, index === '' ? '' : `using ${index}`].filter((part) => part !== '').join(' ');
}

/** What is shown elsewhere. */
const shown = new Set(
  (
    'Node Type|Plans|Startup Cost|Total Cost|Plan Rows|Plan Width|Actual Startup Time|Actual Total Time|Actual Rows|' +
    'Actual Loops|Parallel Aware|Async Capable|Relation Name|Schema|Alias|Parent Relationship|Subplan Name|Workers|' +
    'Disabled'
  ).split('|'),
);
/** What is asked for first. */
const first = [
  'Filter',
  'Index Cond',
  'Hash Cond',
  'Merge Cond',
  'Join Filter',
  'Recheck Cond',
  'Sort Key',
  'Group Key',
];

function detailsOf(raw: Raw): (readonly [string, string])[] {
  const entries = Object.entries(raw)
    .filter(([name, value]) => !shown.has(name) && value !== 0 && value !== false)
    .map(([name, value]) => [name, valueText(value)] as const);
  const rank = (name: string): number => (first.includes(name) ? first.indexOf(name) : first.length);
  return entries.sort(([a], [b]) => rank(a) - rank(b));
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return value.map(valueText).join(', ');
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : text(value);
}

function record(value: unknown): Raw | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : undefined;
}
function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
function text(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** The share of the whole that each step takes by itself, by its id: of the time where it was measured, else of the cost. */
export function shares({ nodes, analyzed }: Plan): number[] {
  const own = nodes.map(({ selfCost, selfTimeMs }) => (analyzed ? (selfTimeMs ?? 0) : selfCost));
  const total = own.reduce((sum, each) => sum + each, 0);
  return own.map((each) => (total === 0 ? 0 : each / total));
}

/** The plan as EXPLAIN writes it. */
export function planText({ root, planningMs, executionMs }: Plan): string {
  const lines: string[] = [];
  const write = (each: PlanNode): void => {
    const indent = '  '.repeat(each.depth * 3);
    const arrow = each.depth === 0 ? '' : '->  ';
    const on = each.target === '' ? '' : ` on ${each.target}`;
    const { startup, cost, rows, width } = each.estimate;
    const actual =
      each.actual === undefined
        ? each.neverExecuted
          ? ' (never executed)'
          : ''
        : ` (actual time=${each.actual.timeMs.toFixed(3)} rows=${each.actual.rows} loops=${each.actual.loops})`;
    if (each.subplan !== '') lines.push(`${indent}${each.subplan}`);
    lines.push(
      `${indent}${arrow}${each.type}${on}  (cost=${startup.toFixed(2)}..${cost.toFixed(2)} rows=${rows} width=${width})${actual}`,
    );
    for (const [name, value] of each.details) lines.push(`${indent}      ${name}: ${value}`);
    for (const child of each.children) write(child);
  };
  write(root);
  if (planningMs !== undefined) lines.push(`Planning Time: ${planningMs.toFixed(3)} ms`);
  if (executionMs !== undefined) lines.push(`Execution Time: ${executionMs.toFixed(3)} ms`);
  return lines.join('\n');
}
