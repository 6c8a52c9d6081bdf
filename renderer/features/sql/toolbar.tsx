import { ActionIcon, Button, Menu, Select, Switch, Tooltip } from '@mantine/core';
import {
  IconBinaryTree,
  IconChevronDown,
  IconDatabase,
  IconDeviceFloppy,
  IconHistory,
  IconLayoutBottombar,
  IconLayoutSidebarRight,
  IconListTree,
  IconPlayerPlayFilled,
  IconPlayerStopFilled,
  IconStar,
  IconTextWrap,
} from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { IconButton } from '../../ui/icon-button.js';
import { Shortcut } from '../../ui/shortcut.js';
import { Lasting } from '../../ui/time.js';
import type { Icon } from '../../ui/workbench.js';
import { useSqlConnections } from './connections.js';
import { useTab, useTabState } from './context.js';
import style from './sql.module.css';
import type { Side } from './tab-model.js';

/** What can be done with the text and the session, each with its keys. */
export function Toolbar() {
  const tab = useTab();
  const resultsAt = useTabState((state) => state.resultsAt);
  const LayoutIcon = resultsAt === 'below' ? IconLayoutSidebarRight : IconLayoutBottombar;
  return (
    <div className={style['toolbar']} role="toolbar" aria-label="SQL">
      <ConnectionPicker />
      <RunButtons />
      <Transaction />
      <span className={style['grow']} />
      <Tool label="Format" command="sql.format" icon={IconTextWrap} run={() => void tab.format()} />
      <Tool label="Save as query" command="sql.save" icon={IconDeviceFloppy} run={() => saveOrAsk(tab)} />
      <span className={style['bar']} />
      <SideTool side="schema" label="Tables" command="sql.schema" icon={IconListTree} />
      <SideTool side="history" label="History" command="sql.history" icon={IconHistory} />
      <SideTool side="queries" label="Saved queries" command="sql.queries" icon={IconStar} />
      <Tool
        label={resultsAt === 'below' ? 'Results to the right' : 'Results below'}
        command="sql.layout"
        icon={LayoutIcon}
        run={() => {
          tab.state.setState({ resultsAt: resultsAt === 'below' ? 'right' : 'below' });
          tab.keep();
        }}
      />
    </div>
  );
}

/** Saves under the name that the text has, or asks for one. */
export function saveOrAsk(tab: ReturnType<typeof useTab>): void {
  const { query } = tab.state.getState();
  if (query === undefined) tab.state.setState({ dialog: 'save' });
  else void tab.save(query, true).then((problem) => problem !== undefined && tab.state.setState({ problem }));
}

function ConnectionPicker() {
  const tab = useTab();
  const connection = useTabState((state) => state.connection);
  const connections = useSqlConnections();
  const names = new Set(connections.map(({ name }) => name as string));
  if (connection !== '') names.add(connection);
  return (
    <Select
      size="xs"
      className={style['picker']}
      aria-label="Connection"
      placeholder="Choose a connection"
      leftSection={<IconDatabase size={14} aria-hidden />}
      data={[...names]}
      value={connection === '' ? null : connection}
      allowDeselect={false}
      searchable
      maxDropdownHeight={320}
      onChange={(name) => {
        if (name !== null && name !== connection) void tab.connectTo(name);
      }}
    />
  );
}

function RunButtons() {
  const tab = useTab();
  const running = useTabState(({ session }) => session?.state === 'running');
  const idle = useTabState(({ connection }) => connection === '');
  return (
    <div className={style['together']}>
      <Tooltip label={<Keys text="Run statement or selection" command="sql.run" />} openDelay={400}>
        <Button
          size="xs"
          className={style['run']}
          leftSection={<IconPlayerPlayFilled size={12} aria-hidden />}
          disabled={running || idle}
          onClick={() => void tab.run('statement')}
        >
          Run
        </Button>
      </Tooltip>
      <Menu position="bottom-start" shadow="md" withinPortal>
        <Menu.Target>
          <Button
            size="xs"
            className={style['more']}
            disabled={running || idle}
            aria-label="Other ways to run"
          >
            <IconChevronDown size={13} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item rightSection={<Shortcut command="sql.runAll" />} onClick={() => void tab.run('all')}>
            Run everything
          </Menu.Item>
          <Menu.Item
            leftSection={<IconBinaryTree size={14} />}
            rightSection={<Shortcut command="sql.explain" />}
            onClick={() => void tab.explain(false)}
          >
            Explain: show the plan
          </Menu.Item>
          <Menu.Item
            leftSection={<IconBinaryTree size={14} />}
            rightSection={<Shortcut command="sql.explainAnalyze" />}
            onClick={() => void tab.explain(true)}
          >
            Explain analyze: run it and measure
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Tooltip label={<Keys text="Cancel, or Esc twice" command="sql.cancel" />} openDelay={400}>
        <ActionIcon
          size={30}
          variant="default"
          aria-label="Cancel what runs"
          disabled={!running}
          onClick={() => void tab.cancel()}
        >
          <IconPlayerStopFilled size={13} color={running ? 'var(--tl-bad)' : undefined} />
        </ActionIcon>
      </Tooltip>
    </div>
  );
}

/** Whether what runs is committed by itself, and the transaction that is open. */
function Transaction() {
  const tab = useTab();
  const session = useTabState((state) => state.session);
  const autocommit = useTabState((state) => state.autocommit);
  const open = session !== undefined && session.state !== 'closed' && session.transaction !== 'idle';
  const busy = session?.state === 'running' || session?.state === 'connecting';
  return (
    <div className={style['together']}>
      <Tooltip
        label={
          autocommit
            ? 'Every statement is committed by itself'
            : 'A transaction begins with the first statement'
        }
        openDelay={400}
      >
        <Switch
          size="xs"
          label="Autocommit"
          className={style['autocommit']}
          checked={autocommit}
          disabled={busy || open}
          onChange={(event) => void tab.setAutocommit(event.currentTarget.checked)}
        />
      </Tooltip>
      {open && (
        <div className={style['transaction']} data-failed={session.transaction === 'failed'} role="status">
          <span>
            {session.transaction === 'failed' ? 'Transaction failed' : 'Transaction open'}{' '}
            {session.transactionSince !== undefined && (
              <Lasting from={new Date(session.transactionSince).toISOString()} />
            )}
          </span>
          {session.transaction === 'open' && (
            <Button size="compact-xs" disabled={busy} onClick={() => void tab.endTransaction('commit')}>
              Commit
            </Button>
          )}
          <Button
            size="compact-xs"
            variant="default"
            disabled={busy}
            onClick={() => void tab.endTransaction('rollback')}
          >
            Roll back
          </Button>
        </div>
      )}
    </div>
  );
}

/** What a button does, with its keys. */
export function Keys({ text, command }: { readonly text: string; readonly command: string }): ReactNode {
  return (
    <span className={style['keys']}>
      {text} <Shortcut command={command} />
    </span>
  );
}

export function Tool({
  command,
  ...button
}: Parameters<typeof IconButton>[0] & { readonly command?: string }) {
  const tip = command === undefined ? button.label : <Keys text={button.label} command={command} />;
  return <IconButton {...button} size={28} signSize={16} tip={tip} />;
}

function SideTool({
  side,
  ...rest
}: {
  readonly side: Side;
  readonly label: string;
  readonly command: string;
  readonly icon: Icon;
}) {
  const tab = useTab();
  const open = useTabState((state) => state.side === side);
  return <Tool {...rest} pressed={open} run={() => tab.toggleSide(side)} />;
}
