import { Button, Stack, Text } from '@mantine/core';
import { IconFileSearch, IconFileZip, IconShieldCheck } from '@tabler/icons-react';
import { workbench } from '../../ui/workbench.js';

export function AuditSidebar() {
  return (
    <Stack gap={6} p={8}>
      <Button
        size="xs"
        variant="default"
        justify="flex-start"
        leftSection={<IconFileSearch size={15} />}
        onClick={() => workbench().openTab('search', {})}
      >
        Search
      </Button>
      <Button
        size="xs"
        variant="default"
        justify="flex-start"
        leftSection={<IconShieldCheck size={15} />}
        onClick={() => workbench().openTab('log', {})}
      >
        Audit log
      </Button>
      <Button
        size="xs"
        variant="default"
        justify="flex-start"
        leftSection={<IconFileZip size={15} />}
        onClick={() => workbench().openTab('bundles', {})}
      >
        Evidence bundles
      </Button>
      <Text size="xs" c="dimmed">
        Search finds statements and what came back, as it was recorded: masked. Looking at other people’s
        sessions is itself recorded.
      </Text>
    </Stack>
  );
}
