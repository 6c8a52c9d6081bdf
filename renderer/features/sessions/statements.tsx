import { SegmentedControl, Text, TextInput, Tooltip } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { StatementView } from '../../../gateway-core/contract/api.js';
import { CopyButton } from '../../ui/copy-line.js';
import { DecisionMark } from '../../ui/decision.js';
import { Duration, Time } from '../../ui/time.js';
import { VisibleText } from '../../ui/visible-text.js';
import style from './sessions.module.css';

type Only = 'all' | 'stopped' | 'failed';
const rowHeight = 30;

/** Statements of a session: new ones appear at the end, and the list follows them while it stands there. */
export function Statements({
  statements,
  chosen,
  onChoose,
}: {
  readonly statements: ReadonlyMap<number, StatementView>;
  readonly chosen: number | undefined;
  readonly onChoose: (seq: number) => void;
}) {
  const [text, setText] = useState('');
  const [only, setOnly] = useState<Only>('all');
  const scroller = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const shown = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return [...statements.values()]
      .filter((each) => passes(each, only) && (wanted === '' || each.text.toLowerCase().includes(wanted)))
      .sort((a, b) => a.seq - b.seq);
  }, [statements, text, only]);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  const at = shown.findIndex((each) => each.seq === chosen);
  useEffect(() => {
    if (at >= 0) rows.scrollToIndex(at);
    else if (following.current && shown.length > 0) rows.scrollToIndex(shown.length - 1);
  }, [at, shown.length, rows]);

  const move = (by: number) => {
    const next = shown[Math.min(Math.max(at + by, 0), shown.length - 1)];
    if (next !== undefined) onChoose(next.seq);
  };
  return (
    <section className={style['statements']} aria-label="Statements">
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow']}
          placeholder="Filter statements"
          aria-label="Filter statements"
          leftSection={<IconSearch size={14} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <SegmentedControl
          size="xs"
          aria-label="Which statements"
          value={only}
          onChange={setOnly}
          data={[
            { value: 'all', label: 'All' },
            { value: 'stopped', label: 'Not allowed' },
            { value: 'failed', label: 'Failed' },
          ]}
        />
        <Text size="xs" c="dimmed" className={style['count']} role="status">
          {shown.length === statements.size
            ? `${statements.size.toLocaleString()} statements`
            : `${shown.length.toLocaleString()} of ${statements.size.toLocaleString()}`}
        </Text>
      </div>
      <div
        ref={scroller}
        className={style['scroller']}
        role="listbox"
        tabIndex={0}
        aria-label="Statements of this session"
        aria-activedescendant={at >= 0 ? `statement-${chosen}` : undefined}
        onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
          following.current = scrollTop + clientHeight > scrollHeight - rowHeight * 2;
        }}
        onKeyDown={(event) => {
          const by = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -1e9, End: 1e9 }[
            event.key
          ];
          if (by === undefined) return;
          event.preventDefault();
          move(at < 0 && by < 0 ? 0 : by);
        }}
      >
        {shown.length === 0 && (
          <Text size="sm" c="dimmed" p="md">
            {statements.size === 0 ? 'No statement was run in this session yet.' : 'Nothing here matches.'}
          </Text>
        )}
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map((item) => {
            const each = shown[item.index];
            if (each === undefined) return null;
            return (
              <div
                key={each.seq}
                id={`statement-${each.seq}`}
                role="option"
                tabIndex={-1}
                aria-selected={each.seq === chosen}
                aria-posinset={item.index + 1}
                aria-setsize={shown.length}
                className={style['statement']}
                style={{ height: rowHeight, transform: `translateY(${item.start}px)` }}
                onMouseDown={() => onChoose(each.seq)}
              >
                <StatementRow statement={each} />
              </div>
            );
          })}
        </div>
      </div>
    </section>
  );
}

function StatementRow({ statement }: { readonly statement: StatementView }) {
  const { seq, decision, text, startedAt, durationMs, rows, error, maskedValues } = statement;
  return (
    <>
      <span className={style['seq']}>{seq}</span>
      <DecisionMark decision={decision} bare />
      <span className={style['sql']}>
        <VisibleText text={oneLine(text)} />
      </span>
      {error !== undefined && (
        <Tooltip label={error} multiline maw={480} openDelay={300}>
          <span className={style['failed']}>failed</span>
        </Tooltip>
      )}
      {maskedValues !== undefined && maskedValues > 0 && (
        <span className={`${style['masked']} ${style['wideOnly']}`}>
          {maskedValues.toLocaleString()} masked
        </span>
      )}
      <span className={`${style['number']} ${style['wideOnly']}`}>
        {rows === undefined ? '' : rows === 1 ? '1 row' : `${rows.toLocaleString()} rows`}
      </span>
      <span className={style['number']}>
        <Duration ms={durationMs} />
      </span>
      <span className={`${style['number']} ${style['wideOnly']}`}>
        <Time at={startedAt} short />
      </span>
    </>
  );
}

/** The chosen statement, whole: what ran, who decided, what came of it. */
export function StatementDetail({ statement }: { readonly statement: StatementView }) {
  const { text, parameters, decision, policy, policyVersion, message, startedAt, durationMs } = statement;
  const facts: readonly (readonly [string, React.ReactNode])[] = [
    ['Decision', <DecisionMark key="d" decision={decision} />],
    ['Policy', policy.length === 0 ? 'none permitted it' : policy.join(', ')],
    ['Policy version', <code key="v">{policyVersion}</code>],
    ['Command', statement.command],
    ['Started', <Time key="t" at={startedAt} />],
    ['Duration', <Duration key="l" ms={durationMs} />],
    ...(statement.rows === undefined ? [] : [['Rows', statement.rows.toLocaleString()] as const]),
    ...(statement.bytes === undefined ? [] : [['Bytes returned', statement.bytes.toLocaleString()] as const]),
    ...(statement.maskedValues === undefined
      ? []
      : [['Masked values', statement.maskedValues.toLocaleString()] as const]),
  ];
  return (
    <section className={style['detail']} aria-label={`Statement ${statement.seq}`}>
      <div className={style['text']}>
        <pre>
          <VisibleText text={text} />
        </pre>
        <CopyButton text={text} label="Copy the statement" />
      </div>
      {parameters !== undefined && parameters.length > 0 && (
        <ol className={style['parameters']} aria-label="Parameters">
          {parameters.map((value, index) => (
            // Parameters have no identity but their place.
            <li key={index}>{value === null ? <em>NULL</em> : <VisibleText text={value} />}</li>
          ))}
        </ol>
      )}
      {message !== undefined && <p className={style['message']}>{message}</p>}
      {statement.error !== undefined && (
        <p className={style['error']}>
          <VisibleText text={statement.error} />
        </p>
      )}
      <dl className={style['facts']}>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function passes({ decision, error }: StatementView, only: Only): boolean {
  if (only === 'stopped') return decision !== 'allowed' && decision !== 'approved';
  return only === 'all' || error !== undefined;
}

/** A list row has one line: white space between words is not what it is read for. */
function oneLine(text: string): string {
  return text.slice(0, 400).replaceAll(/\s+/g, ' ').trim();
}
