import { NumberInput, Select, Switch } from '@mantine/core';
import { type Preferences, terminalThemes } from '../../../gateway-core/contract/bridge/app.js';
import { prefer, useKnown } from '../../ui/app-state.js';
import { Part, Setting } from './parts.js';

const themes: Readonly<Record<Preferences['terminalTheme'], string>> = {
  app: 'Like the app',
  slate: 'Slate (dark)',
  paper: 'Paper (light)',
  solarized: 'Solarized (dark)',
  contrast: 'High contrast',
};

/** How terminals look and behave. */
export function Terminal() {
  const preferences = useKnown((known) => known.preferences);
  return (
    <Part title="Terminal">
      <Setting label="Colours of terminals">
        <Select
          size="xs"
          w={170}
          aria-label="Colours of terminals"
          allowDeselect={false}
          data={terminalThemes.map((value) => ({ value, label: themes[value] }))}
          value={preferences.terminalTheme}
          onChange={(name) => {
            const theme = terminalThemes.find((each) => each === name);
            if (theme !== undefined) void prefer({ terminalTheme: theme });
          }}
        />
      </Setting>
      <Setting label="Size of text in terminals">
        <NumberInput
          size="xs"
          w={100}
          aria-label="Size of text in terminals"
          min={8}
          max={40}
          value={preferences.terminalFontSize}
          onChange={(size) => {
            if (typeof size === 'number' && size >= 8 && size <= 40)
              void prefer({ terminalFontSize: Math.round(size) });
          }}
        />
      </Setting>
      <Setting label="Lines of scrollback" hint="Kept in memory for each terminal.">
        <NumberInput
          size="xs"
          w={130}
          aria-label="Lines of scrollback"
          min={0}
          max={200_000}
          thousandSeparator
          value={preferences.terminalScrollback}
          onChange={(lines) => {
            if (typeof lines === 'number' && lines >= 0 && lines <= 200_000)
              void prefer({ terminalScrollback: Math.round(lines) });
          }}
        />
      </Setting>
      <Toggle name="terminalCopyOnSelect" label="Copy what is selected at once" />
      <Toggle name="terminalBell" label="Show the bell" hint="A frame lights up; nothing is heard." />
      <Toggle
        name="terminalScreenReader"
        label="For screen readers"
        hint="What terminals show is there as text, too. Slower."
      />
    </Part>
  );
}

function Toggle({
  name,
  label,
  hint,
}: {
  readonly name: 'terminalCopyOnSelect' | 'terminalBell' | 'terminalScreenReader';
  readonly label: string;
  readonly hint?: string;
}) {
  const on = useKnown((known) => known.preferences[name]);
  return (
    <Setting label={label} {...(hint === undefined ? {} : { hint })}>
      <Switch
        size="xs"
        aria-label={label}
        checked={on}
        onChange={(event) => void prefer({ [name]: event.currentTarget.checked })}
      />
    </Setting>
  );
}
