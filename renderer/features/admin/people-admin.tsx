import { Badge, Table, Text, TextInput } from '@mantine/core';
import { IconSearch, IconUsers } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { call } from '../../bridge/index.js';
import { EmptyState } from '../../ui/empty-state.js';
import { ErrorState } from '../../ui/error-state.js';
import { Skeleton } from '../../ui/skeleton.js';
import { Time } from '../../ui/time.js';
import style from './admin.module.css';
import { useRead } from './use-read.js';

/** People that one screen shows; the filter reaches all. */
const rowsShownMax = 500;

export function PeopleAdmin() {
  const { value, problem, again } = useRead(() => call('admin.people', {}));
  const [text, setText] = useState('');
  const found = useMemo(() => {
    const wanted = text.trim().toLowerCase();
    return (value ?? [])
      .filter(({ principal, groups }) => `${principal} ${groups.join(' ')}`.toLowerCase().includes(wanted))
      .sort((a, b) => b.sessionsLive - a.sessionsLive || b.lastSeenAt.localeCompare(a.lastSeenAt));
  }, [value, text]);
  if (problem !== undefined && value === undefined) return <ErrorState error={problem} retry={again} />;
  if (value === undefined) return <Skeleton label="Reading people" />;
  return (
    <section className={style['page']} aria-label="People">
      <div className={style['bar']}>
        <TextInput
          size="xs"
          className={style['grow']}
          placeholder="Filter by name or group"
          aria-label="Filter people"
          leftSection={<IconSearch size={14} aria-hidden />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Text size="xs" c="dimmed" role="status">
          {found.length.toLocaleString()} {found.length === 1 ? 'person' : 'people'}
          {found.length > rowsShownMax ? `, the first ${rowsShownMax} shown` : ''}
        </Text>
      </div>
      {problem !== undefined && <ErrorState compact error={problem} retry={again} />}
      {found.length === 0 ? (
        <EmptyState icon={IconUsers} title={value.length === 0 ? 'Nobody signed in yet' : 'Nobody matches'} />
      ) : (
        <div className={style['scroller']} tabIndex={0} role="group" aria-label="People and their sign-ins">
          <Table stickyHeader highlightOnHover verticalSpacing={4} fz="sm">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Principal</Table.Th>
                <Table.Th>Groups</Table.Th>
                <Table.Th ta="right">Live sessions</Table.Th>
                <Table.Th ta="right">Sign-ins</Table.Th>
                <Table.Th ta="right">Last seen</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.slice(0, rowsShownMax).map((person) => (
                <Table.Tr key={person.principal}>
                  <Table.Td>{person.principal}</Table.Td>
                  <Table.Td>
                    {person.groups.map((group) => (
                      <Badge key={group} size="sm" variant="default" tt="none" mr={4}>
                        {group}
                      </Badge>
                    ))}
                  </Table.Td>
                  <Table.Td ta="right">{person.sessionsLive}</Table.Td>
                  <Table.Td ta="right">{person.signIns}</Table.Td>
                  <Table.Td ta="right">
                    <Time at={person.lastSeenAt} />
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
