import { ActionIcon, Alert, Button, Select, Switch, Text, TextInput, Tooltip } from '@mantine/core';
import {
  IconChevronDown,
  IconChevronUp,
  IconPlayerPauseFilled,
  IconPlayerPlayFilled,
  IconRefresh,
  IconSearch,
} from '@tabler/icons-react';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { ReplayHead } from '../../../gateway-core/contract/bridge/work.js';
import { lastAtOrBefore } from '../../../gateway-core/contract/replay-time.js';
import { terminalOf } from '../../../gateway-core/contract/terminal-replay.js';
import { call, failureOf } from '../../bridge/index.js';
import { ErrorState } from '../error-state.js';
import { Skeleton } from '../skeleton.js';
import { durationText } from '../time.js';
import { ReplayPages } from './pages.js';
import { endOf, type Player, speeds, usePlayer } from './player.js';
import style from './replay.module.css';
import { ReplayScreen } from './screen.js';
import { ReplayTerminalView } from './terminal.js';

/** Opens a recording, wherever it lies, and plays it. `open` stays the same while the recording does. */
export function Replay({
  open,
  seq,
  onStatement,
}: {
  readonly open: () => Promise<ReplayHead>;
  /** Where to begin: the statement that was chosen. */
  readonly seq: number | undefined;
  readonly onStatement: (seq: number) => void;
}) {
  const [head, setHead] = useState<ReplayHead>();
  const [problem, setProblem] = useState<BridgeError>();
  const [round, setRound] = useState(0);
  useEffect(() => {
    let opened: string | undefined;
    let gone = false;
    const close = (replay: string) => void call('replay.close', { replay }).catch(() => undefined);
    open().then(
      (found) => {
        if (gone) return close(found.replay);
        opened = found.replay;
        setHead(found);
        setProblem(undefined);
      },
      (cause: unknown) => setProblem(failureOf(cause)),
    );
    return () => {
      gone = true;
      if (opened !== undefined) close(opened);
    };
  }, [open, round]);

  if (problem !== undefined) {
    return <ErrorState error={problem} retry={() => setRound(round + 1)} />;
  }
  if (head === undefined) return <Skeleton label="Reading the recording" />;
  return (
    <Playing
      key={head.replay}
      head={head}
      seq={seq}
      onStatement={onStatement}
      reopen={() => setRound(round + 1)}
    />
  );
}

function Playing({
  head,
  seq,
  onStatement,
  reopen,
}: {
  readonly head: ReplayHead;
  readonly seq: number | undefined;
  readonly onStatement: (seq: number) => void;
  readonly reopen: () => void;
}) {
  const player = usePlayer(head, seq);
  const pages = useMemo(
    () =>
      new ReplayPages(head.items, async (from, count) => {
        const { items } = await call('replay.items', { replay: head.replay, from, count });
        return items;
      }),
    [head],
  );
  const times = useMemo(() => head.statements.map((each) => each.atMs), [head]);
  const index = lastAtOrBefore(times, player.atMs);
  const current = head.statements[index];
  const { seek } = player;
  const terminal = current && terminalOf(head.terminals, current);

  // The list beside it and the replay show the same statement, whoever moved.
  const told = useRef(seq);
  useEffect(() => {
    if (current === undefined || told.current === current.seq) return;
    told.current = current.seq;
    onStatement(current.seq);
  }, [current, onStatement]);
  useEffect(() => {
    if (seq === undefined || told.current === seq) return;
    told.current = seq;
    const end = endOf(head, seq);
    if (end !== undefined) seek(end);
  }, [seq, head, seek]);

  const step = (by: number) => {
    const next = head.statements[Math.min(Math.max(index + by, 0), head.statements.length - 1)];
    if (next !== undefined) seek(next.atMs);
  };
  if (head.items === 0 || head.statements.length === 0) {
    return (
      <Text size="sm" c="dimmed" p="md">
        The recording of this session holds no statement yet.
      </Text>
    );
  }
  return (
    <section
      className={style['replay']}
      aria-label="Replay"
      onKeyDown={(event) => {
        if (event.target instanceof HTMLInputElement && event.target.type === 'text') return;
        const act = {
          ' ': () => player.toggle(),
          ArrowRight: () => step(1),
          ArrowLeft: () => step(-1),
        }[event.key];
        if (act === undefined) return;
        event.preventDefault();
        act();
      }}
    >
      <Problems head={head} reopen={reopen} />
      {terminal === undefined ? (
        <ReplayScreen
          pages={pages}
          from={current?.item ?? 0}
          to={head.statements[index + 1]?.item ?? head.items}
          atMs={player.atMs}
          statement={current}
        />
      ) : (
        <ReplayTerminalView
          key={terminal.seq}
          pages={pages}
          terminal={terminal}
          atMs={player.atMs}
          statement={current}
        />
      )}
      <ReplayBar head={head} player={player} step={step} pages={pages} />
    </section>
  );
}

function Problems({ head, reopen }: { readonly head: ReplayHead; readonly reopen: () => void }) {
  const { problems, cut, live } = head;
  return (
    <>
      {problems.length > 0 && (
        <Alert color="red" title="The recording is not whole" p="xs">
          {problems.map(({ code, text }) => (
            <Text size="sm" key={`${code} ${text}`}>
              {text}
            </Text>
          ))}
        </Alert>
      )}
      {cut && (
        <Alert color="yellow" p="xs">
          This recording is longer than a replay can hold: its end is left out here.
        </Alert>
      )}
      {live && (
        <Alert color="blue" p="xs">
          <span className={style['live']}>
            This session still runs; the replay shows it up to the moment of opening.
            <Button
              size="compact-xs"
              variant="default"
              leftSection={<IconRefresh size={14} />}
              onClick={reopen}
            >
              Read again
            </Button>
          </span>
        </Alert>
      )}
    </>
  );
}

function ReplayBar({
  head,
  player,
  step,
  pages,
}: {
  readonly head: ReplayHead;
  readonly player: Player;
  readonly step: (by: number) => void;
  readonly pages: ReplayPages;
}) {
  const { playing, speed, skipIdle, atMs } = player;
  return (
    <div className={style['replayBar']}>
      <Tooltip label={playing ? 'Pause (Space)' : 'Play (Space)'}>
        <ActionIcon
          variant="filled"
          size="md"
          aria-label={playing ? 'Pause' : 'Play'}
          onClick={() => player.toggle()}
        >
          {playing ? <IconPlayerPauseFilled size={16} /> : <IconPlayerPlayFilled size={16} />}
        </ActionIcon>
      </Tooltip>
      <ActionIcon variant="subtle" color="gray" aria-label="Statement before" onClick={() => step(-1)}>
        <IconChevronUp size={16} />
      </ActionIcon>
      <ActionIcon variant="subtle" color="gray" aria-label="Next statement" onClick={() => step(1)}>
        <IconChevronDown size={16} />
      </ActionIcon>
      <span className={style['clock']}>
        {durationText(atMs)} <span aria-hidden>/</span> {durationText(head.durationMs)}
      </span>
      <Track head={head} player={player} />
      <Select
        size="xs"
        w={76}
        aria-label="Speed"
        allowDeselect={false}
        value={String(speed)}
        data={speeds.map((each) => ({ value: String(each), label: `${each} ×` }))}
        onChange={(value) => player.setSpeed(Number(value ?? 1))}
      />
      <Switch
        size="xs"
        label="Skip idle"
        checked={skipIdle}
        onChange={(event) => player.setSkipIdle(event.currentTarget.checked)}
      />
      <Find head={head} player={player} pages={pages} />
    </div>
  );
}

/** The bar: a range input for hands and keys, a mark for every statement below it. */
function Track({ head, player }: { readonly head: ReplayHead; readonly player: Player }) {
  const steps = 10_000;
  const { shareOf } = player;
  const marks = useMemo(() => {
    // Marks closer than a screen's pixel are one; what was not allowed is never hidden by what was.
    const seen = new Map<number, { share: number; bad: boolean; title: string }>();
    for (const { atMs, decision, error, text } of head.statements) {
      const share = shareOf(atMs);
      const bad = (decision !== 'allowed' && decision !== 'approved') || error !== undefined;
      const place = Math.round(share * 1000);
      if (bad || !seen.has(place)) seen.set(place, { share, bad, title: text.slice(0, 120) });
    }
    return [...seen.values()];
    // Places change with the timeline only, not with its head.
  }, [head, shareOf]);
  return (
    <div className={style['track']}>
      <div className={style['marks']} aria-hidden>
        {marks.map(({ share, bad, title }) => (
          <span key={share} data-bad={bad} style={{ left: `${share * 100}%` }} title={title} />
        ))}
      </div>
      <input
        type="range"
        min={0}
        max={steps}
        value={Math.round(player.share * steps)}
        aria-label="Position"
        aria-valuetext={`${durationText(player.atMs)} of ${durationText(head.durationMs)}`}
        onChange={(event) => player.seekShare(Number(event.currentTarget.value) / steps)}
      />
    </div>
  );
}

function Find({
  head,
  player,
  pages,
}: {
  readonly head: ReplayHead;
  readonly player: Player;
  readonly pages: ReplayPages;
}) {
  const [text, setText] = useState('');
  const [found, setFound] = useState<{
    readonly text: string;
    readonly items: readonly number[];
    readonly at: number;
  }>();
  const { seek } = player;
  const show = useCallback(
    async (item: number) => {
      const [hit] = await pages.range(item, item + 1);
      if (hit !== undefined && 'atMs' in hit) seek(hit.atMs);
    },
    [pages, seek],
  );
  const go = async (by: number) => {
    const wanted = text.trim();
    if (wanted === '') return;
    const known =
      found?.text === wanted
        ? found
        : {
            text: wanted,
            at: -1,
            items: (await call('replay.find', { replay: head.replay, text: wanted })).items,
          };
    const count = known.items.length;
    const at = count === 0 ? -1 : (known.at + by + count) % count;
    setFound({ ...known, at });
    const item = known.items[at];
    if (item !== undefined) await show(item);
  };
  return (
    <TextInput
      size="xs"
      w={200}
      placeholder="Find in the replay"
      aria-label="Find in the replay"
      leftSection={<IconSearch size={14} aria-hidden />}
      rightSectionWidth={56}
      rightSection={
        found !== undefined && found.text === text.trim() ? (
          <Text size="xs" c="dimmed" role="status">
            {found.items.length === 0 ? 'none' : `${found.at + 1}/${found.items.length}`}
          </Text>
        ) : null
      }
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') void go(event.shiftKey ? -1 : 1).catch(() => setFound(undefined));
      }}
    />
  );
}
