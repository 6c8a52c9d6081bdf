import type { RemoteEntry } from '../../../../gateway-core/contract/bridge/ssh.js';
import { CallFailed, call } from '../../../bridge/index.js';
import { childOf } from './paths.js';

/** More than this is nothing to delete with one click. */
export const removedTogetherMax = 2000;
const namedMax = 8;

export interface Removal {
  /** What will be gone, for the person. */
  readonly text: string;
  readonly button: string;
  /** Children before their directories. Links are deleted, never followed. */
  readonly steps: readonly { readonly path: string; readonly directory: boolean }[];
}

/** @throws CallFailed too much, or a directory that cannot be read */
export async function removalOf(key: string, path: string, entry: RemoteEntry): Promise<Removal> {
  const steps: { path: string; directory: boolean }[] = [];
  const walk = async (at: string, directory: boolean): Promise<void> => {
    if (directory) {
      const page = await call('sftp.list', { key, path: at });
      if (page.cut || page.count > page.entries.length) throw tooMuch();
      for (const child of page.entries) await walk(childOf(at, child.name), child.kind === 'directory');
    }
    steps.push({ path: at, directory });
    if (steps.length > removedTogetherMax) throw tooMuch();
  };
  await walk(path, entry.kind === 'directory');
  return { steps, ...wordsOf(steps, path) };
}

function tooMuch(): CallFailed {
  return new CallFailed({
    code: 'too-large',
    message: `more than ${removedTogetherMax} files are below it`,
    action: 'delete it in the terminal',
  });
}

function wordsOf(
  steps: readonly { readonly path: string; readonly directory: boolean }[],
  path: string,
): Pick<Removal, 'text' | 'button'> {
  const below = steps.filter((step) => step.path !== path);
  if (below.length === 0) return { text: `${path} will be gone for good.`, button: 'Delete' };
  const names = below.slice(0, namedMax).map((step) => step.path.slice(path.length + 1));
  const rest = below.length - names.length;
  const list = rest > 0 ? `${names.join(', ')} and ${rest} more` : names.join(', ');
  const count = steps.length === 1 ? '1 entry' : `${steps.length} entries`;
  return {
    text: `${path} and everything below it will be gone for good: ${list}.`,
    button: `Delete ${count}`,
  };
}
