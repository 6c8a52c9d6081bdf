import { Modal, TextInput } from '@mantine/core';
import { IconChevronRight, IconSearch } from '@tabler/icons-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { create } from 'zustand';
import { chordText } from '../ui/chords.js';
import { VisibleText } from '../ui/visible-text.js';
import { mayUse, type PaletteEntry, useRegistered } from '../ui/workbench.js';
import style from './app.module.css';
import { score } from './fuzzy.js';
import { chordFor } from './shortcuts.js';

const usePalette = create<{ readonly text: string | undefined }>(() => ({ text: undefined }));

export function openPalette(text = ''): void {
  usePalette.setState({ text });
}

type Entry = PaletteEntry & { readonly keys?: string };
const entriesMax = 60;

/** Reaches everything: commands, and whatever the features find for what is typed. */
export function Palette() {
  const text = usePalette((state) => state.text);
  if (text === undefined) return null;
  return <Open start={text} close={() => usePalette.setState({ text: undefined })} />;
}

function Open({ start, close }: { readonly start: string; readonly close: () => void }) {
  const [text, setText] = useState(start);
  const [at, setAt] = useState(0);
  const entries = useEntries(text);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => setAt(0), [text]);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  const run = (entry: Entry | undefined, second: boolean) => {
    if (entry === undefined || (second && entry.second === undefined)) return;
    close();
    // The dialog gives the focus back first: what runs now may take it.
    setTimeout(() => (second ? entry.second?.run() : entry.run()), 0);
  };
  const chosen = entries[at];
  return (
    <Modal.Root opened onClose={close} size={640} yOffset="10vh" transitionProps={{ duration: 0 }}>
      <Modal.Overlay />
      <Modal.Content aria-label="Command palette">
        <div className={style['palette']}>
          <TextInput
            variant="unstyled"
            size="md"
            px={12}
            // At once: who types on must not lose a letter.
            autoFocus
            data-autofocus
            placeholder="Command, connection, session, person"
            aria-label="Search commands, connections, sessions"
            role="combobox"
            aria-expanded
            aria-controls="palette-list"
            aria-activedescendant={chosen === undefined ? undefined : `palette-${at}`}
            leftSection={<IconSearch size={16} aria-hidden />}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            onKeyDown={(event) => {
              const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10 }[
                event.key
              ];
              if (to !== undefined) setAt(Math.min(Math.max(to, 0), entries.length - 1));
              else if (event.key === 'Enter') run(chosen, event.ctrlKey || event.metaKey);
              else return;
              event.preventDefault();
              event.stopPropagation();
            }}
          />
          <div ref={list} id="palette-list" className={style['entries']} role="listbox" aria-label="Found">
            {entries.length === 0 && <p className={style['nothing']}>Nothing is called so.</p>}
            {entries.map((entry, index) => (
              <Row
                key={`${entry.group} ${entry.id}`}
                entry={entry}
                index={index}
                chosen={index === at}
                first={entries[index - 1]?.group !== entry.group}
                run={(second) => run(entry, second)}
              />
            ))}
          </div>
          {chosen?.second !== undefined && (
            <p className={style['second']}>
              <kbd>{chordText('Mod+Enter')}</kbd> {chosen.second.title}
            </p>
          )}
        </div>
      </Modal.Content>
    </Modal.Root>
  );
}

function Row({
  entry,
  index,
  chosen,
  first,
  run,
}: {
  readonly entry: Entry;
  readonly index: number;
  readonly chosen: boolean;
  readonly first: boolean;
  readonly run: (second: boolean) => void;
}) {
  const Sign = entry.icon ?? IconChevronRight;
  return (
    <>
      {first && (
        <div className={style['group']} role="presentation">
          {entry.group}
        </div>
      )}
      <div
        id={`palette-${index}`}
        role="option"
        tabIndex={-1}
        aria-selected={chosen}
        className={style['entry']}
        onMouseDown={(event) => {
          event.preventDefault();
          run(event.ctrlKey || event.metaKey);
        }}
      >
        <Sign size={15} />
        <span className={style['entryTitle']}>
          <VisibleText text={entry.title} />
        </span>
        {entry.detail !== undefined && (
          <span className={style['entryDetail']}>
            <VisibleText text={entry.detail} />
          </span>
        )}
        {entry.keys !== undefined && <kbd className="tl-keys">{entry.keys}</kbd>}
      </div>
    </>
  );
}

function useEntries(text: string): readonly Entry[] {
  const commands = useRegistered((state) => state.commands);
  const features = useRegistered((state) => state.features);
  const [found, setFound] = useState<{ readonly text: string; readonly entries: readonly Entry[] }>({
    text: '',
    entries: [],
  });
  const onlyCommands = text.startsWith('>');
  const wanted = onlyCommands ? text.slice(1).trim() : text.trim();
  useEffect(() => {
    let gone = false;
    setFound({ text: wanted, entries: [] });
    if (onlyCommands) return undefined;
    for (const { palette } of features) {
      palette?.(wanted).then(
        (entries) => {
          if (!gone) setFound((before) => ({ text: wanted, entries: [...before.entries, ...entries] }));
        },
        // A feature that finds nothing because the gateway is away must not take the commands with it.
        () => undefined,
      );
    }
    return () => {
      gone = true;
    };
  }, [wanted, onlyCommands, features]);
  return useMemo(() => {
    const own = [...commands.values()]
      .filter((command) => mayUse(command) && command.when?.() !== false)
      .map((command) => {
        const keys = chordFor(command);
        return { ...command, group: command.group, ...(keys === '' ? {} : { keys: chordText(keys) }) };
      })
      .map((entry) => ({ entry, points: score(wanted, `${entry.group} ${entry.title}`) }))
      .filter(({ points }) => points !== undefined)
      .sort((a, b) => (b.points ?? 0) - (a.points ?? 0))
      .map(({ entry }) => ({
        id: entry.id,
        title: entry.title,
        group: entry.group,
        run: entry.run,
        ...('keys' in entry && entry.keys !== undefined ? { keys: entry.keys } : {}),
      }));
    const grouped = wanted === '' ? own.sort((a, b) => a.group.localeCompare(b.group)) : own;
    return [...(found.text === wanted ? found.entries : []), ...grouped].slice(0, entriesMax);
  }, [commands, found, wanted]);
}
