import { TextInput } from '@mantine/core';
import { IconChevronDown, IconChevronUp, IconLetterCase, IconRegex, IconX } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { IconButton } from '../../ui/icon-button.js';
import { useTerminal, useTerminalState } from './context.js';
import style from './terminal.module.css';

/** Finds in the scrollback: Enter goes up, as the newest is what one looks for; Shift+Enter goes down. */
export function FindBar() {
  const open = useTerminalState((state) => state.find);
  return open ? <Bar /> : null;
}

function Bar() {
  const tab = useTerminal();
  const found = useTerminalState((state) => state.found);
  const [text, setText] = useState(() => firstLine(tab.screen?.selection ?? ''));
  const [caseSensitive, setCaseSensitive] = useState(false);
  const [regex, setRegex] = useState(false);
  const [wrong, setWrong] = useState(false);
  const go = (backwards: boolean, incremental: boolean) => {
    if (text === '') return tab.screen?.endFind();
    const usable = !regex || isRegex(text);
    setWrong(!usable);
    if (usable) tab.screen?.find(text, { backwards, caseSensitive, regex, incremental });
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: looked for anew when one of these changes
  useEffect(() => go(true, true), [text, caseSensitive, regex]);
  return (
    <search className={style['find']} aria-label="Find in the terminal">
      <TextInput
        size="xs"
        aria-label="Find"
        placeholder="Find"
        autoFocus
        data-autofocus
        error={wrong}
        maxLength={1000}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === 'Enter') go(!event.shiftKey, false);
          else if (event.key === 'Escape') tab.showFind(false);
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      />
      <span className={style['count']} role="status">
        {text === '' ? '' : wrong ? 'no pattern' : countText(found)}
      </span>
      <IconButton
        label="Match case"
        icon={IconLetterCase}
        pressed={caseSensitive}
        run={() => setCaseSensitive(!caseSensitive)}
      />
      <IconButton label="Regular expression" icon={IconRegex} pressed={regex} run={() => setRegex(!regex)} />
      <IconButton label="Previous (Enter)" icon={IconChevronUp} run={() => go(true, false)} />
      <IconButton label="Next (Shift+Enter)" icon={IconChevronDown} run={() => go(false, false)} />
      <IconButton label="Close (Esc)" icon={IconX} run={() => tab.showFind(false)} />
    </search>
  );
}

function countText({ index, count }: { readonly index: number; readonly count: number }): string {
  if (count <= 0) return 'not found';
  return index < 0 ? `${count}` : `${index + 1} of ${count}`;
}

const firstLine = (text: string): string => text.split('\n')[0]?.slice(0, 200) ?? '';

function isRegex(text: string): boolean {
  try {
    return new RegExp(text) instanceof RegExp;
  } catch {
    return false;
  }
}
