import { Badge, Button, Table, Text, Textarea } from '@mantine/core';
import { IconDatabasePlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import type { z } from 'zod';
import type { AdminConnection } from '../../../gateway-core/contract/api.js';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import { call, failureOf } from '../../bridge/index.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import { workbench } from '../../ui/workbench.js';
import style from './admin.module.css';
import { useRead } from './use-read.js';

type Connection = z.infer<typeof AdminConnection>;

const example = `connections:
  - name: orders
    protocol: postgres
    address: 127.0.0.1:5432
    database: orders
    tls: verify-full
    credential:
      user: app
      password: {env: ORDERS_PASSWORD}
    labels: {team: shop}
    masks:
      - {columns: [public.customers.email], with: partial}
      - {detect: [email, card, iban], with: redact}
    recording: {rows: 4MB, durability: strict}
`;

/** Registered targets. Credentials go in and never come out: only whether one is held is shown. */
export function ConnectionsAdmin() {
  const { value, problem, again } = useRead(() => call('admin.connections', {}));
  const [text, setText] = useState<string>();
  const [refused, setRefused] = useState<BridgeError>();
  const [busy, setBusy] = useState(false);
  if (problem !== undefined && value === undefined) return <ErrorState error={problem} retry={again} />;
  if (value === undefined) return <Skeleton label="Reading connections" />;

  const put = async () => {
    if (text === undefined) return;
    setBusy(true);
    setRefused(undefined);
    try {
      const { added, changed, unchanged } = await call('admin.putConnections', { text });
      setText(undefined);
      again();
      workbench().notify({
        level: 'success',
        title: 'Connections saved',
        text: `${added.length} added, ${changed.length} changed, ${unchanged.length} as before`,
      });
    } catch (cause) {
      setRefused(failureOf(cause));
    } finally {
      setBusy(false);
    }
  };
  const remove = async ({ name }: Connection) => {
    const sure = await workbench().confirm({
      title: `Remove ${name}`,
      text: `Nobody can start a session on ${name} any more, and its held credential is deleted. Sessions that run go on; what was recorded stays.`,
      button: 'Remove',
      danger: true,
    });
    if (sure === undefined) return;
    try {
      await call('admin.removeConnection', { name });
      again();
    } catch (cause) {
      setRefused(failureOf(cause));
    }
  };
  return (
    <section className={style['page']} aria-label="Connections">
      <div className={style['bar']}>
        <Text size="xs" c="dimmed" className={style['grow']} role="status">
          {value.length.toLocaleString()} {value.length === 1 ? 'connection' : 'connections'}
        </Text>
        <Button
          size="xs"
          leftSection={<IconDatabasePlus size={15} />}
          onClick={() => setText(text === undefined ? example : undefined)}
        >
          {text === undefined ? 'Add or change' : 'Cancel'}
        </Button>
      </div>
      {refused !== undefined && <ErrorState compact error={refused} />}
      {text !== undefined && (
        <div className={style['write']}>
          <Textarea
            className={style['editor']}
            aria-label="Connections as YAML or JSON"
            description="YAML or JSON, one or many: the same file as `throughline admin connections add FILE` takes. Changing an address clears the held credential."
            spellCheck={false}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <div>
            <Button size="xs" loading={busy} onClick={() => void put()}>
              Save
            </Button>
          </div>
        </div>
      )}
      {value.length === 0 ? (
        <EmptyState icon={IconDatabasePlus} title="No connection is registered yet" />
      ) : (
        <div className={style['scroller']} tabIndex={0} role="group" aria-label="Registered connections">
          <Table stickyHeader highlightOnHover verticalSpacing={4} fz="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Name</Table.Th>
                <Table.Th>Address</Table.Th>
                <Table.Th>Credential</Table.Th>
                <Table.Th>Labels</Table.Th>
                <Table.Th>Masks</Table.Th>
                <Table.Th>Actions</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {value.map((each) => (
                <Table.Tr key={each.name}>
                  <Table.Td>{each.name}</Table.Td>
                  <Table.Td>
                    {each.protocol} {each.address}
                    {each.database === undefined ? '' : `/${each.database}`}
                  </Table.Td>
                  <Table.Td>{each.credential.held ? `held (${each.credential.kind})` : 'none'}</Table.Td>
                  <Table.Td>
                    {Object.entries(each.labels).map(([name, label]) => (
                      <Badge key={name} size="sm" variant="default" tt="none" mr={4}>
                        {name}: {label}
                      </Badge>
                    ))}
                  </Table.Td>
                  <Table.Td>{each.masks.length}</Table.Td>
                  <Table.Td ta="right">
                    <Button
                      size="compact-xs"
                      color="red"
                      variant="subtle"
                      leftSection={<IconTrash size={13} />}
                      onClick={() => void remove(each)}
                    >
                      Remove
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </div>
      )}
    </section>
  );
}
