import { CallFailed, call, failureOf } from '../../../bridge/index.js';
import { workbench } from '../../../ui/workbench.js';
import { type Chosen, chosenFilesMax } from './dropped.js';
import { childOf } from './paths.js';
import { settled, upload } from './transfers.js';

/** Files on their way at once; the others wait. */
const uploadsAtOnce = 3;
/** After so many that were refused the rest is not tried. */
const refusedMax = 20;

/**
 * Sends files, and folders with all that is in them, into a directory of the target. What is there already is asked
 * about once, for all of them. @throws CallFailed a folder that cannot be made; how many files were refused, and why
 */
export async function sendAll(key: string, directory: string, chosen: Chosen): Promise<void> {
  if (chosen.cut) {
    throw new CallFailed({
      code: 'too-large',
      message: `more than ${chosenFilesMax.toLocaleString()} files were chosen`,
      action: 'choose fewer, or pack them into one',
    });
  }
  for (const folder of chosen.folders) await makeFolder(key, childOf(directory, folder));
  const refused: unknown[] = [];
  const replacing = new Replacing(directory, chosen.files.length);
  const underWay = new Set<Promise<void>>();
  for (const { path, file } of chosen.files) {
    if (refused.length >= refusedMax) break;
    const one = sendOne(key, childOf(directory, path), file, replacing)
      .catch((cause: unknown) => void refused.push(cause))
      .finally(() => underWay.delete(one));
    underWay.add(one);
    if (underWay.size >= uploadsAtOnce) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  const [first] = refused;
  if (first === undefined) return;
  if (chosen.files.length === 1) throw first;
  const { code, message, action } = failureOf(first);
  const count =
    refused.length >= refusedMax
      ? `${refusedMax} files or more`
      : `${refused.length} of ${chosen.files.length} files`;
  throw new CallFailed({
    code,
    message: `${count} were not sent: ${message}`,
    ...(action === undefined ? {} : { action }),
  });
}

async function sendOne(key: string, path: string, file: File, replacing: Replacing): Promise<void> {
  let id: string;
  try {
    id = await upload(key, path, file, 'new');
  } catch (cause) {
    if (failureOf(cause).code !== 'conflict') throw cause;
    if (!(await replacing.may(path))) return;
    id = await upload(key, path, file, 'replace');
  }
  await settled(id);
}

/** One that is there is as good as made. */
async function makeFolder(key: string, path: string): Promise<void> {
  try {
    await call('sftp.makeDirectory', { key, path });
  } catch (cause) {
    await call('sftp.list', { key, path }).catch(() => {
      throw cause;
    });
  }
}

/** Whether what is there already may be lost: asked once. */
class Replacing {
  readonly #directory: string;
  readonly #files: number;
  #answer: Promise<boolean> | undefined;

  constructor(directory: string, files: number) {
    this.#directory = directory;
    this.#files = files;
  }

  may(path: string): Promise<boolean> {
    this.#answer ??= this.#ask(path);
    return this.#answer;
  }

  async #ask(path: string): Promise<boolean> {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const sure = await workbench().confirm(
      this.#files === 1
        ? {
            title: `Replace ${name}?`,
            text: `${path} is there already. Its content will be lost.`,
            button: 'Replace',
            danger: true,
          }
        : {
            title: 'Replace the files that are there?',
            text: `${path} is there already, and others may be. Replaced files lose their content; without it, what is there stays and only the others go to ${this.#directory}.`,
            button: 'Replace all of them',
            danger: true,
          },
    );
    return sure !== undefined;
  }
}
