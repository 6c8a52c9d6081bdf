import { IconBinaryTree, IconMessage2, IconPinFilled, IconTable } from '@tabler/icons-react';
import { type KeyboardEvent, type ReactNode, useId } from 'react';
import { chordText } from '../../../ui/chords.js';
import { EmptyState } from '../../../ui/empty-state.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { useTab, useTabState } from '../context.js';
import { PlanPanel } from '../explain/plan-panel.js';
import { errorsOf, type ResultTab, type RunEntry, resultTabs } from '../runs.js';
import { Messages } from './messages.js';
import { ResultPanel } from './result-panel.js';
import style from './results.module.css';

/** More results than these are opened from the messages. */
const tabsMax = 40;

/** What runs gave: messages, the plan, and a sub-tab for each result set. */
export function Results() {
  const runs = useTabState((state) => state.runs);
  const shown = useTabState((state) => state.shown);
  const plan = useTabState((state) => state.plan);
  const id = useId();
  const results = resultTabs(runs);
  const chosen = results.find(({ result }) => result.key === shown);
  if (runs.length === 0 && plan === undefined) return <Nothing />;
  const current = chosen !== undefined ? shown : shown === 'plan' && plan !== undefined ? 'plan' : 'messages';
  return (
    <div className={style['results']}>
      <Strip id={id} results={results} current={current} runs={runs} hasPlan={plan !== undefined} />
      <div className={style['body']} role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${current}`}>
        {current === 'messages' && <Messages />}
        {current === 'plan' && <PlanPanel />}
        {chosen !== undefined && <ResultPanel key={chosen.result.key} shown={chosen} />}
      </div>
    </div>
  );
}

function Nothing() {
  return (
    <div className={style['nothing']}>
      <EmptyState icon={IconTable} title="Results appear here">
        <p>
          {chordText('Mod+Enter')} runs the statement under the cursor, or what is selected.
          <br />
          {chordText('Mod+Shift+Enter')} runs everything.
        </p>
      </EmptyState>
    </div>
  );
}

function Strip({
  id,
  results,
  current,
  runs,
  hasPlan,
}: {
  readonly id: string;
  readonly results: readonly ResultTab[];
  readonly current: string;
  readonly runs: readonly RunEntry[];
  readonly hasPlan: boolean;
}) {
  const tab = useTab();
  const errors = runs.flatMap(({ run }) => run.statements.flatMap(errorsOf)).length;
  const listed = visibleTabs(results, current);
  const keys = ['messages', ...(hasPlan ? ['plan'] : []), ...listed.map(({ result }) => result.key)];
  const move = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -keys.length, End: keys.length }[event.key];
    if (by === undefined) return;
    const next = keys[Math.min(Math.max(keys.indexOf(current) + by, 0), keys.length - 1)];
    if (next === undefined) return;
    event.preventDefault();
    tab.show(next);
    document.getElementById(`${id}-${next}`)?.focus();
  };
  const common = { id, current, show: (key: string) => tab.show(key) };
  return (
    <div className={style['strip']} role="tablist" aria-label="Results" onKeyDown={move}>
      <StripTab {...common} of="messages" icon={<IconMessage2 size={14} stroke={1.7} />}>
        Messages{errors > 0 && <span className={style['errors']}>{errors}</span>}
      </StripTab>
      {hasPlan && (
        <StripTab {...common} of="plan" icon={<IconBinaryTree size={14} stroke={1.7} />}>
          Plan
        </StripTab>
      )}
      {listed.map(({ entry, result, label }) => (
        <StripTab
          key={result.key}
          {...common}
          of={result.key}
          icon={entry.pinned ? <IconPinFilled size={13} /> : <IconTable size={14} stroke={1.7} />}
        >
          <VisibleText text={label} />
          <span className={style['count']}>{result.rows.toLocaleString()}</span>
        </StripTab>
      ))}
      {listed.length < results.length && (
        <button
          type="button"
          role="tab"
          aria-selected={false}
          className={style['tab']}
          onClick={() => tab.show('messages')}
        >
          {results.length - listed.length} more in Messages
        </button>
      )}
    </div>
  );
}

/** The first ones, and the shown one wherever it stands. */
function visibleTabs(results: readonly ResultTab[], current: string): readonly ResultTab[] {
  if (results.length <= tabsMax) return results;
  return results.filter(({ result }, at) => at < tabsMax || result.key === current);
}

function StripTab({
  id,
  of,
  current,
  show,
  icon,
  children,
}: {
  readonly id: string;
  readonly of: string;
  readonly current: string;
  readonly show: (key: string) => void;
  readonly icon: ReactNode;
  readonly children: ReactNode;
}) {
  return (
    <button
      type="button"
      role="tab"
      id={`${id}-${of}`}
      className={style['tab']}
      aria-selected={of === current}
      aria-controls={`${id}-panel`}
      tabIndex={of === current ? 0 : -1}
      onClick={() => show(of)}
    >
      {icon}
      <span className={style['label']}>{children}</span>
    </button>
  );
}
