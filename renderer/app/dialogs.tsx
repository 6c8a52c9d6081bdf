import { Button, Group, Modal, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { create } from 'zustand';
import type { Workbench } from '../ui/workbench.js';

type Question = Parameters<Workbench['confirm']>[0];

interface Asked {
  readonly number: number;
  readonly question: Question;
  readonly answer: (reason: string | undefined) => void;
}

const useAsked = create<{ readonly asked: readonly Asked[] }>(() => ({ asked: [] }));
let asks = 0;

/** Asks one question after the other. */
export function confirm(question: Question): Promise<string | undefined> {
  return new Promise((answer) => {
    asks += 1;
    const number = asks;
    useAsked.setState(({ asked }) => ({ asked: [...asked, { number, question, answer }] }));
  });
}

export function isAsking(): boolean {
  return useAsked.getState().asked.length > 0;
}

export function Dialogs() {
  const [first] = useAsked(({ asked }) => asked);
  if (first === undefined) return null;
  const close = (reason: string | undefined) => {
    useAsked.setState(({ asked }) => ({ asked: asked.slice(1) }));
    first.answer(reason);
  };
  return <Dialog key={first.number} question={first.question} close={close} />;
}

function Dialog({
  question,
  close,
}: {
  readonly question: Question;
  readonly close: (reason: string | undefined) => void;
}) {
  const { title, text, button, danger, reason } = question;
  const [typed, setTyped] = useState('');
  const ready = reason?.required !== true || typed.trim() !== '';
  return (
    <Modal
      opened
      onClose={() => close(undefined)}
      title={title}
      centered
      size="md"
      closeButtonProps={{ 'aria-label': 'Cancel' }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) close(typed.trim());
        }}
      >
        <Text size="sm">{text}</Text>
        {reason !== undefined && (
          <TextInput
            mt="sm"
            label={reason.label}
            required={reason.required}
            withAsterisk={reason.required}
            maxLength={1000}
            autoFocus
            data-autofocus
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
        )}
        <Group justify="flex-end" mt="md" gap={8}>
          <Button size="xs" variant="default" onClick={() => close(undefined)}>
            Cancel
          </Button>
          <Button
            size="xs"
            type="submit"
            disabled={!ready}
            {...(danger ? { color: 'red' } : {})}
            {...(reason === undefined ? { 'data-autofocus': true } : {})}
          >
            {button}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}
