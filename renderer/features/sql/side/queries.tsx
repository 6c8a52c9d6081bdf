import { Button, TextInput } from '@mantine/core';
import { IconSearch, IconStar } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import type { BridgeError, SavedQuery } from '../../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../../bridge/index.js';
import { chordText } from '../../../ui/chords.js';
import { EmptyState } from '../../../ui/empty-state.js';
import { ErrorState } from '../../../ui/error-state.js';
import { Skeleton } from '../../../ui/skeleton.js';
import { bytesText, Time } from '../../../ui/time.js';
import { VirtualList } from '../../../ui/virtual-list.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { workbench } from '../../../ui/workbench.js';
import { useTab, useTabState } from '../context.js';
import style from './side.module.css';

/** Queries that were saved, as files of their own. */
export function QueriesPanel() {
  const tab = useTab();
  const [list, setList] = useState<{ readonly directory: string; readonly queries: readonly SavedQuery[] }>();
  const [problem, setProblem] = useState<BridgeError>();
  const [wanted, setWanted] = useState('');
  const [chosen, setChosen] = useState<string>();
  const saved = useTabState(({ query, unsaved }) => `${query ?? ''} ${unsaved}`);
  const read = useCallback(
    () => void call('queries.list', {}).then(setList, (cause: unknown) => setProblem(failureOf(cause))),
    [],
  );
  // What was saved in this tab is in the list at once.
  useEffect(read, [read, saved]);
  if (list === undefined) {
    return problem === undefined ? (
      <Skeleton label="Reading the saved queries" />
    ) : (
      <ErrorState error={problem} retry={read} />
    );
  }
  if (list.queries.length === 0) {
    return (
      <EmptyState
        icon={IconStar}
        title="No query is saved yet"
        text={`${chordText('Mod+S')} saves the text of a tab as a file.`}
        command={list.directory}
      />
    );
  }
  const text = wanted.trim().toLowerCase();
  const shown = list.queries.filter(({ name }) => name.toLowerCase().includes(text));
  const current = list.queries.find(({ name }) => name === chosen);
  const { connection } = tab.state.getState();
  const open = ({ name }: SavedQuery) => workbench().openTab('sql', { connection, query: name });
  return (
    <>
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow'] ?? ''}
          placeholder="Filter by name"
          aria-label="Filter saved queries"
          leftSection={<IconSearch size={13} aria-hidden />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
      </div>
      {problem !== undefined && <ErrorState compact error={problem} />}
      <VirtualList
        label="Saved queries"
        items={shown}
        rowHeight={40}
        keyOf={({ name }) => name}
        textOf={({ name }) => name}
        onChoose={({ name }) => setChosen(name)}
        onOpen={open}
        empty="No saved query matches."
        render={({ name, bytes, changedAt }) => (
          <span className={style['entry']}>
            <span>
              <VisibleText text={name} />
            </span>
            <span className={style['meta']}>
              <Time at={changedAt} short /> <span>{bytesText(bytes)}</span>
            </span>
          </span>
        )}
      />
      {current !== undefined && (
        <Acts
          key={current.name}
          query={current}
          open={() => open(current)}
          changed={read}
          failed={setProblem}
        />
      )}
      <p className={style['note']} title={list.directory}>
        In <VisibleText text={list.directory} />
      </p>
    </>
  );
}

function Acts({
  query: { name },
  open,
  changed,
  failed,
}: {
  readonly query: SavedQuery;
  readonly open: () => void;
  readonly changed: () => void;
  readonly failed: (problem: BridgeError | undefined) => void;
}) {
  const tab = useTab();
  const [next, setNext] = useState<string>();
  const act = async (what: () => Promise<void>) => {
    try {
      await what();
      failed(undefined);
    } catch (cause) {
      failed(failureOf(cause));
    }
    changed();
  };
  const insert = () => act(async () => tab.editor?.insert((await call('queries.read', { name })).text));
  const rename = (to: string) =>
    act(async () => {
      const { text } = await call('queries.read', { name });
      // The old file goes only once the new one is there.
      await call('queries.write', { name: to, text, replace: false });
      await call('queries.remove', { name });
      setNext(undefined);
      if (tab.state.getState().query === name) tab.renamed(to);
    });
  const remove = async () => {
    const sure = await workbench().confirm({
      title: `Delete ${name}`,
      text: 'The file of this query is deleted.',
      button: 'Delete',
      danger: true,
    });
    if (sure !== undefined) await act(async () => void (await call('queries.remove', { name })));
  };
  if (next !== undefined) {
    return (
      <form
        className={style['acts']}
        onSubmit={(event) => {
          event.preventDefault();
          if (next.trim() !== '' && next.trim() !== name) void rename(next.trim());
        }}
      >
        <TextInput
          size="xs"
          className={style['grow'] ?? ''}
          aria-label="New name"
          value={next}
          maxLength={120}
          autoFocus
          onChange={(event) => setNext(event.currentTarget.value)}
        />
        <Button size="compact-xs" type="submit">
          Rename
        </Button>
        <Button size="compact-xs" variant="default" onClick={() => setNext(undefined)}>
          Cancel
        </Button>
      </form>
    );
  }
  return (
    <div className={style['acts']}>
      <Button size="compact-xs" onClick={open}>
        Open
      </Button>
      <Button size="compact-xs" variant="default" onClick={() => void insert()}>
        Insert
      </Button>
      <Button size="compact-xs" variant="default" onClick={() => setNext(name)}>
        Rename
      </Button>
      <Button size="compact-xs" variant="subtle" color="red" onClick={() => void remove()}>
        Delete
      </Button>
    </div>
  );
}
