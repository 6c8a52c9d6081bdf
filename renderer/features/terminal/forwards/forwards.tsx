import { Badge, Button, NumberInput, SegmentedControl, Select, Text, TextInput } from '@mantine/core';
import { IconArrowFork, IconPlayerStop, IconPlus } from '@tabler/icons-react';
import { useCallback, useEffect, useState } from 'react';
import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import { type ForwardView, ForwardWanted } from '../../../../gateway-core/contract/bridge/ssh.js';
import { ConnectionName } from '../../../../gateway-core/contract/ids.js';
import { call, failureOf, on } from '../../../bridge/index.js';
import { CopyButton } from '../../../ui/copy-line.js';
import { EmptyState } from '../../../ui/empty-state.js';
import { ErrorState } from '../../../ui/error-state.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { workbench } from '../../../ui/workbench.js';
import { bytesText } from '../files/paths.js';
import style from './forwards.module.css';

/** Ports that lead through a host, either way. They go on when the window is closed. */
export function Forwards() {
  const [forwards, setForwards] = useState<readonly ForwardView[]>();
  const [names, setNames] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState<BridgeError>();
  const read = useCallback(() => {
    Promise.all([call('forwards.list', {}), call('connections.list', {})]).then(
      ([open, connections]) => {
        setForwards(open);
        setNames(
          connections
            .filter(({ protocol, access }) => protocol === 'ssh' && access === 'allowed')
            .map(({ name }) => name),
        );
      },
      (cause: unknown) => setProblem(failureOf(cause)),
    );
  }, []);
  useEffect(() => {
    read();
    const stops = [on('forwards.changed', setForwards), on('connections.changed', read), on('resync', read)];
    return () => stops.forEach((stop) => stop());
  }, [read]);
  return (
    <section className={style['page']} aria-label="Port forwards">
      <NewForward names={names} failed={setProblem} />
      {problem !== undefined && <ErrorState compact error={problem} />}
      <div className={style['list']}>
        {forwards?.length === 0 && (
          <EmptyState
            icon={IconArrowFork}
            title="No port is forwarded"
            text="A local forward gives you a port on this machine that the target dials for you: a database that only it can reach. A remote one gives the target a port that leads here."
          />
        )}
        {forwards?.map((forward) => (
          <Forward key={forward.id} forward={forward} failed={setProblem} />
        ))}
      </div>
    </section>
  );
}

type Failed = (problem: BridgeError | undefined) => void;

function NewForward({ names, failed }: { readonly names: readonly string[]; readonly failed: Failed }) {
  const [connection, setConnection] = useState<string | null>(null);
  const [direction, setDirection] = useState<'local' | 'remote'>('local');
  const [listenPort, setListenPort] = useState<number | string>(0);
  const [host, setHost] = useState('127.0.0.1');
  const [port, setPort] = useState<number | string>('');
  const [busy, setBusy] = useState(false);
  const wanted = ForwardWanted.safeParse({ direction, listenPort, host: host.trim(), port });
  const name = ConnectionName.safeParse(connection ?? names[0]);
  const open = async () => {
    if (!wanted.success || !name.success) return;
    setBusy(true);
    failed(undefined);
    try {
      await call('forwards.open', { connection: name.data, ...wanted.data });
      setPort('');
    } catch (cause) {
      failed(failureOf(cause));
    } finally {
      setBusy(false);
    }
  };
  const [here, there] =
    direction === 'local' ? ['this machine', 'the target'] : ['the target', 'this machine'];
  return (
    <form
      className={style['bar']}
      aria-label="A new forward"
      onSubmit={(event) => {
        event.preventDefault();
        void open();
      }}
    >
      <Select
        size="xs"
        label="Through"
        placeholder={names.length === 0 ? 'No host is yours to use' : 'Connection'}
        data={[...names]}
        value={connection ?? names[0] ?? null}
        disabled={names.length === 0}
        allowDeselect={false}
        onChange={setConnection}
      />
      <SegmentedControl
        size="xs"
        aria-label="Direction"
        value={direction}
        onChange={setDirection}
        data={[
          { value: 'local', label: 'Local' },
          { value: 'remote', label: 'Remote' },
        ]}
      />
      <NumberInput
        size="xs"
        w={120}
        label={`Port on ${here}`}
        description={undefined}
        min={0}
        max={65_535}
        allowDecimal={false}
        value={listenPort}
        onChange={setListenPort}
      />
      <TextInput
        size="xs"
        w={170}
        label={`Host, as ${there} sees it`}
        maxLength={255}
        value={host}
        onChange={(event) => setHost(event.currentTarget.value)}
      />
      <NumberInput
        size="xs"
        w={90}
        label="Its port"
        min={1}
        max={65_535}
        allowDecimal={false}
        value={port}
        onChange={setPort}
      />
      <Button
        size="xs"
        type="submit"
        loading={busy}
        disabled={!wanted.success || !name.success}
        leftSection={<IconPlus size={14} />}
      >
        Forward
      </Button>
      <Text size="xs" c="dimmed">
        0 takes any free port. Only your own processes are let in on this machine.
      </Text>
    </form>
  );
}

function Forward({ forward, failed }: { readonly forward: ForwardView; readonly failed: Failed }) {
  const { id, connection, direction, listenPort, host, port, state, sockets, accepted, refused } = forward;
  const address = `127.0.0.1:${listenPort}`;
  const stop = async () => {
    if (sockets > 0) {
      const sure = await workbench().confirm({
        title: 'Stop this forward?',
        text: `Ends ${sockets === 1 ? '1 open socket' : `${sockets} open sockets`} to ${host}:${port}.`,
        button: 'Stop',
        danger: true,
      });
      if (sure === undefined) return;
    }
    call('forwards.close', { id }).catch((cause: unknown) => failed(failureOf(cause)));
  };
  return (
    <article className={style['forward']} aria-label={`${direction} forward through ${connection}`}>
      <header>
        <Badge size="sm" variant="outline" color="gray">
          {direction}
        </Badge>
        <Badge
          size="sm"
          variant="light"
          color={state === 'open' ? 'green' : state === 'failed' ? 'red' : 'gray'}
        >
          {state}
        </Badge>
        {listenPort > 0 && (
          <span className={style['address']}>
            <code>{address}</code>
            <CopyButton text={address} label="Copy the address" />
            {direction === 'remote' && <span>on the target</span>}
          </span>
        )}
        <span className={style['way']}>
          → <b>{connection}</b> → <VisibleText text={`${host}:${port}`} />
        </span>
        <span className={style['gap']} />
        <Text size="xs" c="dimmed" className={style['numbers'] ?? ''}>
          {sockets === 1 ? '1 socket' : `${sockets} sockets`} open, {accepted} so far
          {refused > 0 ? `, ${refused} refused` : ''} · ↑ {bytesText(forward.bytesUp)} ↓{' '}
          {bytesText(forward.bytesDown)}
        </Text>
        {forward.session !== undefined && (
          <Button
            size="compact-xs"
            variant="subtle"
            color="gray"
            onClick={() => workbench().openTab('session', { id: forward.session ?? '' })}
          >
            Session
          </Button>
        )}
        <Button
          size="compact-xs"
          variant="default"
          leftSection={<IconPlayerStop size={13} />}
          onClick={() => void stop()}
        >
          {state === 'failed' ? 'Remove' : 'Stop'}
        </Button>
      </header>
      {forward.error !== undefined && <ErrorState compact error={forward.error} />}
    </article>
  );
}
