import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ThroughlineError } from '../../contract/errors.js';

const nameTriesMax = 1000;

/** A file name that is harmless on every system, and that a person still knows. */
export function localName(name: string): string {
  const plain = name
    .replaceAll(/[\p{Cc}\p{Cf}<>:"/\\|?*]/gu, '_')
    .replace(/^\.+/, '_')
    .replace(/[. ]+$/, '')
    .slice(0, 120);
  if (plain === '') return 'file';
  // Names that are devices on Windows, whatever their ending.
  return /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(plain) ? `_${plain}` : plain;
}

/** Takes the first free name by making an empty file of it: nothing is ever written over. */
export function reserveFile(directory: string, remoteName: string): Promise<string> {
  return reserve(directory, remoteName, async (path) => {
    const file = await open(path, 'wx', 0o600);
    await file.close();
  });
}

/** The same with a new directory, which is this person's alone. */
export function reserveDirectory(directory: string, remoteName: string): Promise<string> {
  return reserve(directory, remoteName, (path) => mkdir(path, { mode: 0o700 }));
}

async function reserve(
  directory: string,
  remoteName: string,
  make: (path: string) => Promise<unknown>,
): Promise<string> {
  const name = localName(remoteName);
  const dot = name.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  for (let number = 1; number <= nameTriesMax; number += 1) {
    const path = join(directory, number === 1 ? name : `${stem} (${number})${ending}`);
    try {
      await make(path);
      return path;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw new ThroughlineError('target-refused', 'the folder for exports cannot be written to', {
        action: 'choose another one in Settings',
        cause,
      });
    }
  }
  throw new ThroughlineError('conflict', `there are too many files named ${name} in the folder for exports`);
}
