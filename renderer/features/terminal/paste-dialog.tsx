import { Button, Checkbox, Group, Modal, Text } from '@mantine/core';
import { useState } from 'react';
import { useTerminal, useTerminalState } from './context.js';
import style from './terminal.module.css';

const shownCharactersMax = 20_000;

/** Several lines may run as they arrive: they are shown first. */
export function PasteDialog() {
  const pasting = useTerminalState((state) => state.pasting);
  return pasting === undefined ? null : <Question text={pasting} />;
}

function Question({ text }: { readonly text: string }) {
  const tab = useTerminal();
  const [always, setAlways] = useState(false);
  const lines = text.replace(/\n$/, '').split('\n').length;
  return (
    <Modal
      opened
      centered
      size="lg"
      title={lines === 1 ? `Paste a line into ${tab.name}?` : `Paste ${lines} lines into ${tab.name}?`}
      onClose={() => tab.answerPaste('no')}
      closeButtonProps={{ 'aria-label': 'Cancel' }}
    >
      <Text size="sm">A line break is pasted, too: a shell may run each line as it arrives.</Text>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long texts scroll, by keys too */}
      <pre className={style['pasted']} tabIndex={0}>
        {text.slice(0, shownCharactersMax)}
        {text.length > shownCharactersMax ? `\n… ${text.length - shownCharactersMax} more characters` : ''}
      </pre>
      <Group justify="space-between" gap={8}>
        <Checkbox
          size="xs"
          label="Don’t ask again for this tab"
          checked={always}
          onChange={(event) => setAlways(event.currentTarget.checked)}
        />
        <Group gap={8}>
          <Button size="xs" variant="default" onClick={() => tab.answerPaste('no')}>
            Cancel
          </Button>
          <Button size="xs" data-autofocus onClick={() => tab.answerPaste(always ? 'always' : 'yes')}>
            Paste
          </Button>
        </Group>
      </Group>
    </Modal>
  );
}
