import { Button, Group, Modal, Text, Textarea, TextInput } from '@mantine/core';
import { IconBlockquote, IconPlayerPlay, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import type { Preferences } from '../../../gateway-core/contract/bridge/app.js';
import { prefer, useKnown } from '../../ui/app-state.js';
import { EmptyState } from '../../ui/empty-state.js';
import { IconButton } from '../../ui/icon-button.js';
import { VisibleText } from '../../ui/visible-text.js';
import { useTerminal, useTerminalState } from './context.js';
import style from './terminal.module.css';

type Snippet = Preferences['snippets'][number];

/** Lines that are kept on this device: put into the terminal, and run only when that is asked for. */
export function Snippets() {
  const open = useTerminalState((state) => state.snippets);
  return open ? <Dialog /> : null;
}

function Dialog() {
  const tab = useTerminal();
  const snippets = useKnown(({ preferences }) => preferences.snippets);
  const [filter, setFilter] = useState('');
  const wanted = filter.trim().toLowerCase();
  const shown = snippets.filter(({ name, text }) => `${name} ${text}`.toLowerCase().includes(wanted));
  const close = () => {
    tab.state.setState({ snippets: false });
    tab.screen?.focus();
  };
  const put = ({ text }: Snippet, run: boolean) => {
    tab.state.setState({ snippets: false });
    tab.paste(text);
    // Several lines are asked about first: they run by the answer to that.
    if (run && !text.includes('\n')) tab.input('\r');
    tab.screen?.focus();
  };
  return (
    <Modal
      opened
      centered
      size="lg"
      title="Snippets"
      onClose={close}
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {snippets.length === 0 ? (
        <EmptyState
          icon={IconBlockquote}
          title="No snippet is kept yet"
          text="Lines that you type again and again: kept on this device only, put into the terminal with one click."
        />
      ) : (
        <>
          <TextInput
            size="xs"
            placeholder="Filter"
            aria-label="Filter snippets"
            data-autofocus
            value={filter}
            onChange={(event) => setFilter(event.currentTarget.value)}
            onKeyDown={(event) => {
              const [first] = shown;
              if (event.key === 'Enter' && first !== undefined) put(first, false);
            }}
          />
          <ul className={style['snippets']}>
            {shown.map((snippet) => (
              <li key={snippet.name}>
                <button type="button" className={style['snippet']} onClick={() => put(snippet, false)}>
                  <b>
                    <VisibleText text={snippet.name} />
                  </b>
                  <code>
                    <VisibleText text={snippet.text} />
                  </code>
                </button>
                <IconButton
                  label={`Run ${snippet.name}`}
                  icon={IconPlayerPlay}
                  run={() => put(snippet, true)}
                />
                <IconButton
                  label={`Delete ${snippet.name}`}
                  icon={IconTrash}
                  run={() => void prefer({ snippets: snippets.filter((each) => each !== snippet) })}
                />
              </li>
            ))}
          </ul>
        </>
      )}
      <Added snippets={snippets} />
    </Modal>
  );
}

function Added({ snippets }: { readonly snippets: readonly Snippet[] }) {
  const [name, setName] = useState('');
  const [text, setText] = useState('');
  const taken = snippets.some((each) => each.name === name.trim());
  const ready = name.trim() !== '' && text.trim() !== '' && !taken;
  return (
    <form
      className={style['added']}
      aria-label="A new snippet"
      onSubmit={(event) => {
        event.preventDefault();
        if (!ready) return;
        void prefer({ snippets: [...snippets, { name: name.trim(), text }] });
        setName('');
        setText('');
      }}
    >
      <TextInput
        size="xs"
        label="Name"
        maxLength={80}
        value={name}
        error={taken ? 'This name is taken.' : undefined}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <Textarea
        size="xs"
        label="Lines"
        autosize
        minRows={1}
        maxRows={6}
        maxLength={8000}
        classNames={{ input: style['mono'] ?? '' }}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Group justify="space-between">
        <Text size="xs" c="dimmed">
          Kept in this device’s settings: put no password here.
        </Text>
        <Button size="xs" type="submit" disabled={!ready}>
          Keep
        </Button>
      </Group>
    </form>
  );
}
