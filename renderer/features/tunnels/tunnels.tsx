import { Badge, Button, Select, Switch, Text } from '@mantine/core';
import { IconArrowsLeftRight, IconPlugConnectedX, IconPlus } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { TunnelView } from '../../../gateway-core/contract/bridge/work.js';
import { ConnectionName } from '../../../gateway-core/contract/ids.js';
import { call, failureOf, on } from '../../bridge/index.js';
import { prefer, useKnown } from '../../ui/app-state.js';
import { CopyLine } from '../../ui/copy-line.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import style from './tunnels.module.css';

/** Open tunnels and what to paste where. They go on when the window is closed. */
export function Tunnels() {
  const [tunnels, setTunnels] = useState<readonly TunnelView[]>();
  const [names, setNames] = useState<readonly string[]>([]);
  const [chosen, setChosen] = useState<string | null>(null);
  const [problem, setProblem] = useState<BridgeError>();
  const [busy, setBusy] = useState(false);
  const read = useCallback(() => {
    Promise.all([call('tunnels.list', {}), call('connections.list', {})]).then(
      ([open, connections]) => {
        setTunnels(open);
        setNames(connections.filter(({ access }) => access === 'allowed').map(({ name }) => name));
      },
      (cause: unknown) => setProblem(failureOf(cause)),
    );
  }, []);
  useEffect(() => {
    read();
    const stops = [on('tunnels.changed', setTunnels), on('connections.changed', read), on('resync', read)];
    return () => stops.forEach((stop) => stop());
  }, [read]);
  const act = (work: () => Promise<unknown>) => {
    setBusy(true);
    setProblem(undefined);
    work()
      .catch((cause: unknown) => setProblem(failureOf(cause)))
      .finally(() => setBusy(false));
  };
  const guarded = tunnels?.some(({ password }) => password !== undefined) === true;
  const free = names.filter((name) => !tunnels?.some((each) => each.connection === name));
  return (
    <section className={style['page']} aria-label="Tunnels">
      <div className={style['bar']}>
        <Select
          size="xs"
          searchable
          aria-label="Connection for a new tunnel"
          placeholder={free.length === 0 ? 'Every connection has its tunnel' : 'Connection'}
          disabled={free.length === 0}
          data={free}
          value={chosen}
          onChange={setChosen}
        />
        <Button
          size="xs"
          leftSection={<IconPlus size={14} />}
          disabled={chosen === null}
          loading={busy}
          onClick={() =>
            act(async () => {
              await call('tunnels.open', { connection: ConnectionName.parse(chosen) });
              setChosen(null);
            })
          }
        >
          Open a tunnel
        </Button>
        <Text size="xs" c="dimmed">
          {guarded
            ? 'This machine does not tell whose a socket is: each tunnel has a password of its own, which is over with it, and its sessions are unattributed.'
            : 'No password is needed; only your own processes are let in.'}{' '}
          Tunnels stay open when this window closes.
        </Text>
      </div>
      {problem !== undefined && <ErrorState compact error={problem} />}
      <div className={style['tunnels']}>
        {tunnels?.length === 0 && (
          <EmptyState
            icon={IconArrowsLeftRight}
            title="No tunnel is open"
            text="A tunnel gives psql, DataGrip or your own program a port on this machine. In a terminal:"
            command="throughline connect shop-db"
          />
        )}
        {tunnels?.map((tunnel) => (
          <Tunnel
            key={tunnel.connection}
            tunnel={tunnel}
            close={() =>
              act(() => call('tunnels.close', { connection: ConnectionName.parse(tunnel.connection) }))
            }
          />
        ))}
      </div>
    </section>
  );
}

function Tunnel({ tunnel, close }: { readonly tunnel: TunnelView; readonly close: () => void }) {
  const { connection, state, host, port, sockets, refused, error, password } = tunnel;
  const kept = useKnown(({ preferences }) => preferences.tunnels);
  return (
    <article className={style['tunnel']} aria-label={`Tunnel to ${connection}`}>
      <header>
        <b>{connection}</b>
        <Badge
          size="sm"
          variant="light"
          color={state === 'open' ? 'green' : state === 'failed' ? 'red' : 'gray'}
        >
          {state}
        </Badge>
        {port > 0 && (
          <code>
            {host}:{port}
          </code>
        )}
        {(password !== undefined || (state === 'open' && port === 0)) && (
          <Badge
            size="sm"
            variant="outline"
            color="gray"
            title="Which program is behind a socket is not known: policy may forbid such sessions"
          >
            unattributed
          </Badge>
        )}
        <Text size="xs" c="dimmed">
          {sockets === 1 ? '1 socket' : `${sockets} sockets`}
          {refused > 0 ? ` · ${refused} refused` : ''}
        </Text>
        <span className={style['gap']} />
        <Switch
          size="xs"
          label="Open at sign-in"
          checked={kept.includes(connection)}
          onChange={(event) =>
            void prefer({
              tunnels: event.currentTarget.checked
                ? [...kept, connection]
                : kept.filter((each) => each !== connection),
            })
          }
        />
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconPlugConnectedX size={13} />}
          onClick={close}
        >
          Close
        </Button>
      </header>
      {error !== undefined && <ErrorState compact error={error} />}
      {state === 'open' && (
        <dl>
          {password !== undefined && (
            <div>
              <dt>Password</dt>
              <dd>
                <CopyLine text={password} label="Copy the password" />
              </dd>
            </div>
          )}
          {tunnel.lines.map(({ name, text }) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>
                <CopyLine text={text} label={`Copy the ${name} line`} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </article>
  );
}
