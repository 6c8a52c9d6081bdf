import { Button, Group, Modal } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import type { RemoteText } from '../../../../gateway-core/contract/bridge/ssh.js';
import { call, failureOf } from '../../../bridge/index.js';
import { ErrorState } from '../../../ui/error-state.js';
import type { PlainEditor } from '../../../ui/monaco/plain.js';
import { Skeleton } from '../../../ui/skeleton.js';
import { workbench } from '../../../ui/workbench.js';
import { useTerminal, useTerminalState } from '../context.js';
import style from './files.module.css';

/** A text file of the target, read, changed and saved, unless somebody else has changed it meanwhile. */
export function EditDialog({ path }: { readonly path: string }) {
  const { files, name } = useTerminal();
  const key = useTerminalState(({ session }) => session?.key);
  const [read, setRead] = useState<RemoteText>();
  const [problem, setProblem] = useState<BridgeError>();
  const [unsaved, setUnsaved] = useState(false);
  const [saving, setSaving] = useState(false);
  const [round, setRound] = useState(0);
  const editor = useRef<PlainEditor>(undefined);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `round` reads it again
  useEffect(() => {
    if (key === undefined) return;
    setProblem(undefined);
    setRead(undefined);
    call('sftp.readText', { key, path }).then(setRead, (cause: unknown) => setProblem(failureOf(cause)));
  }, [key, path, round]);
  const close = async () => {
    if (unsaved) {
      const sure = await workbench().confirm({
        title: 'Close without saving?',
        text: `What you changed in ${path} will be lost.`,
        button: 'Close without saving',
        danger: true,
      });
      if (sure === undefined) return;
    }
    files.show(undefined);
    void files.refresh();
  };
  const save = async (replace: boolean) => {
    const text = editor.current?.text();
    if (key === undefined || read === undefined || text === undefined || saving) return;
    setSaving(true);
    setProblem(undefined);
    try {
      const { size, modified } = read;
      const saved = await call('sftp.writeText', { key, path, text, size, modified, replace });
      setRead(saved);
      setUnsaved(editor.current?.text() !== text);
    } catch (cause) {
      setProblem(failureOf(cause));
    } finally {
      setSaving(false);
    }
  };
  return (
    <Modal
      opened
      size="80rem"
      title={`${path} on ${name}${unsaved ? ' · unsaved' : ''}`}
      onClose={() => void close()}
      closeButtonProps={{ 'aria-label': 'Close' }}
      closeOnEscape={false}
      closeOnClickOutside={false}
    >
      {problem !== undefined && <ErrorState compact error={problem} />}
      {problem?.code === 'conflict' && read !== undefined && (
        <Group gap={8} my={6}>
          <Button size="compact-xs" color="red" onClick={() => void save(true)}>
            Replace it with mine
          </Button>
          <Button size="compact-xs" variant="default" onClick={() => setRound(round + 1)}>
            Read it again, drop mine
          </Button>
        </Group>
      )}
      {read === undefined && problem === undefined && <Skeleton label="Reading the file" />}
      {read !== undefined && (
        <Text
          key={round}
          read={read}
          port={editor}
          changed={() => setUnsaved(true)}
          save={() => void save(false)}
        />
      )}
      <Group justify="flex-end" mt="sm" gap={8}>
        <Button size="xs" variant="default" onClick={() => void close()}>
          Close
        </Button>
        <Button
          size="xs"
          disabled={read === undefined || !unsaved}
          loading={saving}
          onClick={() => void save(false)}
        >
          Save
        </Button>
      </Group>
    </Modal>
  );
}

function Text({
  read,
  port,
  changed,
  save,
}: {
  readonly read: RemoteText;
  readonly port: React.RefObject<PlainEditor | undefined>;
  readonly changed: () => void;
  readonly save: () => void;
}) {
  const parent = useRef<HTMLDivElement>(null);
  const latest = useRef({ changed, save });
  latest.current = { changed, save };
  const first = useRef(read);
  useEffect(() => {
    let gone = false;
    void import('../../../ui/monaco/plain.js').then(({ createPlainEditor }) => {
      if (gone || parent.current === null) return;
      const { path, text } = first.current;
      port.current = createPlainEditor(parent.current, {
        text,
        label: `Text of ${path}`,
        changed: () => latest.current.changed(),
        save: () => latest.current.save(),
      });
    });
    return () => {
      gone = true;
      port.current?.dispose();
      port.current = undefined;
    };
  }, [port]);
  return <div ref={parent} className={style['editor']} />;
}
