import { Button, NumberInput, SegmentedControl, Switch, Text, TextInput } from '@mantine/core';
import { IconLogout } from '@tabler/icons-react';
import { call } from '../../bridge/index.js';
import { prefer, signedIn, useKnown } from '../../ui/app-state.js';
import { RecordingNoticeText } from '../../ui/recording-notice.js';
import { ShortId } from '../../ui/short-id.js';
import { workbench } from '../../ui/workbench.js';
import { Part, Setting } from './parts.js';
import style from './settings.module.css';
import { Shortcuts } from './shortcuts.js';
import { Terminal } from './terminal.js';

const storageWords = {
  keyring: 'the system’s keyring',
  file: 'a file, sealed by a key in a second file: weaker than a keyring, because both belong to you',
  memory: 'memory only: it ends with the app',
} as const;

/** Preferences, the recording notice, and what this app is. */
export function SettingsPage() {
  return (
    <div className={style['page']}>
      <Looks />
      <Sql />
      <Terminal />
      <Shortcuts />
      <Recorded />
      <About />
    </div>
  );
}

function Looks() {
  const preferences = useKnown((known) => known.preferences);
  return (
    <Part title="Appearance">
      <Setting label="Theme">
        <SegmentedControl
          size="xs"
          aria-label="Theme"
          value={preferences.theme}
          onChange={(theme) => void prefer({ theme })}
          data={[
            { value: 'system', label: 'System' },
            { value: 'dark', label: 'Dark' },
            { value: 'light', label: 'Light' },
          ]}
        />
      </Setting>
      <Setting label="Zoom" hint="80 to 200 percent">
        <NumberInput
          size="xs"
          w={100}
          aria-label="Zoom in percent"
          min={80}
          max={200}
          step={10}
          clampBehavior="strict"
          value={preferences.zoom}
          onChange={(zoom) => {
            if (typeof zoom === 'number' && zoom >= 80 && zoom <= 200)
              void prefer({ zoom: Math.round(zoom) });
          }}
        />
      </Setting>
      <AtLogin />
      <Setting label="Less motion">
        <Switch
          size="xs"
          aria-label="Less motion"
          checked={preferences.reducedMotion}
          onChange={(event) => void prefer({ reducedMotion: event.currentTarget.checked })}
        />
      </Setting>
    </Part>
  );
}

/** Only where the app stands for itself: the browser host is started from a terminal. */
function AtLogin() {
  const wanted = useKnown((known) => known.preferences.startAtLogin);
  const host = useKnown((known) => known.app?.host);
  if (host !== 'electron') return null;
  return (
    <Setting label="Start when I sign in" hint="Tunnels and recording in the background, without a window">
      <Switch
        size="xs"
        aria-label="Start when I sign in"
        checked={wanted}
        onChange={(event) => void prefer({ startAtLogin: event.currentTarget.checked })}
      />
    </Setting>
  );
}

function Sql() {
  const preferences = useKnown((known) => known.preferences);
  return (
    <Part title="SQL">
      <Setting label="Size of text in the editor">
        <NumberInput
          size="xs"
          w={100}
          aria-label="Size of text in the editor"
          min={9}
          max={32}
          value={preferences.editorFontSize}
          onChange={(size) => {
            if (typeof size === 'number' && size >= 9 && size <= 32)
              void prefer({ editorFontSize: Math.round(size) });
          }}
        />
      </Setting>
      <Setting label="Wrap long lines">
        <Switch
          size="xs"
          aria-label="Wrap long lines"
          checked={preferences.wordWrap}
          onChange={(event) => void prefer({ wordWrap: event.currentTarget.checked })}
        />
      </Setting>
      <Setting label="Ligatures">
        <Switch
          size="xs"
          aria-label="Ligatures"
          checked={preferences.editorFontLigatures}
          onChange={(event) => void prefer({ editorFontLigatures: event.currentTarget.checked })}
        />
      </Setting>
      <Setting label="New sessions commit by themselves" hint="Off: the first statement opens a transaction.">
        <Switch
          size="xs"
          aria-label="New sessions commit by themselves"
          checked={preferences.autocommit}
          onChange={(event) => void prefer({ autocommit: event.currentTarget.checked })}
        />
      </Setting>
      <Setting label="How NULL is shown">
        <TextInput
          size="xs"
          w={100}
          aria-label="How NULL is shown"
          maxLength={16}
          defaultValue={preferences.nullText}
          onBlur={(event) => void prefer({ nullText: event.currentTarget.value })}
        />
      </Setting>
      <Setting label="Rows before loading pauses" hint="The rest is loaded when you ask for it.">
        <NumberInput
          size="xs"
          w={130}
          aria-label="Rows before loading pauses"
          min={100}
          max={5_000_000}
          thousandSeparator
          value={preferences.resultRowsMax}
          onChange={(rows) => {
            if (typeof rows === 'number' && rows >= 100 && rows <= 5_000_000)
              void prefer({ resultRowsMax: Math.round(rows) });
          }}
        />
      </Setting>
      <Setting label="Folder for exports" hint="Empty: the system’s download folder.">
        <TextInput
          size="xs"
          w={260}
          aria-label="Folder for exports"
          defaultValue={preferences.exportDirectory}
          onBlur={(event) => void prefer({ exportDirectory: event.currentTarget.value.trim() })}
        />
      </Setting>
    </Part>
  );
}

function Recorded() {
  const notice = useKnown(({ app }) => app?.gateway?.notice);
  return (
    <Part title="What is recorded about you">
      {notice === undefined ? (
        <Text size="sm" c="dimmed">
          This gateway has not said what it records.
        </Text>
      ) : (
        <RecordingNoticeText notice={notice} />
      )}
    </Part>
  );
}

function About() {
  const app = useKnown((known) => known.app);
  const me = signedIn(app);
  if (app === undefined) return null;
  const { gateway } = app;
  const signOut = async () => {
    const sure = await workbench().confirm({
      title: 'Sign out',
      text: 'Ends your sign-in on this device with every session and tunnel that hangs on it.',
      button: 'Sign out',
      danger: true,
    });
    if (sure !== undefined) await call('app.signOut', {});
  };
  return (
    <Part title="About">
      <dl className={style['facts']}>
        <dt>Version</dt>
        <dd>{app.version}</dd>
        <dt>Shown by</dt>
        <dd>
          {app.host === 'electron' ? 'Electron' : 'a browser'}
          {app.hostReason === '' ? '' : `: ${app.hostReason}`}
        </dd>
        <dt>Gateway</dt>
        <dd>
          {gateway?.url} {gateway?.version === undefined ? '' : `(version ${gateway.version})`}
        </dd>
        {gateway?.logKey !== undefined && (
          <>
            <dt>Key of its audit log</dt>
            <dd>
              <ShortId id={gateway.logKey} />
            </dd>
          </>
        )}
        {me !== undefined && (
          <>
            <dt>Signed in as</dt>
            <dd>
              {me.principal} ({me.groups.join(', ') || 'no groups'})
            </dd>
            <dt>Key of this device</dt>
            <dd>
              <ShortId id={me.deviceKey} />
            </dd>
            <dt>Kept in</dt>
            <dd>{storageWords[me.storage]}</dd>
          </>
        )}
      </dl>
      {gateway?.demo === true && (
        <Text size="sm" c="dimmed">
          The demo gateway runs as your own user: credentials are not separated from you here.
        </Text>
      )}
      <Button
        mt="sm"
        size="xs"
        variant="default"
        leftSection={<IconLogout size={14} />}
        onClick={() => void signOut()}
      >
        Sign out
      </Button>
    </Part>
  );
}
