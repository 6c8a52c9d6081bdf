import { Button, Switch, TextInput } from '@mantine/core';
import { IconHistory, IconSearch } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import type { CallOutput } from '../../../../gateway-core/contract/bridge/calls.js';
import { call, failureOf } from '../../../bridge/index.js';
import { CopyButton } from '../../../ui/copy-line.js';
import { EmptyState } from '../../../ui/empty-state.js';
import { ErrorState } from '../../../ui/error-state.js';
import { Line } from '../../../ui/line.js';
import { useLine } from '../../../ui/session-line.js';
import { Skeleton } from '../../../ui/skeleton.js';
import { durationText, Time } from '../../../ui/time.js';
import { VirtualList } from '../../../ui/virtual-list.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { workbench } from '../../../ui/workbench.js';
import { useTab, useTabState } from '../context.js';
import { isOver } from '../runs.js';
import style from './side.module.css';

type Entry = CallOutput<'history.list'>[number];
const pageEntries = 200;
const typingMs = 200;

/** What was run on this device: sealed here, searchable here, with who ran it. */
export function HistoryPanel() {
  const [text, setText] = useState('');
  const [all, setAll] = useState(false);
  const [chosen, setChosen] = useState<Entry>();
  const connection = useTabState((state) => state.connection);
  const history = useHistory(text, all ? undefined : connection);
  return (
    <>
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow'] ?? ''}
          placeholder="Search what was run"
          aria-label="Search the history"
          leftSection={<IconSearch size={13} aria-hidden />}
          value={text}
          maxLength={1000}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Switch
          size="xs"
          label="All connections"
          checked={all}
          onChange={(event) => setAll(event.currentTarget.checked)}
        />
      </div>
      {history.problem !== undefined && <ErrorState compact error={history.problem} retry={history.again} />}
      <Entries history={history} searched={text !== ''} choose={setChosen} />
      {chosen !== undefined && <Chosen entry={chosen} />}
    </>
  );
}

function Entries({
  history: { entries, more, older },
  searched,
  choose,
}: {
  readonly history: ReturnType<typeof useHistory>;
  readonly searched: boolean;
  readonly choose: (entry: Entry) => void;
}) {
  const tab = useTab();
  if (entries === undefined) return <Skeleton label="Reading the history" />;
  if (entries.length === 0 && !searched) {
    return (
      <EmptyState
        icon={IconHistory}
        title="Nothing was run here yet"
        text="Every statement that you run is kept here, sealed, on this device only."
      />
    );
  }
  return (
    <>
      <VirtualList
        label="History"
        items={entries}
        rowHeight={46}
        keyOf={({ id }) => id}
        textOf={(entry) => entry.text}
        onChoose={choose}
        onOpen={(entry) => tab.editor?.insert(entry.text)}
        empty="Nothing that was run matches."
        render={(entry) => <EntryView entry={entry} />}
      />
      {more && (
        <Button size="compact-xs" variant="subtle" className={style['older'] ?? ''} onClick={older}>
          Older ones
        </Button>
      )}
    </>
  );
}

const words: Readonly<Record<Entry['state'], string>> = {
  running: 'running',
  ok: '',
  error: 'error',
  denied: 'denied',
  cancelled: 'cancelled',
  interrupted: 'interrupted',
};

function EntryView({ entry }: { readonly entry: Entry }) {
  const { at, connection, principal, text, state, durationMs, rows } = entry;
  return (
    <span className={style['entry']}>
      <code>
        <VisibleText text={text.slice(0, 200).replaceAll(/\s+/g, ' ')} />
      </code>
      <span className={style['meta']}>
        <Time at={at} short />
        {words[state] !== '' && <b data-state={state}>{words[state]}</b>}
        <span>
          <VisibleText text={`${principal} › ${connection}`} />
        </span>
        {durationMs !== undefined && <span>{durationText(durationMs)}</span>}
        {rows !== undefined && <span>{rows.toLocaleString()} rows</span>}
      </span>
    </span>
  );
}

function Chosen({ entry }: { readonly entry: Entry }) {
  const tab = useTab();
  const chain = useLine(entry.session);
  const { session, text, error } = entry;
  return (
    <div className={style['chosen']}>
      {chain !== undefined && <Line chain={chain} connection={entry.connection} />}
      <pre tabIndex={0} role="group" aria-label="Text">
        <VisibleText text={text.slice(0, 5000)} lines />
      </pre>
      {error !== undefined && (
        <p className={style['error']}>
          <VisibleText text={error} />
        </p>
      )}
      <div className={style['acts']}>
        <Button size="compact-xs" onClick={() => tab.editor?.insert(text)}>
          Insert
        </Button>
        <Button size="compact-xs" variant="default" onClick={() => void tab.runPiece({ text, start: -1 })}>
          Run again
        </Button>
        {session !== undefined && (
          <Button
            size="compact-xs"
            variant="default"
            onClick={() => workbench().openTab('session', { id: session })}
          >
            Session
          </Button>
        )}
        <CopyButton text={text} label="Copy the text" />
      </div>
    </div>
  );
}

/** Reads the history as it is searched, and again when something was run. */
function useHistory(text: string, connection: string | undefined) {
  const [entries, setEntries] = useState<readonly Entry[]>();
  const [more, setMore] = useState(false);
  const [problem, setProblem] = useState<BridgeError>();
  const [attempt, setAttempt] = useState(0);
  const finished = useTabState(({ runs }) => runs.filter(({ run }) => isOver(run)).length + runs.length);
  const number = useRef(0);
  const filter = { text, ...(connection === undefined || connection === '' ? {} : { connection }) };
  useEffect(() => {
    const mine = ++number.current;
    const timer = setTimeout(
      () =>
        void call('history.list', { ...filter, count: pageEntries }).then(
          (list) => {
            if (mine !== number.current) return;
            setEntries(list);
            setMore(list.length === pageEntries);
            setProblem(undefined);
          },
          (cause: unknown) => {
            if (mine === number.current) setProblem(failureOf(cause));
          },
        ),
      text === '' ? 0 : typingMs,
    );
    return () => clearTimeout(timer);
    // The filter is made of these two.
  }, [text, connection, attempt, finished]);
  const older = () => {
    const last = entries?.at(-1);
    if (last === undefined) return;
    const mine = number.current;
    call('history.list', { ...filter, before: last.id, count: pageEntries }).then(
      (list) => {
        if (mine !== number.current) return;
        setEntries([...(entries ?? []), ...list]);
        setMore(list.length === pageEntries);
      },
      (cause: unknown) => setProblem(failureOf(cause)),
    );
  };
  return { entries, more, problem, older, again: () => setAttempt(attempt + 1) };
}
