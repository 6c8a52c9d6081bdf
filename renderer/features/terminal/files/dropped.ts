/** Files of this machine that were chosen, with the folders that they stand in. */
export interface Chosen {
  /** Relative to where they go, parents first. */
  readonly folders: readonly string[];
  readonly files: readonly { readonly path: string; readonly file: File }[];
  /** There is more than is sent at once. */
  readonly cut: boolean;
}

export const chosenFilesMax = 20_000;

/** What was chosen one by one, or as a folder (`webkitRelativePath`). */
export function chosenOf(list: readonly File[]): Chosen {
  const files = list.slice(0, chosenFilesMax).map((file) => ({
    path: file.webkitRelativePath === '' ? file.name : file.webkitRelativePath,
    file,
  }));
  const folders = new Set<string>();
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1);
    parts.forEach((_part, index) => folders.add(parts.slice(0, index + 1).join('/')));
  }
  return { folders: [...folders], files, cut: list.length > chosenFilesMax };
}

/** The same of what was dropped: folders with everything in them. To be called while the drop is being handled. */
export async function droppedOf(items: Iterable<DataTransferItem>): Promise<Chosen> {
  const waiting = [...items].flatMap((item) => {
    const entry = item.webkitGetAsEntry();
    const file = item.getAsFile();
    return entry === null && file === null ? [] : [{ entry, file, path: entry?.name ?? file?.name ?? '' }];
  });
  const folders: string[] = [];
  const files: { path: string; file: File }[] = [];
  for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
    if (files.length >= chosenFilesMax) return { folders, files, cut: true };
    const { entry, path } = one;
    if (isFolder(entry)) {
      folders.push(path);
      for (const child of await childrenOf(entry))
        waiting.push({ entry: child, file: null, path: `${path}/${child.name}` });
      continue;
    }
    const file = one.file ?? (isFile(entry) ? await fileOf(entry) : undefined);
    if (file !== undefined) files.push({ path, file });
  }
  return { folders, files, cut: false };
}

const isFolder = (entry: FileSystemEntry | null): entry is FileSystemDirectoryEntry =>
  entry?.isDirectory === true;
const isFile = (entry: FileSystemEntry | null): entry is FileSystemFileEntry => entry?.isFile === true;

const fileOf = (entry: FileSystemFileEntry): Promise<File> =>
  new Promise((resolve, reject) => entry.file(resolve, reject));

/** A reader gives some at a time, and none at the end. */
async function childrenOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0 || all.length > chosenFilesMax) return all;
    all.push(...some);
  }
}
