import { Button, TextInput } from '@mantine/core';
import {
  IconArrowUp,
  IconEye,
  IconFolder,
  IconFolderPlus,
  IconFolderUp,
  IconRefresh,
  IconSearch,
  IconUpload,
} from '@tabler/icons-react';
import { type DragEvent, type RefObject, useEffect, useRef, useState } from 'react';
import { EmptyState } from '../../../ui/empty-state.js';
import { ErrorState } from '../../../ui/error-state.js';
import { IconButton } from '../../../ui/icon-button.js';
import { Skeleton } from '../../../ui/skeleton.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { useTerminal, useTerminalState } from '../context.js';
import { FilesDialogs } from './dialogs.js';
import { chosenOf, droppedOf } from './dropped.js';
import style from './files.module.css';
import { EntryList } from './list.js';
import type { FilesModel } from './model.js';
import { crumbsOf } from './paths.js';
import { TransferList } from './transfer-list.js';
import { followTransfers } from './transfers.js';
import { useFiles } from './use-files.js';

/** The target's files beside its terminal. */
export function FilesPane() {
  const tab = useTerminal();
  const { files } = tab;
  const session = useTerminalState((state) => state.session);
  const ready = session?.state === 'ready';
  const read = useFiles((state) => state.entries !== undefined);
  useEffect(followTransfers, []);
  useEffect(() => {
    if (ready) void files.refresh();
  }, [ready, files]);
  const [over, setOver] = useState(false);
  return (
    <section
      className={style['pane']}
      aria-label={`Files of ${tab.name}`}
      data-over={over || undefined}
      onDragOver={(event) => {
        if (!ready || !carriesFiles(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        if (!ready || !carriesFiles(event)) return;
        event.preventDefault();
        void droppedOf(event.dataTransfer.items).then((chosen) => files.upload(chosen));
      }}
    >
      <Bar files={files} ready={ready} />
      <Place files={files} />
      <Body ready={ready} read={read} />
      <TransferList sessionKey={session?.key} />
      <FilesDialogs />
    </section>
  );
}

const carriesFiles = (event: DragEvent): boolean => event.dataTransfer.types.includes('Files');

function Body({ ready, read }: { readonly ready: boolean; readonly read: boolean }) {
  const { files } = useTerminal();
  const problem = useFiles((state) => state.problem);
  const cut = useFiles((state) => state.cut);
  if (!ready && !read) {
    return (
      <EmptyState
        icon={IconFolder}
        title="Not connected"
        text="Files appear once the terminal is connected."
      />
    );
  }
  if (!read) {
    if (problem !== undefined) return <ErrorState error={problem} retry={() => void files.refresh()} />;
    return <Skeleton label="Reading the directory" />;
  }
  return (
    <>
      {problem !== undefined && <ErrorState compact error={problem} retry={() => void files.refresh()} />}
      {cut && <p className={style['cut']}>There are more entries than are read.</p>}
      <EntryList />
    </>
  );
}

function Bar({ files, ready }: { readonly files: FilesModel; readonly ready: boolean }) {
  const hidden = useFiles((state) => state.hidden);
  const filter = useFiles((state) => state.filter);
  const input = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  return (
    <div className={style['bar']} role="toolbar" aria-label="Files">
      <IconButton label="Up" icon={IconArrowUp} disabled={!ready} run={() => void files.up()} />
      <IconButton label="Read again" icon={IconRefresh} disabled={!ready} run={() => void files.refresh()} />
      <IconButton
        label="New folder"
        icon={IconFolderPlus}
        disabled={!ready}
        run={() => files.show({ kind: 'name', of: undefined })}
      />
      <IconButton
        label="Hidden files"
        icon={IconEye}
        pressed={hidden}
        run={() => files.state.setState({ hidden: !hidden })}
      />
      <TextInput
        size="xs"
        className={style['filter']}
        placeholder="Filter"
        aria-label="Filter files"
        leftSection={<IconSearch size={13} aria-hidden />}
        value={filter}
        onChange={(event) => files.state.setState({ filter: event.currentTarget.value })}
      />
      <Choose ref={input} label="Files to upload" chosen={(list) => void files.upload(chosenOf(list))} />
      <Choose
        ref={folder}
        folder
        label="Folder to upload"
        chosen={(list) => void files.upload(chosenOf(list))}
      />
      <IconButton
        label="Upload a folder"
        icon={IconFolderUp}
        disabled={!ready}
        run={() => folder.current?.click()}
      />
      <Button
        size="compact-xs"
        variant="default"
        disabled={!ready}
        leftSection={<IconUpload size={13} />}
        onClick={() => input.current?.click()}
      >
        Upload
      </Button>
    </div>
  );
}

/** What React's types do not know: the input takes a folder. */
const folderInput = { webkitdirectory: '' };

/** Opens the system's own dialog when it is clicked by `ref`. */
function Choose({
  ref,
  label,
  folder = false,
  chosen,
}: {
  readonly ref: RefObject<HTMLInputElement | null>;
  readonly label: string;
  readonly folder?: boolean;
  readonly chosen: (files: readonly File[]) => void;
}) {
  return (
    <input
      ref={ref}
      type="file"
      hidden
      aria-label={label}
      {...(folder ? folderInput : { multiple: true })}
      onChange={(event) => {
        const list = [...(event.currentTarget.files ?? [])];
        // So that the same choice is one again.
        event.currentTarget.value = '';
        chosen(list);
      }}
    />
  );
}

/** Where one is: each part leads there, and the whole can be typed. */
function Place({ files }: { readonly files: FilesModel }) {
  const directory = useFiles((state) => state.directory);
  const reading = useFiles((state) => state.reading);
  const [typed, setTyped] = useState<string>();
  if (typed !== undefined) {
    return (
      <form
        className={style['place']}
        onSubmit={(event) => {
          event.preventDefault();
          setTyped(undefined);
          if (typed.trim() !== '') void files.open(typed);
        }}
      >
        <TextInput
          size="xs"
          autoFocus
          aria-label="Directory"
          className={style['path']}
          maxLength={4096}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          onBlur={() => setTyped(undefined)}
          onKeyDown={(event) => {
            if (event.key === 'Escape') setTyped(undefined);
          }}
        />
      </form>
    );
  }
  return (
    <nav className={style['place']} aria-label="Directory" aria-busy={reading}>
      {(directory.startsWith('/') ? crumbsOf(directory) : []).map(({ name, path }, index) => (
        <span key={path}>
          {index > 1 && <span aria-hidden>/</span>}
          <button type="button" onClick={() => void files.open(path)}>
            <VisibleText text={name} />
          </button>
        </span>
      ))}
      <button type="button" className={style['type']} onClick={() => setTyped(directory)}>
        Go to…
      </button>
    </nav>
  );
}
