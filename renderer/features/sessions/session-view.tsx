import { Badge, Button, Popover, SegmentedControl, Tooltip } from '@mantine/core';
import { IconCertificate, IconClockOff, IconEye, IconHandStop } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import type { SessionView as Session, SessionDetail } from '../../../gateway-core/contract/api.js';
import { SessionId } from '../../../gateway-core/contract/ids.js';
import { call } from '../../bridge/index.js';
import { ErrorState } from '../../ui/error-state.js';
import { Line } from '../../ui/line.js';
import { Replay } from '../../ui/replay/replay.js';
import { ShortId } from '../../ui/short-id.js';
import { Skeleton } from '../../ui/skeleton.js';
import { Lasting, Time } from '../../ui/time.js';
import { VisibleText } from '../../ui/visible-text.js';
import { Watchers } from '../../ui/watchers.js';
import { openHop, type TabProps, workbench } from '../../ui/workbench.js';
import { useMe } from './me.js';
import { revokeSession } from './revoke.js';
import style from './sessions.module.css';
import { StatementDetail, Statements } from './statements.js';
import { readDetail, useSessions, watchSession } from './store.js';
import { WatchLive } from './watch.js';
import { causes, viaWords } from './words.js';

/** One session: who, what, decided by which policy, what came back, and the replay. */
export function SessionPage({ tab, parameters }: TabProps) {
  const parsed = SessionId.safeParse(parameters['id']);
  if (!parsed.success) {
    return <ErrorState error={{ code: 'not-found', message: 'this tab names no session' }} />;
  }
  return (
    <Page
      tab={tab}
      id={parsed.data}
      seq={Number(parameters['seq']) || undefined}
      watch={parameters['show'] === 'live'}
    />
  );
}

function Page({
  tab,
  id,
  seq,
  watch,
}: {
  readonly tab: string;
  readonly id: SessionId;
  readonly seq: number | undefined;
  readonly watch: boolean;
}) {
  const session = useSessions(({ sessions }) => sessions.get(id));
  const detail = useSessions(({ details }) => details.get(id));
  const me = useMe();
  const [chosen, setChosen] = useState(seq);
  const [shown, setShown] = useState<'statements' | 'replay' | 'live'>('statements');
  const openReplay = useCallback(() => call('replay.open', { session: id }), [id]);
  useEffect(() => watchSession(id), [id]);
  useEffect(() => setChosen(seq), [seq]);
  useEffect(() => {
    if (!watch) return;
    setShown('live');
    // Nobody is watched because an app was started again.
    workbench().keepParameters(tab, { id });
  }, [watch, tab, id]);
  useEffect(() => {
    if (session === undefined) return;
    workbench().describeTab(tab, {
      title: `${session.chain.at(-1)?.name ?? session.principal} · ${session.connection}`,
      ...(session.state === 'live' ? { mark: 'running' } : {}),
    });
  }, [tab, session]);

  if (session === undefined || detail === undefined || !detail.read) {
    if (detail?.problem !== undefined) {
      return <ErrorState error={detail.problem} retry={() => void readDetail(id)} />;
    }
    return <Skeleton label="Reading the session" />;
  }
  const mayWatch = session.state === 'live' && session.protocol === 'ssh';
  const statement = chosen === undefined ? undefined : detail.statements.get(chosen);
  return (
    <article
      className={style['page']}
      aria-label={`Session of ${session.principal} on ${session.connection}`}
    >
      <Header session={session} behind={detail.behind} lineage={detail.lineage} />
      {detail.problem !== undefined && (
        <ErrorState compact error={detail.problem} retry={() => void readDetail(id)} />
      )}
      {detail.watched !== undefined && <WatchedBefore watched={detail.watched} endedAt={session.endedAt} />}
      {detail.deleted !== undefined && (
        <p className={style['deleted']} role="note">
          <IconClockOff size={14} aria-hidden />
          {detail.deleted === 'whole'
            ? 'The recording of this session is older than the gateway keeps: it is deleted. Its hashes and the decisions stay in the audit log.'
            : 'The beginning of this recording is older than the gateway keeps: it is deleted. Its hashes and the decisions stay in the audit log.'}
        </p>
      )}
      <div className={style['bar']}>
        <SegmentedControl
          size="xs"
          aria-label="What to show"
          value={shown}
          onChange={setShown}
          data={[
            { value: 'statements', label: 'Statements' },
            { value: 'replay', label: 'Replay' },
            ...(mayWatch || shown === 'live' ? [{ value: 'live' as const, label: 'Watch live' }] : []),
          ]}
        />
      </div>
      <div className={style['split']} data-shown={shown}>
        <Statements statements={detail.statements} chosen={chosen} onChoose={setChosen} />
        {shown === 'live' ? (
          <WatchLive
            session={id}
            person={me === session.principal ? undefined : session.chain[0].name}
            onReplay={() => setShown('replay')}
          />
        ) : shown === 'replay' ? (
          <Replay open={openReplay} seq={chosen} onStatement={setChosen} />
        ) : (
          statement !== undefined && <StatementDetail statement={statement} />
        )}
      </div>
    </article>
  );
}

function Header({
  session,
  behind,
  lineage,
}: {
  readonly session: Session;
  readonly behind: SessionDetail['behind'];
  readonly lineage: SessionDetail['lineage'];
}) {
  const { id, chain, connection, state, startedAt, endedAt, endCause, via, application, corroboration } =
    session;
  return (
    <header className={style['header']}>
      <Line chain={chain} connection={connection} onPick={openHop} />
      <div className={style['facts2']}>
        <Badge size="sm" variant="light" color={state === 'live' ? 'green' : 'gray'}>
          {state === 'live' ? 'live' : (causes[endCause ?? 'client'] ?? 'ended')}
        </Badge>
        <span>
          <Time at={startedAt} />
        </span>
        <span>
          <Lasting from={startedAt} {...(endedAt === undefined ? {} : { to: endedAt })} />
        </span>
        <span>{viaWords[via]}</span>
        {behind !== undefined && <Behind behind={behind} />}
        {lineage === 'unattributed' && (
          <Tooltip label="Nobody on that machine could tell which program is behind this session">
            <Badge size="sm" variant="outline" color="gray">
              unattributed
            </Badge>
          </Tooltip>
        )}
        {application !== undefined && (
          <span title="application_name, as the client said it">{application}</span>
        )}
        <Tooltip label="Whether the desktop's own recording agrees with the gateway's">
          <span>{corroboration ?? 'gateway-only'}</span>
        </Tooltip>
        <Watchers session={id} />
        <ShortId id={id} />
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconCertificate size={14} />}
          onClick={() =>
            workbench().openTab('evidence-export', {
              kind: 'session',
              id,
              name: `${chain.at(-1)?.name ?? ''} on ${connection}`,
            })
          }
        >
          Export
        </Button>
        {state === 'live' && (
          <Button
            size="compact-xs"
            color="red"
            variant="light"
            leftSection={<IconHandStop size={14} />}
            onClick={() => void revokeSession(session)}
          >
            Revoke
          </Button>
        )}
      </div>
    </header>
  );
}

/** Who has watched it as it ran: whose session it is, finds it here for as long as the recording is kept. */
function WatchedBefore({
  watched,
  endedAt,
}: {
  readonly watched: NonNullable<SessionDetail['watched']>;
  readonly endedAt: string | undefined;
}) {
  // Who watches now stands in the header.
  const past = watched.flatMap(({ until = endedAt, ...each }) =>
    until === undefined ? [] : [{ ...each, until }],
  );
  if (past.length === 0) return null;
  return (
    <p className={style['deleted']} role="note">
      <IconEye size={14} aria-hidden />
      <span>
        Watched by{' '}
        {past.map(({ name, principal, since, until }, index) => (
          <span key={`${principal} ${since} ${index}`}>
            {index > 0 && ', '}
            <VisibleText text={name} lines={false} /> <Time at={since} short />
            {' to '}
            <Time at={until} short />
          </span>
        ))}
      </span>
    </p>
  );
}

/** The program at the socket, and above it who started whom: what the line's last hops stand on. */
function Behind({ behind: { processes } }: { readonly behind: NonNullable<SessionDetail['behind']> }) {
  const [leaf] = processes;
  if (leaf === undefined) return null;
  return (
    <Popover position="bottom-start" width={420} withinPortal>
      <Popover.Target>
        <Button size="compact-xs" variant="subtle" color="gray">
          process {leaf.pid}
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <ol className={style['behind']} aria-label="Processes behind this session, the program first">
          {processes.map(({ pid, name, exe, arguments: words }) => (
            <li key={pid}>
              <code>{pid}</code> <VisibleText text={words?.join(' ') ?? exe ?? name} lines={false} />
            </li>
          ))}
        </ol>
      </Popover.Dropdown>
    </Popover>
  );
}
