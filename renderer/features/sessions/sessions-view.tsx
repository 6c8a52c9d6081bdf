import { Button, SegmentedControl, Text, TextInput } from '@mantine/core';
import { IconEye, IconHandStop, IconHistory, IconSearch, IconX } from '@tabler/icons-react';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useMemo, useRef, useState } from 'react';
import type { SessionView } from '../../../gateway-core/contract/api.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import { Line } from '../../ui/line.js';
import { Skeleton } from '../../ui/skeleton.js';
import { Lasting, Time } from '../../ui/time.js';
import { visibleText } from '../../ui/visible-text.js';
import { workbench } from '../../ui/workbench.js';
import { revokeSession } from './revoke.js';
import style from './sessions.module.css';
import { readSessions, useSessions } from './store.js';
import { causes, matches, wordsOf } from './words.js';

export interface Of {
  readonly id: string;
  readonly name: string;
  readonly leave: () => void;
}

type Which = 'live' | 'mine' | 'all';
const rowHeight = 34;

/** Which sessions, filtered and newest first; live ones before those that ended. */
export function useShownSessions(
  which: Which,
  text: string,
  me: string | undefined,
  of?: string,
): readonly SessionView[] {
  const sessions = useSessions((state) => state.sessions);
  return useMemo(() => {
    const words = wordsOf(text);
    return [...sessions.values()]
      .filter((each) => which !== 'live' || each.state === 'live')
      .filter((each) => which !== 'mine' || each.principal === me)
      .filter((each) => of === undefined || each.chain.some((hop) => hop.id === of))
      .filter((each) => matches(each, words))
      .sort(
        (a, b) =>
          Number(b.state === 'live') - Number(a.state === 'live') || b.startedAt.localeCompare(a.startedAt),
      );
  }, [sessions, which, text, me, of]);
}

/** All sessions that the person may see, as a table: the line first, because it is what is looked for. */
export function SessionsTable({
  me,
  of,
}: {
  readonly me: string | undefined;
  /** Only sessions with this hop in their line. */
  readonly of?: Of | undefined;
}) {
  const state = useSessions((each) => each.state);
  const problem = useSessions((each) => each.problem);
  const [which, setWhich] = useState<Which>('live');
  const [text, setText] = useState('');
  const shown = useShownSessions(which, text, me, of?.id);
  const [chosen, setChosen] = useState<string>();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 10,
  });
  useEffect(() => void readSessions(), []);
  useEffect(() => {
    if (of === undefined) return;
    setWhich('all');
    void readSessions();
  }, [of?.id]);

  const at = shown.findIndex((each) => each.id === chosen);
  const choose = (index: number) => {
    const next = shown[Math.min(Math.max(index, 0), shown.length - 1)];
    if (next === undefined) return;
    setChosen(next.id);
    rows.scrollToIndex(shown.indexOf(next));
  };
  const open = (session: SessionView) => workbench().openTab('session', { id: session.id });
  return (
    <section className={style['page']} aria-label="Sessions">
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow']}
          placeholder="Filter by person, agent, connection, id"
          aria-label="Filter sessions"
          leftSection={<IconSearch size={14} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        {of !== undefined && (
          <Button
            size="compact-xs"
            variant="default"
            rightSection={<IconX size={13} />}
            title="Show the sessions of everybody"
            onClick={of.leave}
          >
            of {visibleText(of.name, 40)}
          </Button>
        )}
        <WhichSessions which={which} setWhich={setWhich} />
        <Text size="xs" c="dimmed" role="status" className={style['count']}>
          {shown.length.toLocaleString()} {shown.length === 1 ? 'session' : 'sessions'}
        </Text>
      </div>
      {problem !== undefined && <ErrorState compact error={problem} retry={() => void readSessions()} />}
      {state !== 'read' && problem === undefined && <Skeleton label="Reading sessions" />}
      {state === 'read' && shown.length === 0 && (
        <Nothing
          which={which}
          filtered={text.trim() !== '' || of !== undefined}
          showAll={() => setWhich('all')}
        />
      )}
      <div
        ref={scroller}
        className={style['scroller']}
        role="grid"
        tabIndex={0}
        aria-label="Sessions"
        aria-rowcount={shown.length}
        aria-activedescendant={at >= 0 ? `row-${chosen}` : undefined}
        onKeyDown={(event) => {
          const session = shown[at];
          const to = {
            ArrowDown: at + 1,
            ArrowUp: at - 1,
            PageDown: at + 15,
            PageUp: at - 15,
            Home: 0,
            End: shown.length - 1,
          }[event.key];
          if (to !== undefined) choose(to);
          else if (event.key === 'Enter' && session !== undefined) open(session);
          else if (event.key === 'l' && session?.state === 'live' && session.protocol === 'ssh')
            workbench().openTab('session', { id: session.id, show: 'live' });
          else if (event.key === 'Delete' && session?.state === 'live') void revokeSession(session);
          else return;
          event.preventDefault();
        }}
      >
        <div style={{ height: rows.getTotalSize(), position: 'relative' }}>
          {rows.getVirtualItems().map(({ index, start }) => {
            const session = shown[index];
            if (session === undefined) return null;
            return (
              <div
                key={session.id}
                id={`row-${session.id}`}
                role="row"
                tabIndex={-1}
                aria-rowindex={index + 1}
                aria-selected={session.id === chosen}
                className={style['session']}
                style={{ height: rowHeight, transform: `translateY(${start}px)` }}
                onMouseDown={() => setChosen(session.id)}
                onDoubleClick={() => open(session)}
              >
                <SessionRow session={session} open={() => open(session)} />
              </div>
            );
          })}
        </div>
      </div>
    </section>
  );
}

export function WhichSessions({
  which,
  setWhich,
}: {
  readonly which: Which;
  readonly setWhich: (which: Which) => void;
}) {
  return (
    <SegmentedControl
      size="xs"
      aria-label="Which sessions"
      value={which}
      onChange={setWhich}
      data={[
        { value: 'live', label: 'Live' },
        { value: 'mine', label: 'Mine' },
        { value: 'all', label: 'All' },
      ]}
    />
  );
}

function SessionRow({ session, open }: { readonly session: SessionView; readonly open: () => void }) {
  const live = session.state === 'live';
  return (
    <>
      <span role="gridcell" className={style['state']} data-live={live}>
        {live ? 'live' : 'ended'}
      </span>
      <span role="gridcell" className={style['line']}>
        <Line chain={session.chain} connection={session.connection} />
      </span>
      <span role="gridcell" className={`${style['number']} ${style['roomy']}`}>
        {session.statements.toLocaleString()} {session.statements === 1 ? 'statement' : 'statements'}
      </span>
      <span role="gridcell" className={style['number']}>
        <Lasting
          from={session.startedAt}
          {...(session.endedAt === undefined ? {} : { to: session.endedAt })}
        />
      </span>
      <span role="gridcell" className={`${style['number']} ${style['roomy']}`}>
        <Time at={session.startedAt} short />
      </span>
      <span role="gridcell" className={`${style['cause']} ${style['roomy']}`}>
        {live ? '' : causes[session.endCause ?? 'client']}
      </span>
      <span role="gridcell" className={style['acts']}>
        <Button size="compact-xs" variant="default" onClick={open}>
          Open
        </Button>
        {live && session.protocol === 'ssh' && (
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<IconEye size={13} />}
            onClick={() => workbench().openTab('session', { id: session.id, show: 'live' })}
          >
            Watch live
          </Button>
        )}
        {live && (
          <Button
            size="compact-xs"
            color="red"
            variant="light"
            leftSection={<IconHandStop size={13} />}
            onClick={() => void revokeSession(session)}
          >
            Revoke
          </Button>
        )}
      </span>
    </>
  );
}

function Nothing({
  which,
  filtered,
  showAll,
}: {
  readonly which: Which;
  readonly filtered: boolean;
  readonly showAll: () => void;
}) {
  if (filtered) return <EmptyState icon={IconSearch} title="No session matches the filter" />;
  if (which === 'live') {
    return (
      <EmptyState
        icon={IconHistory}
        title="Nobody is connected right now"
        text="A session appears here the moment it starts. Try one:"
        command="throughline exec shop-db -- psql"
      >
        <Button size="compact-sm" variant="default" onClick={showAll}>
          Show those that have ended
        </Button>
      </EmptyState>
    );
  }
  return (
    <EmptyState
      icon={IconHistory}
      title="No session was recorded yet"
      text="Open a connection, or use a tunnel:"
      command="throughline connect shop-db"
    />
  );
}
