import {
  Button,
  Group,
  Modal,
  Progress,
  Radio,
  SegmentedControl,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useEffect, useState } from 'react';
import { type BridgeError, QueryName } from '../../../../gateway-core/contract/bridge/app.js';
import { exportFormats } from '../../../../gateway-core/contract/bridge/work.js';
import { call, failureOf } from '../../../bridge/index.js';
import { CopyLine } from '../../../ui/copy-line.js';
import { ErrorState } from '../../../ui/error-state.js';
import { bytesText } from '../../../ui/time.js';
import { useTab, useTabState } from '../context.js';
import type { GridModel } from '../grid/model.js';
import { resultTabs } from '../runs.js';
import { addExport, type ExportView, reveal, useExports, watched } from './exports.js';

type Format = (typeof exportFormats)[number];

/** Writes the shown result into a file: what, as what, and how far it is. */
export function ExportDialog() {
  const tab = useTab();
  const open = useTabState(({ dialog }) => dialog === 'export');
  const shown = useTabState((state) => state.shown);
  const runs = useTabState((state) => state.runs);
  const result = resultTabs(runs).find((each) => each.result.key === shown);
  const model = result === undefined ? undefined : tab.grid(result.result.key);
  if (!open) return null;
  const close = () => tab.state.setState({ dialog: 'none' });
  return (
    <Modal
      opened
      onClose={close}
      title="Export"
      centered
      size="md"
      closeButtonProps={{ 'aria-label': 'Close' }}
    >
      {model === undefined || result === undefined ? (
        <Text size="sm">Show a result first: it is what is exported.</Text>
      ) : (
        <Export model={model} label={result.label} close={close} />
      )}
    </Modal>
  );
}

function Export({
  model,
  label,
  close,
}: {
  readonly model: GridModel;
  readonly label: string;
  readonly close: () => void;
}) {
  const [format, setFormat] = useState<Format>('csv');
  const [name, setName] = useState(() => `${label.replaceAll(/[^\p{L}\p{N}_ -]/gu, '')} ${stamp()}`.trim());
  // The rest of a result that was cut is gone: what is here can be written, no more.
  const isCut = model.loaded.state === 'cut';
  const [scope, setScope] = useState<'all' | 'view'>(isCut ? 'view' : 'all');
  const [started, setStarted] = useState<string>();
  const [problem, setProblem] = useState<BridgeError>();
  const view = useExports(({ exports }) => exports.find(({ id }) => id === started));
  useEffect(() => {
    if (started === undefined) return undefined;
    watched.add(started);
    return () => {
      watched.delete(started);
    };
  }, [started]);
  const file = `${name.trim()}.${format}`;
  const checked = QueryName.safeParse(file);
  const start = async () => {
    try {
      setProblem(undefined);
      const made = await call('exports.start', {
        result: model.result,
        format,
        name: file,
        view: scope === 'view',
      });
      addExport(made);
      setStarted(made.id);
    } catch (cause) {
      setProblem(failureOf(cause));
    }
  };
  if (view !== undefined) return <Running view={view} close={close} />;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (checked.success) void start();
      }}
    >
      <Stack gap={12}>
        <SegmentedControl
          size="xs"
          aria-label="Format"
          data={exportFormats.map((value) => ({ value, label: value.toUpperCase() }))}
          value={format}
          onChange={setFormat}
        />
        <TextInput
          size="xs"
          label="File name"
          rightSection={
            <Text size="xs" c="dimmed">
              .{format}
            </Text>
          }
          rightSectionWidth={64}
          data-autofocus
          value={name}
          maxLength={100}
          error={name.trim() === '' || checked.success ? undefined : checked.error.issues[0]?.message}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Radio.Group label="Rows" value={scope} onChange={setScope}>
          <Radio
            size="sm"
            mt={8}
            value="all"
            disabled={isCut}
            label={
              isCut
                ? 'Every row of the statement: run it again, it did not come to its end'
                : 'Every row of the statement, also those that are not loaded yet'
            }
          />
          <Radio
            size="sm"
            mt={8}
            value="view"
            label={`What is shown, sorted and filtered: ${model.rows.toLocaleString()} rows`}
          />
        </Radio.Group>
        <Text size="xs" c="dimmed">
          Masked values are exported masked, as they are shown.
        </Text>
        {problem !== undefined && <ErrorState compact error={problem} />}
        <Group justify="flex-end" gap={8}>
          <Button size="xs" variant="default" onClick={close}>
            Cancel
          </Button>
          <Button size="xs" type="submit" disabled={!checked.success || name.trim() === ''}>
            Export
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Running({ view, close }: { readonly view: ExportView; readonly close: () => void }) {
  const { state, rows, rowsTotal, bytes, maskedCells, path, error } = view;
  const share =
    state === 'done' ? 100 : rowsTotal === undefined || rowsTotal === 0 ? 100 : (rows / rowsTotal) * 100;
  const words = { running: 'Exporting', done: 'Exported', failed: 'Not exported', cancelled: 'Cancelled' };
  return (
    <Stack gap={10}>
      <Text size="sm" role="status">
        {words[state]} {rows.toLocaleString()}
        {rowsTotal !== undefined && state === 'running' && ` of ${rowsTotal.toLocaleString()}`} rows,{' '}
        {bytesText(bytes)}
        {maskedCells > 0 && `, ${maskedCells.toLocaleString()} masked cells`}
      </Text>
      <Progress value={share} animated={state === 'running'} aria-label="Progress of the export" />
      {error !== undefined && <ErrorState compact error={error} />}
      {state === 'done' && <CopyLine text={path} label="Copy the path" />}
      <Group justify="flex-end" gap={8}>
        {state === 'running' && (
          <Button
            size="xs"
            variant="default"
            onClick={() => void call('exports.cancel', { id: view.id }).catch(() => undefined)}
          >
            Cancel the export
          </Button>
        )}
        {state === 'done' && (
          <Button size="xs" onClick={() => void reveal(view)}>
            Show the file
          </Button>
        )}
        <Button size="xs" variant="default" onClick={close}>
          {state === 'running' ? 'Go on in the background' : 'Close'}
        </Button>
      </Group>
    </Stack>
  );
}

/** Local date and time for a file's name. */
function stamp(): string {
  const now = new Date();
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}${two(now.getMinutes())}`;
}
