import { Menu, TextInput } from '@mantine/core';
import {
  IconArrowFork,
  IconArrowsLeftRight,
  IconDatabase,
  IconFolder,
  IconLock,
  IconSearch,
  IconTerminal2,
} from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import type { ConnectionDetail } from '../../../gateway-core/contract/api.js';
import { call, failureOf } from '../../bridge/index.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import { VirtualList } from '../../ui/virtual-list.js';
import { VisibleText } from '../../ui/visible-text.js';
import { workbench } from '../../ui/workbench.js';
import style from './connections.module.css';
import { followConnections, protocolNames, readConnections, tabKindOf, useConnections } from './store.js';

const rowHeight = 42;

export function Connections() {
  const { connections, problem, tunnels } = useConnections();
  const [text, setText] = useState('');
  const [menu, setMenu] = useState<{
    readonly of: ConnectionDetail;
    readonly x: number;
    readonly y: number;
  }>();
  useEffect(followConnections, []);
  const wanted = text.trim().toLowerCase();
  const shown = (connections ?? []).filter(({ name, labels }) =>
    `${name} ${Object.entries(labels).flat().join(' ')}`.toLowerCase().includes(wanted),
  );
  if (connections === undefined) {
    return problem === undefined ? (
      <Skeleton label="Reading connections" />
    ) : (
      <ErrorState error={problem} retry={() => void readConnections()} />
    );
  }
  if (connections.length === 0) {
    return (
      <EmptyState
        icon={IconDatabase}
        title="No connection is yours yet"
        text="An admin registers connections and says who may use them. The moment that happens, it stands here."
        command="throughline connections"
      />
    );
  }
  return (
    <div className={style['list']}>
      <TextInput
        size="xs"
        placeholder="Filter"
        aria-label="Filter connections"
        leftSection={<IconSearch size={14} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      {problem !== undefined && <ErrorState compact error={problem} retry={() => void readConnections()} />}
      <VirtualList
        label="Connections"
        items={shown}
        rowHeight={rowHeight}
        keyOf={({ name }) => name}
        textOf={({ name }) => name}
        onOpen={open}
        onMenu={(of, { x, y }) => setMenu({ of, x, y })}
        empty="Nothing matches the filter."
        render={(connection) => (
          <Row
            connection={connection}
            tunnel={tunnels.some((each) => each.connection === connection.name && each.state === 'open')}
          />
        )}
      />
      <ConnectionMenu menu={menu} close={() => setMenu(undefined)} />
    </div>
  );
}

function open({ name, access, protocol }: ConnectionDetail): void {
  if (access === 'allowed') return workbench().openTab(tabKindOf(protocol), { connection: name });
  workbench().notify({
    level: 'warning',
    title: `${name} needs an approval`,
    text: 'Policy shows it to you but lets you use it only once somebody has approved. Ask an admin.',
  });
}

function Row({ connection, tunnel }: { readonly connection: ConnectionDetail; readonly tunnel: boolean }) {
  const { name, protocol, access, labels, masks } = connection;
  const Sign = tabKindOf(protocol) === 'terminal' ? IconTerminal2 : IconDatabase;
  const facts = [
    protocolNames[protocol] ?? protocol,
    ...Object.entries(labels).map(([key, value]) => `${key}: ${value}`),
    ...(masks === undefined || masks.length === 0
      ? []
      : [masks.length === 1 ? '1 mask' : `${masks.length} masks`]),
  ];
  return (
    <div className={style['row']}>
      {access === 'allowed' ? (
        <Sign size={16} stroke={1.6} aria-hidden />
      ) : (
        <IconLock size={16} aria-hidden />
      )}
      <div className={style['text']}>
        <span className={style['name']}>
          <VisibleText text={name} />
        </span>
        <span className={style['facts']}>
          <VisibleText text={access === 'allowed' ? facts.join(' · ') : 'needs an approval'} />
        </span>
      </div>
      {tunnel && (
        <span className={style['tunnel']} title="A tunnel is open">
          <IconArrowsLeftRight size={13} aria-hidden />
          <span className={style['hidden']}>tunnel open</span>
        </span>
      )}
    </div>
  );
}

function ConnectionMenu({
  menu,
  close,
}: {
  readonly menu: { readonly of: ConnectionDetail; readonly x: number; readonly y: number } | undefined;
  readonly close: () => void;
}) {
  const tunnels = useConnections((state) => state.tunnels);
  if (menu === undefined) return null;
  const { name, access, protocol } = menu.of;
  const kind = tabKindOf(protocol);
  const word = kind === 'terminal' ? 'terminal' : 'SQL';
  const tunnel = tunnels.find((each) => each.connection === name);
  const openTunnel = async () => {
    try {
      await call('tunnels.open', { connection: name });
      workbench().openTab('tunnels', {});
    } catch (cause) {
      const { message, action } = failureOf(cause);
      workbench().notify({
        level: 'error',
        title: `No tunnel to ${name}`,
        text: action === undefined ? message : `${message}: ${action}`,
      });
    }
  };
  return (
    <Menu opened onClose={close} position="bottom-start" shadow="md" width={220} returnFocus>
      <Menu.Target>
        <span style={{ position: 'fixed', left: menu.x, top: menu.y }} />
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item
          disabled={access !== 'allowed'}
          leftSection={<IconTerminal2 size={15} />}
          onClick={() => workbench().openTab(kind, { connection: name })}
        >
          Open {word}
        </Menu.Item>
        <Menu.Item
          disabled={access !== 'allowed'}
          leftSection={<IconTerminal2 size={15} />}
          onClick={() => workbench().openTab(kind, { connection: name }, 'right')}
        >
          Open {word} to the right
        </Menu.Item>
        {kind === 'terminal' && (
          <>
            <Menu.Item
              disabled={access !== 'allowed'}
              leftSection={<IconFolder size={15} />}
              onClick={() => workbench().openTab(kind, { connection: name, files: true })}
            >
              Open terminal with files
            </Menu.Item>
            <Menu.Item
              disabled={access !== 'allowed'}
              leftSection={<IconArrowFork size={15} />}
              onClick={() => workbench().openTab('forwards', {})}
            >
              Forward ports
            </Menu.Item>
          </>
        )}
        {tunnel?.state === 'open' ? (
          <Menu.Item
            leftSection={<IconArrowsLeftRight size={15} />}
            onClick={() => void navigator.clipboard.writeText(tunnel.lines[0]?.text ?? '')}
          >
            Copy the {tunnel.lines[0]?.name} line
          </Menu.Item>
        ) : (
          <Menu.Item
            disabled={access !== 'allowed'}
            leftSection={<IconArrowsLeftRight size={15} />}
            onClick={() => void openTunnel()}
          >
            Open a tunnel
          </Menu.Item>
        )}
      </Menu.Dropdown>
    </Menu>
  );
}
