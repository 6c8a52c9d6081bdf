import { Button, Checkbox, Group, Modal, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import type { RemoteEntry } from '../../../../gateway-core/contract/bridge/ssh.js';
import { sentence } from '../../../ui/error-state.js';
import { useTerminal } from '../context.js';
import { EditDialog } from './edit.js';
import style from './files.module.css';
import { modeOf, modeText, nameProblem } from './paths.js';
import { useFiles } from './use-files.js';

export function FilesDialogs() {
  const dialog = useFiles((state) => state.dialog);
  if (dialog === undefined) return null;
  if (dialog.kind === 'name') return <NameDialog of={dialog.of} />;
  if (dialog.kind === 'mode') return <ModeDialog of={dialog.of} />;
  return <EditDialog key={dialog.path} path={dialog.path} />;
}

/** A new folder, or another name. */
function NameDialog({ of }: { readonly of: RemoteEntry | undefined }) {
  const { files } = useTerminal();
  const [name, setName] = useState(of?.name ?? '');
  const [failed, setFailed] = useState<BridgeError>();
  const wrong = name === '' ? undefined : nameProblem(name);
  const submit = async () => {
    if (nameProblem(name) !== undefined) return;
    if (of === undefined) {
      const problem = await files.makeDirectory(name);
      setFailed(problem);
      if (problem === undefined) files.show(undefined);
      return;
    }
    files.show(undefined);
    if (name !== of.name) await files.rename(of, name);
  };
  return (
    <Modal
      opened
      centered
      size="sm"
      title={of === undefined ? 'New folder' : `Rename ${of.name}`}
      onClose={() => files.show(undefined)}
      closeButtonProps={{ 'aria-label': 'Cancel' }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <TextInput
          size="xs"
          label="Name"
          data-autofocus
          maxLength={255}
          value={name}
          error={wrong ?? (failed === undefined ? undefined : sentence(failed.message))}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Group justify="flex-end" mt="md" gap={8}>
          <Button size="xs" variant="default" onClick={() => files.show(undefined)}>
            Cancel
          </Button>
          <Button size="xs" type="submit" disabled={nameProblem(name) !== undefined}>
            {of === undefined ? 'Make' : 'Rename'}
          </Button>
        </Group>
      </form>
    </Modal>
  );
}

const who = ['Owner', 'Group', 'Others'] as const;
const what = ['read', 'write', 'run'] as const;

/** Permissions as a grid and as a number: either changes the other. */
function ModeDialog({ of }: { readonly of: RemoteEntry }) {
  const { files } = useTerminal();
  const [mode, setMode] = useState(of.mode);
  const [text, setText] = useState(octal(of.mode));
  const put = (next: number) => {
    setMode(next);
    setText(octal(next));
  };
  return (
    <Modal
      opened
      centered
      size="sm"
      title={`Permissions of ${of.name}`}
      onClose={() => files.show(undefined)}
      closeButtonProps={{ 'aria-label': 'Cancel' }}
    >
      <table className={style['grid']}>
        <thead>
          <tr>
            <td />
            {what.map((word) => (
              <th key={word} scope="col">
                {word}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {who.map((name, row) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              {what.map((word, column) => {
                const bit = 0o400 >> (row * 3 + column);
                return (
                  <td key={word}>
                    <Checkbox
                      size="xs"
                      aria-label={`${name}: ${word}`}
                      checked={(mode & bit) !== 0}
                      onChange={(event) => put(event.currentTarget.checked ? mode | bit : mode & ~bit)}
                    />
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (modeOf(text) === undefined) return;
          files.show(undefined);
          void files.setMode(of, mode);
        }}
      >
        <Group align="flex-end" gap={10}>
          <TextInput
            size="xs"
            w={90}
            label="Octal"
            maxLength={4}
            value={text}
            error={modeOf(text) === undefined}
            onChange={(event) => {
              setText(event.currentTarget.value);
              const next = modeOf(event.currentTarget.value);
              if (next !== undefined) setMode(next);
            }}
          />
          <code className={style['mode']}>{modeText(mode)}</code>
        </Group>
        <Group justify="flex-end" mt="md" gap={8}>
          <Button size="xs" variant="default" onClick={() => files.show(undefined)}>
            Cancel
          </Button>
          <Button size="xs" type="submit" data-autofocus disabled={modeOf(text) === undefined}>
            Set
          </Button>
        </Group>
      </form>
    </Modal>
  );
}

const octal = (mode: number): string => mode.toString(8).padStart(3, '0');
