import { createStore, type StoreApi } from 'zustand/vanilla';
import type { BridgeError } from '../../../../gateway-core/contract/bridge/app.js';
import {
  directoryPageMax,
  editedFileBytesMax,
  type RemoteEntry,
  type SshSession,
} from '../../../../gateway-core/contract/bridge/ssh.js';
import { call, failureOf } from '../../../bridge/index.js';
import { workbench } from '../../../ui/workbench.js';
import type { Chosen } from './dropped.js';
import { childOf, parentOf, type Sort, type SortBy } from './paths.js';
import { removalOf } from './removal.js';
import { sendAll } from './send.js';
import { download, isOver, useTransfers } from './transfers.js';

export type FilesDialog =
  | { readonly kind: 'name'; readonly of: RemoteEntry | undefined }
  | { readonly kind: 'mode'; readonly of: RemoteEntry }
  | { readonly kind: 'edit'; readonly path: string; readonly entry: RemoteEntry };

export interface FilesState {
  readonly directory: string;
  readonly entries: readonly RemoteEntry[] | undefined;
  readonly cut: boolean;
  readonly reading: boolean;
  /** Why the directory could not be read. */
  readonly problem: BridgeError | undefined;
  /** What went wrong with one entry, by its name: it stands at its row. */
  readonly problems: ReadonlyMap<string, BridgeError>;
  readonly sort: Sort;
  readonly filter: string;
  readonly hidden: boolean;
  readonly dialog: FilesDialog | undefined;
  readonly menu: { readonly of: RemoteEntry; readonly x: number; readonly y: number } | undefined;
}

/** The directory that stands beside a terminal. */
export class FilesModel {
  readonly state: StoreApi<FilesState>;
  readonly #session: () => SshSession | undefined;
  /** An older reading that still runs changes nothing any more. */
  #round = 0;

  constructor(session: () => SshSession | undefined, directory: string) {
    this.#session = session;
    this.state = createStore<FilesState>(() => ({
      directory: directory === '' ? '.' : directory,
      entries: undefined,
      cut: false,
      reading: false,
      problem: undefined,
      problems: new Map(),
      sort: { by: 'name', descending: false },
      filter: '',
      hidden: false,
      dialog: undefined,
      menu: undefined,
    }));
  }

  get directory(): string {
    return this.state.getState().directory;
  }

  /** Names of files of this session that are on their way. */
  underWay(): string[] {
    const key = this.#session()?.key;
    return useTransfers
      .getState()
      .transfers.filter((each) => each.key === key && !isOver(each))
      .map(({ name }) => name);
  }

  async open(path: string): Promise<void> {
    const key = this.#session()?.key;
    if (key === undefined) return;
    this.#round += 1;
    const round = this.#round;
    // Now, not with the answer: what is typed meanwhile is for the directory that comes.
    const filter = path === this.directory ? this.state.getState().filter : '';
    this.state.setState({ reading: true, problem: undefined, filter });
    try {
      const page = await call('sftp.list', { key, path });
      const entries = [...page.entries];
      while (entries.length < page.count && round === this.#round) {
        const from = entries.length;
        const more = await call('sftp.page', { listing: page.listing, from, count: directoryPageMax });
        if (more.entries.length === 0) break;
        entries.push(...more.entries);
      }
      if (round !== this.#round) return;
      const moved = page.path !== this.directory;
      const fresh = moved ? { problems: new Map<string, BridgeError>() } : {};
      this.state.setState({ directory: page.path, entries, cut: page.cut, reading: false, ...fresh });
    } catch (cause) {
      if (round === this.#round) this.state.setState({ reading: false, problem: failureOf(cause) });
    }
  }

  refresh(): Promise<void> {
    return this.open(this.directory);
  }
  up(): Promise<void> {
    return this.open(parentOf(this.directory));
  }

  /** A directory is gone into, a file of text edited, any other downloaded. A link is what it leads to. */
  async enter(entry: RemoteEntry): Promise<void> {
    const path = childOf(this.directory, entry.name);
    if (entry.kind === 'directory' || entry.kind === 'link') {
      const before = this.state.getState().problem;
      await this.open(path);
      const { problem } = this.state.getState();
      if (problem === undefined || problem === before || entry.kind === 'directory') return;
      this.state.setState({ problem: undefined });
    }
    if (entry.size <= editedFileBytesMax && entry.kind !== 'other') this.edit(entry);
    else await this.download(entry);
  }

  edit(entry: RemoteEntry): void {
    this.show({ kind: 'edit', path: childOf(this.directory, entry.name), entry });
  }
  show(dialog: FilesDialog | undefined): void {
    this.state.setState({ dialog, menu: undefined });
  }
  sortBy(by: SortBy): void {
    this.state.setState(({ sort }) => ({
      sort: { by, descending: sort.by === by ? !sort.descending : by !== 'name' },
    }));
  }

  async download(entry: RemoteEntry): Promise<void> {
    await this.#at(entry.name, (key) => download(key, childOf(this.directory, entry.name)));
  }

  /** Sends files and folders of this machine here; what is there already is asked about. */
  async upload(chosen: Chosen): Promise<void> {
    const { directory } = this;
    const name = (chosen.folders[0] ?? chosen.files[0]?.path ?? '').split('/')[0] ?? '';
    await this.#at(name, (key) => sendAll(key, directory, chosen));
    if (this.directory === directory) void this.refresh();
  }

  async rename(entry: RemoteEntry, name: string): Promise<void> {
    const { directory } = this;
    await this.#at(entry.name, (key) =>
      call('sftp.rename', { key, path: childOf(directory, entry.name), to: childOf(directory, name) }),
    );
    await this.refresh();
  }

  async makeDirectory(name: string): Promise<BridgeError | undefined> {
    const key = this.#session()?.key;
    if (key === undefined) return undefined;
    try {
      await call('sftp.makeDirectory', { key, path: childOf(this.directory, name) });
    } catch (cause) {
      return failureOf(cause);
    }
    await this.refresh();
    return undefined;
  }

  async setMode(entry: RemoteEntry, mode: number): Promise<void> {
    await this.#at(entry.name, (key) =>
      call('sftp.setMode', { key, path: childOf(this.directory, entry.name), mode }),
    );
    await this.refresh();
  }

  /** Asks first, with everything that would go. */
  async remove(entry: RemoteEntry): Promise<void> {
    this.state.setState({ menu: undefined });
    await this.#at(entry.name, async (key) => {
      const path = childOf(this.directory, entry.name);
      const removal = await removalOf(key, path, entry);
      const sure = await workbench().confirm({
        title: `Delete ${entry.name}?`,
        text: removal.text,
        button: removal.button,
        danger: true,
      });
      if (sure === undefined) return;
      for (const each of removal.steps) await call('sftp.remove', { key, ...each });
    });
    await this.refresh();
  }

  dispose(): void {
    this.#round += 1;
  }

  /** What goes wrong stands at the row of that name. */
  async #at(name: string, work: (key: string) => Promise<unknown>): Promise<void> {
    const key = this.#session()?.key;
    if (key === undefined) return;
    const problems = new Map(this.state.getState().problems);
    problems.delete(name);
    try {
      await work(key);
    } catch (cause) {
      const problem = failureOf(cause);
      problems.set(name, problem);
      // It has no row to stand at.
      if (this.state.getState().entries?.some((each) => each.name === name) !== true) tell(name, problem);
    }
    this.state.setState({ problems });
  }
}

function tell(name: string, { message, action }: BridgeError): void {
  const text = action === undefined ? message : `${message}: ${action}`;
  workbench().notify({ level: 'error', title: `${name} was not sent`, text });
}
