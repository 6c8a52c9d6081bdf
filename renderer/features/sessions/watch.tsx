import { Alert, Button, Select, Text } from '@mantine/core';
import { IconPlayerPlay, IconRefresh } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import { ErrorState } from '../../ui/error-state.js';
import replayStyle from '../../ui/replay/replay.module.css';
import { VisibleText, visibleText } from '../../ui/visible-text.js';
import style from './sessions.module.css';
import { type Shown, WatchModel, type WatchState } from './watch-model.js';

/** A session's terminals as they are worked in, to be looked at only. Whose session it is, is told for as long. */
export function WatchLive({
  session,
  person,
  onReplay,
}: {
  readonly session: SessionId;
  /** Whose session it is; undefined where it is one's own. */
  readonly person: string | undefined;
  readonly onReplay: () => void;
}) {
  const [round, setRound] = useState(0);
  const [model, setModel] = useState<WatchModel>();
  useEffect(() => {
    const opened = new WatchModel(session);
    setModel(opened);
    return () => opened.close();
  }, [session, round]);
  if (model === undefined) return null;
  return <Watched model={model} person={person} onReplay={onReplay} again={() => setRound(round + 1)} />;
}

function Watched({
  model,
  person,
  onReplay,
  again,
}: {
  readonly model: WatchModel;
  readonly person: string | undefined;
  readonly onReplay: () => void;
  readonly again: () => void;
}) {
  const state = model.use();
  const shown = state.chosen === undefined ? undefined : state.shown.get(state.chosen);
  const isLost = state.state === 'over' && !state.ended && state.why !== 'session-ended';
  return (
    <section className={replayStyle['replay']} aria-label="Live view">
      <div className={style['watchBar']}>
        <span role="status" className={style['watchState']} data-live={state.state === 'watching'}>
          {wordOf(state)}
        </span>
        <Choice model={model} state={state} />
        <Text size="xs" c="dimmed">
          {person === undefined ? (
            'Read-only: a session of your own.'
          ) : (
            <>
              Read-only. <VisibleText text={person} lines={false} /> is told that you watch.
            </>
          )}
        </Text>
        {state.state === 'over' && (
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<IconPlayerPlay size={13} />}
            onClick={onReplay}
          >
            Replay it
          </Button>
        )}
      </div>
      {state.missed > 0 && (
        <Alert color="yellow" p="xs" role="status">
          More came than could be shown: some of it was left out here. It is in the recording.
        </Alert>
      )}
      {shown?.whole === false && (
        <Alert color="yellow" p="xs" role="status">
          What this terminal showed before may be missing until its program paints it anew.
        </Alert>
      )}
      {isLost && <Lost state={state} again={again} />}
      {shown === undefined ? (
        <Text size="sm" c="dimmed" p="md">
          {state.state === 'over' ? 'Nothing was shown.' : 'No terminal is open in this session right now.'}
        </Text>
      ) : shown.kind === 'output' ? (
        <pre className={style['watchOutput']} tabIndex={0} role="group" aria-label="What the program says">
          <VisibleText text={shown.output} lines={false} />
        </pre>
      ) : (
        <LiveTerminal key={shown.seq} model={model} seq={shown.seq} />
      )}
    </section>
  );
}

function Choice({ model, state }: { readonly model: WatchModel; readonly state: WatchState }) {
  if (state.shown.size < 2) return null;
  return (
    <Select
      size="xs"
      w={280}
      aria-label="Which terminal"
      allowDeselect={false}
      value={String(state.chosen)}
      data={[...state.shown.values()].map((each) => ({ value: String(each.seq), label: nameOf(each) }))}
      onChange={(value) => model.choose(Number(value))}
    />
  );
}

function Lost({ state, again }: { readonly state: WatchState; readonly again: () => void }) {
  if (state.problem !== undefined) return <ErrorState compact error={state.problem} retry={again} />;
  if (state.why === 'rights')
    return (
      <ErrorState
        compact
        error={{
          code: 'denied',
          message: 'you may not watch this session any more',
          action: 'a policy or a connection was changed: ask an admin',
        }}
      />
    );
  return (
    <Alert color="yellow" p="xs">
      The gateway shows nothing more of it.{' '}
      <Button size="compact-xs" variant="default" leftSection={<IconRefresh size={13} />} onClick={again}>
        Watch again
      </Button>
    </Alert>
  );
}

function LiveTerminal({ model, seq }: { readonly model: WatchModel; readonly seq: number }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const terminal = model.terminal(seq);
    if (place.current === null || terminal === undefined) return undefined;
    // Opened once; then its element moves with it.
    if (terminal.element === undefined) terminal.open(place.current);
    else place.current.append(terminal.element);
    const { element } = terminal;
    return () => element?.remove();
  }, [model, seq]);
  return (
    <div
      ref={place}
      className={replayStyle['terminal']}
      tabIndex={0}
      role="group"
      aria-label="The live terminal"
    />
  );
}

function wordOf({ state, ended, why, missed }: WatchState): string {
  if (ended || why === 'session-ended') return 'The session ended';
  if (state === 'over') return 'Not watched any more';
  if (state === 'connecting') return missed > 0 ? 'Connecting again…' : 'Connecting…';
  return 'Live';
}

function nameOf({ text, kind, outcome }: Shown): string {
  const name = text === '' ? (kind === 'terminal' ? 'shell' : 'program') : visibleText(text, 60);
  return outcome === undefined ? name : `${name} (${outcome})`;
}
