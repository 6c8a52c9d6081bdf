import { Button, Group, Modal, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { type BridgeError, QueryName } from '../../../../gateway-core/contract/bridge/app.js';
import { ErrorState } from '../../../ui/error-state.js';
import { useTab, useTabState } from '../context.js';

/** Asks for the name under which a text is saved as a query. */
export function SaveDialog() {
  const open = useTabState(({ dialog }) => dialog === 'save');
  return open ? <Save /> : null;
}

function Save() {
  const tab = useTab();
  const before = useTabState((state) => state.query);
  const [name, setName] = useState(before ?? '');
  const [problem, setProblem] = useState<BridgeError>();
  const [exists, setExists] = useState(false);
  const close = () => {
    tab.state.setState({ dialog: 'none' });
    tab.editor?.focus();
  };
  const trimmed = name.trim();
  const checked = QueryName.safeParse(trimmed);
  const save = async (replace: boolean) => {
    if (!checked.success) return;
    const failed = await tab.save(trimmed, replace || trimmed === before);
    if (failed === undefined) return close();
    setExists(failed.code === 'exists');
    setProblem(failed.code === 'exists' ? undefined : failed);
  };
  const wrong = trimmed === '' || checked.success ? undefined : checked.error.issues[0]?.message;
  return (
    <Modal
      opened
      onClose={close}
      title="Save as query"
      centered
      size="sm"
      closeButtonProps={{ 'aria-label': 'Cancel' }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save(exists);
        }}
      >
        <TextInput
          label="Name"
          description="Also the name of its file"
          data-autofocus
          value={name}
          maxLength={120}
          error={wrong}
          onChange={(event) => {
            setName(event.currentTarget.value);
            setExists(false);
          }}
        />
        {exists && (
          <Text size="sm" mt="xs">
            A query of this name is there already.
          </Text>
        )}
        {problem !== undefined && <ErrorState compact error={problem} />}
        <Group justify="flex-end" mt="md" gap={8}>
          <Button size="xs" variant="default" onClick={close}>
            Cancel
          </Button>
          <Button size="xs" type="submit" disabled={!checked.success} {...(exists ? { color: 'red' } : {})}>
            {exists ? 'Replace it' : 'Save'}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
