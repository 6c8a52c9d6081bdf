import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  privateDirectory,
  readPrivate,
  writePrivate,
} from '../../gateway-core/agent/client/private-files.js';
import { workspaceBytesMax } from '../../gateway-core/contract/bridge/app.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import type { WorkspacePort } from '../ipc/host-handlers.js';

const fileName = 'workspace.json';
/** What a write leaves when the process is killed before the rename. */
const leftover = /^workspace\.json\.[0-9a-f]+\.new$/;

/**
 * Tabs, layout and unsaved text in a private file, replaced as a whole: after a crash the last text that was
 * acknowledged is there, never a part of one. Saves come one after the other; of those that wait only the newest
 * is written, and it answers for all of them.
 */
export function workspaceIn(directory: string): WorkspacePort {
  const path = join(directory, fileName);
  let waiting: { text: string; done: Promise<void> } | undefined;
  let last: Promise<void> = Promise.resolve();
  const write = async (text: string): Promise<void> => {
    const bytes = Buffer.from(text, 'utf8');
    if (bytes.length > workspaceBytesMax) {
      throw new ThroughlineError('too-large', 'open tabs and their text are more than can be kept', {
        action: 'save large texts as queries and close their tabs',
        fields: { bytesMax: workspaceBytesMax },
      });
    }
    privateDirectory(directory);
    await writePrivate(path, bytes);
  };
  return {
    load: async () => {
      privateDirectory(directory);
      await removeLeftovers(directory);
      return readPrivate(path, workspaceBytesMax)?.toString('utf8') ?? '';
    },
    save: (text) => {
      if (waiting !== undefined) {
        waiting.text = text;
        return waiting.done;
      }
      const mine = { text, done: Promise.resolve() };
      waiting = mine;
      mine.done = last.then(() => {
        waiting = undefined;
        return write(mine.text);
      });
      last = mine.done.catch(() => undefined);
      return mine.done;
    },
  };
}

async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (leftover.test(name)) await unlink(join(directory, name)).catch(() => undefined);
  }
}
