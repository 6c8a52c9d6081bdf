import { Button, Stack } from '@mantine/core';
import { IconDatabaseCog, IconLicense, IconUsers } from '@tabler/icons-react';
import { workbench } from '../../ui/workbench.js';

const places = [
  { kind: 'admin-connections', label: 'Connections', icon: IconDatabaseCog },
  { kind: 'admin-policies', label: 'Policies', icon: IconLicense },
  { kind: 'admin-people', label: 'People', icon: IconUsers },
] as const;

export function AdminSidebar() {
  return (
    <Stack gap={6} p={8}>
      {places.map(({ kind, label, icon: Icon }) => (
        <Button
          key={kind}
          size="xs"
          variant="default"
          justify="flex-start"
          leftSection={<Icon size={15} />}
          onClick={() => workbench().openTab(kind, {})}
        >
          {label}
        </Button>
      ))}
    </Stack>
  );
}
