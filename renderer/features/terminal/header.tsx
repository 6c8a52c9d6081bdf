import { Button } from '@mantine/core';
import {
  IconBlockquote,
  IconFolder,
  IconLayoutColumns,
  IconSearch,
  IconUsersGroup,
  IconX,
} from '@tabler/icons-react';
import { useSyncExternalStore } from 'react';
import { IconButton } from '../../ui/icon-button.js';
import { Line } from '../../ui/line.js';
import { useLine } from '../../ui/session-line.js';
import { Shortcut } from '../../ui/shortcut.js';
import { VisibleText } from '../../ui/visible-text.js';
import { Watchers } from '../../ui/watchers.js';
import { openHop, workbench } from '../../ui/workbench.js';
import { together } from './broadcast.js';
import { useTerminal, useTerminalState } from './context.js';
import style from './terminal.module.css';

/** Who acts here, on what, how it stands, and what can be done. */
export function Header() {
  const tab = useTerminal();
  const session = useTerminalState((state) => state.session);
  const opening = useTerminalState((state) => state.opening);
  const connection = useTerminalState((state) => state.connection);
  const program = useTerminalState((state) => state.program);
  const chain = useLine(session?.session);
  return (
    <header className={style['header']}>
      <span className={style['line']}>
        {chain !== undefined && <Line chain={chain} connection={connection} onPick={openHop} />}
      </span>
      {program !== '' && (
        <span className={style['program']} title="As the program there calls itself">
          <VisibleText text={program} />
        </span>
      )}
      <Watchers session={session?.session} />
      <span className={style['state']} role="status">
        {wordOf(opening, session?.state, session?.shell.state)}
      </span>
      {session?.session !== undefined && (
        <Button
          size="compact-xs"
          variant="subtle"
          color="gray"
          onClick={() => workbench().openTab('session', { id: session.session ?? '' })}
        >
          Session
        </Button>
      )}
      <Tools tab={tab} />
    </header>
  );
}

function Tools({ tab }: { readonly tab: ReturnType<typeof useTerminal> }) {
  const { find, files, together: on } = useTerminalState((state) => state);
  const connection = useTerminalState((state) => state.connection);
  return (
    <div className={style['tools']} role="toolbar" aria-label="Terminal">
      <Tool
        label="Find in the terminal"
        command="terminal.find"
        icon={IconSearch}
        pressed={find}
        run={() => tab.showFind(!find)}
      />
      <Tool
        label="Snippets"
        command="terminal.snippets"
        icon={IconBlockquote}
        run={() => tab.state.setState({ snippets: true })}
      />
      <Tool
        label="Type in several terminals together"
        command="terminal.together"
        icon={IconUsersGroup}
        pressed={on}
        run={() => tab.setTogether(!on)}
      />
      <Tool
        label="Another terminal to the right"
        command="terminal.splitRight"
        icon={IconLayoutColumns}
        run={() => workbench().openTab('terminal', { connection }, 'right')}
      />
      <Tool
        label="Files"
        command="terminal.files"
        icon={IconFolder}
        pressed={files}
        run={() => tab.toggleFiles()}
      />
    </div>
  );
}

function wordOf(opening: boolean, state: string | undefined, shell: string | undefined): string {
  if (opening || state === 'connecting' || shell === 'opening') return 'connecting…';
  if (state === undefined) return 'not connected';
  if (state === 'closed') return 'session ended';
  if (shell === 'refused') return 'no shell';
  return shell === 'open' ? 'connected' : 'shell ended';
}

/** Nobody should type into several machines without seeing it. */
export function TogetherStripe() {
  const tab = useTerminal();
  const on = useTerminalState((state) => state.together);
  const count = useSyncExternalStore(together.watch, together.count);
  if (!on) return null;
  const others = count - 1;
  return (
    <div className={style['together']} role="status">
      <IconUsersGroup size={15} aria-hidden />
      <p>
        {others === 0
          ? 'Typed together: no other terminal takes part yet. Switch it on there as well.'
          : `What you type here is also typed in ${others === 1 ? '1 other terminal' : `${others} other terminals`}.`}
      </p>
      <Button
        size="compact-xs"
        variant="white"
        color="dark"
        leftSection={<IconX size={12} />}
        onClick={() => tab.setTogether(false)}
      >
        Only here
      </Button>
    </div>
  );
}

function Tool({ command, ...button }: Parameters<typeof IconButton>[0] & { readonly command?: string }) {
  return (
    <IconButton
      {...button}
      signSize={16}
      tip={
        <span className={style['keys']}>
          {button.label} {command !== undefined && <Shortcut command={command} />}
        </span>
      }
    />
  );
}
