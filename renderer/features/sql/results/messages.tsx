import { ActionIcon, Button } from '@mantine/core';
import {
  IconBan,
  IconCheck,
  IconCircleX,
  IconClock,
  IconLoader2,
  IconMapPin,
  IconPlayerSkipForward,
} from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef } from 'react';
import type { SqlProblem, StatementResult } from '../../../../gateway-core/contract/bridge/sql.js';
import { sentence } from '../../../ui/error-state.js';
import { durationText, Time } from '../../../ui/time.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { useTab, useTabState } from '../context.js';
import { errorsOf, isOver, outcomeOf, placeOf, type RunEntry } from '../runs.js';
import style from './results.module.css';

const textShown = 300;

interface Line {
  readonly entry: RunEntry;
  readonly statement: StatementResult;
}

/** Every statement of the runs that are kept, with what the server said to it. */
export function Messages() {
  const runs = useTabState((state) => state.runs);
  const scroller = useRef<HTMLDivElement>(null);
  const lines = useMemo(
    () => runs.flatMap((entry): Line[] => entry.run.statements.map((statement) => ({ entry, statement }))),
    [runs],
  );
  const newest = runs.at(-1);
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 46,
    overscan: 10,
  });
  // The statement that failed is the one to look at.
  const failed = lines.findIndex(({ statement }) => errorsOf(statement).length > 0);
  useEffect(() => {
    if (failed > 0) rows.scrollToIndex(failed);
  }, [failed, rows]);
  return (
    <div className={style['messages']}>
      {newest !== undefined && <RunHead entry={newest} />}
      <div ref={scroller} className={style['scroller']} tabIndex={0} role="log" aria-label="Messages">
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map(({ index, start, key }) => {
            const line = lines[index];
            if (line === undefined) return null;
            return (
              <div
                key={key}
                ref={rows.measureElement}
                data-index={index}
                className={style['message']}
                style={{ transform: `translateY(${start}px)` }}
              >
                <Statement {...line} />
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

function RunHead({ entry }: { readonly entry: RunEntry }) {
  const { run } = entry;
  const words = {
    running: 'running',
    paused: 'paused',
    done: 'done',
    failed: 'failed',
    cancelled: 'cancelled',
  };
  const over = run.statements.filter(({ state }) => state === 'done').length;
  return (
    <p className={style['runHead']} role="status">
      Run {entry.number}, <Time at={run.startedAt} />: {words[run.state]}
      {isOver(run) && ` in ${durationText(run.durationMs)}`}
      {run.statements.length > 1 &&
        `, ${over.toLocaleString()} of ${run.statements.length.toLocaleString()} statements`}
    </p>
  );
}

const icons = {
  waiting: IconClock,
  running: IconLoader2,
  done: IconCheck,
  failed: IconCircleX,
  cancelled: IconBan,
  skipped: IconPlayerSkipForward,
} as const;

function Statement({ entry, statement }: Line) {
  const tab = useTab();
  const Sign = icons[statement.state];
  const { offset, length, result } = statement;
  const text = entry.text.slice(offset, offset + Math.min(length, textShown));
  return (
    <div className={style['statement']} data-state={statement.state}>
      <Sign size={15} stroke={1.8} aria-hidden />
      <div className={style['said']}>
        {text !== '' && (
          <code className={style['text']}>
            <VisibleText text={text.replaceAll(/\s+/g, ' ')} />
          </code>
        )}
        {statement.state !== 'failed' && (
          <p className={style['outcome']}>
            <VisibleText text={outcomeOf(statement)} />
            {statement.durationMs !== undefined && `, ${durationText(statement.durationMs)}`}
          </p>
        )}
        {statement.problems.map((problem, at) => (
          <Problem key={at} problem={problem} show={() => showAt(tab, { entry, statement }, problem)} />
        ))}
        {statement.problemsCut && <p className={style['outcome']}>There were more notices than are kept.</p>}
      </div>
      {result !== undefined && (
        <Button size="compact-xs" variant="subtle" onClick={() => tab.show(result.key)}>
          Result
        </Button>
      )}
    </div>
  );
}

function showAt(tab: ReturnType<typeof useTab>, { entry, statement }: Line, problem: SqlProblem): void {
  tab.editor?.reveal(entry.run.run, placeOf(statement, problem).start);
}

/** What the server said. A refusal names its policy and what would change it. */
function Problem({ problem, show }: { readonly problem: SqlProblem; readonly show: () => void }) {
  const { kind, severity, message, code, detail, hint, denied } = problem;
  return (
    <div className={style['problem']} data-kind={denied === undefined ? kind : 'denied'}>
      <p>
        <b>{denied === undefined ? severity : 'DENIED'}</b> <VisibleText text={message} />
        {code !== '' && <span className={style['code']}> {code}</span>}
        {kind === 'error' && (
          <ActionIcon size="xs" variant="subtle" color="gray" aria-label="Show it in the text" onClick={show}>
            <IconMapPin size={13} />
          </ActionIcon>
        )}
      </p>
      {denied !== undefined && (
        <p>
          {denied.policy !== '' && (
            <>
              Policy{' '}
              <b>
                <VisibleText text={denied.policy} />
              </b>
              .{' '}
            </>
          )}
          <VisibleText text={sentence(denied.action)} />
        </p>
      )}
      {detail !== undefined && (
        <p>
          <VisibleText text={detail} />
        </p>
      )}
      {hint !== undefined && hint !== denied?.action && (
        <p>
          Hint: <VisibleText text={hint} />
        </p>
      )}
    </div>
  );
}
