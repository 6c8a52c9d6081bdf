import { Menu, Portal } from '@mantine/core';
import {
  IconDownload,
  IconEdit,
  IconFile,
  IconFolder,
  IconFolderOpen,
  IconLink,
  IconLock,
  IconQuestionMark,
  IconTrash,
  IconWriting,
} from '@tabler/icons-react';
import { useMemo } from 'react';
import type { RemoteEntry } from '../../../../gateway-core/contract/bridge/ssh.js';
import { VirtualList } from '../../../ui/virtual-list.js';
import { VisibleText } from '../../../ui/visible-text.js';
import { useTerminal } from '../context.js';
import style from './files.module.css';
import { bytesText, modeText, type SortBy, shownEntries } from './paths.js';
import { useFiles } from './use-files.js';

const rowHeight = 28;
const columns: readonly { readonly by: SortBy; readonly label: string }[] = [
  { by: 'name', label: 'Name' },
  { by: 'size', label: 'Size' },
  { by: 'modified', label: 'Changed' },
  { by: 'mode', label: 'Mode' },
];

/** The entries of a directory of any size. */
export function EntryList() {
  const { files } = useTerminal();
  const entries = useFiles((state) => state.entries);
  const sort = useFiles((state) => state.sort);
  const filter = useFiles((state) => state.filter);
  const hidden = useFiles((state) => state.hidden);
  const directory = useFiles((state) => state.directory);
  const shown = useMemo(
    () => shownEntries(entries ?? [], { sort, filter, hidden }),
    [entries, sort, filter, hidden],
  );
  const concealed = (entries?.length ?? 0) - shown.length;
  return (
    <>
      <div className={style['head']} role="group" aria-label="Sort by">
        {columns.map(({ by, label }) => (
          <button
            key={by}
            type="button"
            data-by={by}
            aria-pressed={sort.by === by}
            onClick={() => files.sortBy(by)}
          >
            {label}
            {sort.by === by && <span aria-hidden>{sort.descending ? ' ▾' : ' ▴'}</span>}
            {sort.by === by && (
              <span className={style['unseen']}>{sort.descending ? ', descending' : ', ascending'}</span>
            )}
          </button>
        ))}
      </div>
      <VirtualList
        label={`Entries of ${directory}`}
        items={shown}
        rowHeight={rowHeight}
        keyOf={({ name }) => name}
        textOf={({ name }) => name}
        onOpen={(entry) => void files.enter(entry)}
        onMenu={(of, at) => files.state.setState({ menu: { of, ...at } })}
        empty={
          concealed > 0 ? 'Nothing matches the filter, or all of it is hidden.' : 'This directory is empty.'
        }
        render={(entry) => <Row entry={entry} />}
      />
      <p className={style['count']} role="status">
        {shown.length === 1 ? '1 entry' : `${shown.length.toLocaleString()} entries`}
        {concealed > 0 ? `, ${concealed.toLocaleString()} not shown` : ''}
      </p>
      <EntryMenu />
    </>
  );
}

const icons = { file: IconFile, directory: IconFolder, link: IconLink, other: IconQuestionMark };

function Row({ entry }: { readonly entry: RemoteEntry }) {
  const problem = useFiles((state) => state.problems.get(entry.name));
  const Sign = icons[entry.kind];
  return (
    <div className={style['row']} data-problem={problem !== undefined || undefined}>
      <Sign size={15} stroke={1.6} aria-label={entry.kind} />
      <span className={style['name']}>
        <VisibleText text={entry.name} />
        {problem !== undefined && (
          <span
            className={style['problem']}
            role="alert"
            title={`${problem.message}${problem.action === undefined ? '' : `: ${problem.action}`}`}
          >
            <VisibleText text={problem.message} />
          </span>
        )}
      </span>
      <span data-by="size">{entry.kind === 'file' ? bytesText(entry.size) : ''}</span>
      <span data-by="modified" title={new Date(entry.modified * 1000).toISOString()}>
        {shortTime(entry.modified)}
      </span>
      <span data-by="mode" className={style['mode']}>
        {modeText(entry.mode)}
      </span>
    </div>
  );
}

function shortTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  const old = Date.now() - date.getTime() > 180 * 24 * 3600 * 1000;
  return date.toLocaleString(
    undefined,
    old
      ? { year: 'numeric', month: 'short', day: 'numeric' }
      : { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' },
  );
}

function EntryMenu() {
  const { files } = useTerminal();
  const menu = useFiles((state) => state.menu);
  if (menu === undefined) return null;
  const { of } = menu;
  const close = () => files.state.setState({ menu: undefined });
  return (
    <Portal>
      <Menu
        opened
        onClose={close}
        position="bottom-start"
        offset={0}
        shadow="md"
        width={190}
        returnFocus={false}
      >
        <Menu.Target>
          <span style={{ position: 'fixed', left: menu.x, top: menu.y, width: 1, height: 1 }} />
        </Menu.Target>
        <Menu.Dropdown>
          {of.kind === 'directory' ? (
            <Menu.Item leftSection={<IconFolderOpen size={15} />} onClick={() => void files.enter(of)}>
              Open
            </Menu.Item>
          ) : (
            <Menu.Item leftSection={<IconEdit size={15} />} onClick={() => files.edit(of)}>
              Edit
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconDownload size={15} />} onClick={() => void files.download(of)}>
            {of.kind === 'directory' ? 'Download the folder' : 'Download'}
          </Menu.Item>
          <Menu.Item leftSection={<IconWriting size={15} />} onClick={() => files.show({ kind: 'name', of })}>
            Rename
          </Menu.Item>
          <Menu.Item leftSection={<IconLock size={15} />} onClick={() => files.show({ kind: 'mode', of })}>
            Permissions
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={() => void files.remove(of)}>
            Delete
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Portal>
  );
}
