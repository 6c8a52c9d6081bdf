import { Button, Text } from '@mantine/core';
import { useState } from 'react';
import { prefer, useKnown } from '../../ui/app-state.js';
import { chordOf, chordText, normalChord } from '../../ui/chords.js';
import { type Command, mayUse, useRegistered } from '../../ui/workbench.js';
import style from './settings.module.css';

/** Every command with its keys; a click and the next keys change them. */
export function Shortcuts() {
  const commands = useRegistered((state) => state.commands);
  const own = useKnown(({ preferences }) => preferences.shortcuts);
  const [editing, setEditing] = useState<string>();
  const [clash, setClash] = useState<string>();
  const keysOf = ({ id, shortcut }: Command) => normalChord(own[id] ?? shortcut ?? '');
  const all = [...commands.values()]
    .filter(mayUse)
    .sort((a, b) => a.group.localeCompare(b.group) || a.title.localeCompare(b.title));
  const set = (id: string, keys: string) => {
    const other = keys === '' ? undefined : all.find((each) => each.id !== id && keysOf(each) === keys);
    if (other !== undefined) return setClash(`${chordText(keys)} is taken by “${other.title}”.`);
    setClash(undefined);
    setEditing(undefined);
    return void prefer({ shortcuts: { ...own, [id]: keys } });
  };
  return (
    <section aria-label="Shortcuts">
      <h2>Shortcuts</h2>
      {clash !== undefined && (
        <Text size="sm" c="red" role="alert">
          {clash}
        </Text>
      )}
      <div className={style['shortcuts']}>
        {all.map((command) => {
          const keys = keysOf(command);
          return (
            <div key={command.id} className={style['shortcut']}>
              <span>
                <span className={style['group']}>{command.group}</span> {command.title}
              </span>
              <button
                type="button"
                className={style['keys']}
                aria-label={`Keys of ${command.title}: ${keys === '' ? 'none' : chordText(keys)}`}
                onClick={() => setEditing(command.id)}
                onBlur={() => setEditing(undefined)}
                onKeyDown={(event) => {
                  if (editing !== command.id) return;
                  event.preventDefault();
                  event.stopPropagation();
                  if (event.key === 'Escape') return setEditing(undefined);
                  if (event.key === 'Backspace' || event.key === 'Delete') return set(command.id, '');
                  const chord = chordOf(event.nativeEvent);
                  if (chord !== undefined && /^(Mod|Ctrl|Alt)\+|^F\d/.test(chord)) set(command.id, chord);
                }}
              >
                {editing === command.id
                  ? 'Press keys; Backspace removes'
                  : keys === ''
                    ? '–'
                    : chordText(keys)}
              </button>
              {own[command.id] !== undefined && (
                <Button
                  size="compact-xs"
                  variant="subtle"
                  onClick={() => {
                    const { [command.id]: _, ...rest } = own;
                    void prefer({ shortcuts: rest });
                  }}
                >
                  Reset
                </Button>
              )}
            </div>
          );
        })}
      </div>
    </section>
  );
}
