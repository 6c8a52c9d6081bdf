import { SegmentedControl } from '@mantine/core';
import { type KeyboardEvent, useMemo, useRef, useState } from 'react';
import { CopyButton } from '../../../ui/copy-line.js';
import { ErrorState } from '../../../ui/error-state.js';
import { Skeleton } from '../../../ui/skeleton.js';
import { durationText } from '../../../ui/time.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { useTab, useTabState } from '../context.js';
import { type Plan, type PlanNode, planText, shares } from './plan.js';
import style from './plan.module.css';

/** Estimates that are off by more are pointed out. */
const misestimateShown = 10;

/** The plan of a statement, as a tree or as text. */
export function PlanPanel() {
  const tab = useTab();
  const plan = useTabState((state) => state.plan);
  if (plan === undefined) return null;
  if (plan.state === 'reading') {
    return <Skeleton label={plan.analyze ? 'Running the statement to measure it' : 'Asking for the plan'} />;
  }
  if (plan.state === 'failed')
    return <ErrorState error={plan.problem} retry={() => void tab.explain(false)} />;
  return <PlanView plan={plan.plan} json={plan.json} statement={plan.statement} />;
}

function PlanView({
  plan,
  json,
  statement,
}: {
  readonly plan: Plan;
  readonly json: string;
  readonly statement: string;
}) {
  const [as, setAs] = useState<'tree' | 'text'>('tree');
  const [chosen, setChosen] = useState(() => costliest(plan));
  const text = useMemo(() => planText(plan), [plan]);
  const node = plan.nodes[chosen];
  return (
    <div className={style['plan']}>
      <div className={style['bar']}>
        <SegmentedControl
          size="xs"
          aria-label="How the plan is shown"
          data={[
            { value: 'tree', label: 'Tree' },
            { value: 'text', label: 'Text' },
          ]}
          value={as}
          onChange={setAs}
        />
        <span className={style['facts']}>
          {plan.analyzed ? 'measured' : 'estimated'}, cost {plan.root.estimate.cost.toLocaleString()}
          {plan.planningMs !== undefined && `, planning ${durationText(plan.planningMs)}`}
          {plan.executionMs !== undefined && `, execution ${durationText(plan.executionMs)}`}
          {plan.triggers.map(([name, ms]) => `, trigger ${name} ${durationText(ms)}`)}
        </span>
        <code className={style['statement']} title={statement.slice(0, 2000)}>
          <VisibleText text={statement.slice(0, 200).replaceAll(/\s+/g, ' ')} />
        </code>
        <CopyButton text={text} label="Copy as text" />
        <CopyButton text={json} label="Copy as JSON" />
      </div>
      {as === 'text' ? (
        <pre className={style['text']} tabIndex={0} role="group" aria-label="Plan as text">
          <VisibleText text={text} lines />
        </pre>
      ) : (
        <div className={style['split']}>
          <Tree plan={plan} chosen={chosen} choose={setChosen} />
          {node !== undefined && <Details node={node} />}
        </div>
      )}
    </div>
  );
}

function costliest(plan: Plan): number {
  const own = shares(plan);
  return own.indexOf(Math.max(...own));
}

function Tree({
  plan,
  chosen,
  choose,
}: {
  readonly plan: Plan;
  readonly chosen: number;
  readonly choose: (id: number) => void;
}) {
  const own = useMemo(() => shares(plan), [plan]);
  const most = Math.max(...own);
  const rowsMost = Math.max(1, ...plan.nodes.map(rowsOf));
  const tree = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent) => {
    const by = { ArrowUp: -1, ArrowDown: 1, Home: -plan.nodes.length, End: plan.nodes.length }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const next = Math.min(Math.max(chosen + by, 0), plan.nodes.length - 1);
    choose(next);
    tree.current?.querySelector(`[data-id="${next}"]`)?.scrollIntoView({ block: 'nearest' });
  };
  return (
    <div
      ref={tree}
      className={style['tree']}
      role="tree"
      tabIndex={0}
      aria-label="Steps of the plan"
      aria-activedescendant={`plan-${chosen}`}
      onKeyDown={move}
    >
      <div className={style['heads']} aria-hidden>
        <span>Step</span>
        <span>{plan.analyzed ? 'own time' : 'own cost'}</span>
        <span>{plan.analyzed ? 'rows, estimate' : 'rows'}</span>
        <span>{plan.analyzed ? 'loops' : 'cost'}</span>
      </div>
      {plan.nodes.map((node) => (
        <Step
          key={node.id}
          node={node}
          share={own[node.id] ?? 0}
          most={(own[node.id] ?? 0) === most && most > 0}
          rowsShare={rowsOf(node) / rowsMost}
          analyzed={plan.analyzed}
          chosen={node.id === chosen}
          choose={choose}
        />
      ))}
    </div>
  );
}

const rowsOf = ({ actual, estimate }: PlanNode): number => actual?.rows ?? estimate.rows;

function Step({
  node,
  share,
  most,
  rowsShare,
  analyzed,
  chosen,
  choose,
}: {
  readonly node: PlanNode;
  readonly share: number;
  readonly most: boolean;
  readonly rowsShare: number;
  readonly analyzed: boolean;
  readonly chosen: boolean;
  readonly choose: (id: number) => void;
}) {
  const { actual, estimate, misestimate } = node;
  const off = misestimate !== undefined && misestimate >= misestimateShown;
  return (
    <div
      role="treeitem"
      id={`plan-${node.id}`}
      data-id={node.id}
      tabIndex={-1}
      aria-level={node.depth + 1}
      aria-selected={chosen}
      className={style['step']}
      data-most={most}
      data-idle={node.neverExecuted}
      onClick={() => choose(node.id)}
    >
      <span className={style['name']} style={{ paddingLeft: node.depth * 18 }}>
        {node.depth > 0 && <i aria-hidden>└</i>}
        {node.subplan !== '' && (
          <em>
            <VisibleText text={node.subplan} />
          </em>
        )}
        <b>
          <VisibleText text={node.type} />
        </b>{' '}
        <VisibleText text={node.target} />
        {most && <span className={style['mark']}>most expensive</span>}
        {node.neverExecuted && <span className={style['mark']}>never executed</span>}
      </span>
      <Bar share={share} hot={share > 0.3}>
        {analyzed
          ? node.selfTimeMs === undefined
            ? ''
            : `${durationText(node.selfTimeMs)}  ${percent(share)}`
          : `${round(node.selfCost)}  ${percent(share)}`}
      </Bar>
      <Bar share={rowsShare} hot={false}>
        {actual === undefined
          ? round(estimate.rows)
          : `${round(actual.rows)} / ${round(estimate.rows * actual.loops)}`}
        {off && <strong title="The estimate is far off"> ×{Math.round(misestimate).toLocaleString()}</strong>}
      </Bar>
      <span className={style['number']}>
        {analyzed ? (actual?.loops.toLocaleString() ?? '') : round(estimate.cost)}
      </span>
    </div>
  );
}

function Bar({
  share,
  hot,
  children,
}: {
  readonly share: number;
  readonly hot: boolean;
  readonly children: React.ReactNode;
}) {
  return (
    <span className={style['measure']}>
      <span
        className={style['fill']}
        data-hot={hot}
        style={{ width: `${Math.max(0, Math.min(1, share)) * 100}%` }}
      />
      <span>{children}</span>
    </span>
  );
}

const percent = (share: number): string => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)}%`;
const round = (value: number): string =>
  value.toLocaleString(undefined, { maximumFractionDigits: value < 100 ? 2 : 0 });

function Details({ node }: { readonly node: PlanNode }) {
  const { estimate, actual, misestimate } = node;
  const facts: (readonly [string, string])[] = [
    ['Estimated cost', `${round(estimate.startup)} to ${round(estimate.cost)}`],
    ['Estimated rows', `${estimate.rows.toLocaleString()}, ${estimate.width} bytes each`],
  ];
  if (actual !== undefined) {
    facts.push(
      ['Time in all', durationText(actual.timeMs)],
      ['Time of its own', durationText(node.selfTimeMs ?? 0)],
    );
    facts.push(['Rows', `${actual.rows.toLocaleString()} in ${actual.loops.toLocaleString()} loops`]);
  }
  if (misestimate !== undefined && misestimate >= 2)
    facts.push(['Estimate off by', `×${misestimate.toFixed(1)}`]);
  return (
    <div className={style['details']} tabIndex={0} role="group" aria-label="Details of the step">
      <h3>
        <VisibleText text={`${node.type} ${node.target}`} />
      </h3>
      <dl>
        {[...facts, ...node.details].map(([name, value], at) => (
          <div key={`${at}`}>
            <dt>
              <VisibleText text={name} />
            </dt>
            <dd>
              <VisibleText text={value} />
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
