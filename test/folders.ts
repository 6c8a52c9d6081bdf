import { randomInt } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * A new folder, for nobody else. Its name is `prefix` and six small letters: mkdtemp's have digits and capitals, so one
 * in a hundred looks like a key, is masked where it is shown, and fails a test that looks for it.
 */
export function temporaryFolder(prefix: string, parent: string = tmpdir()): string {
  for (;;) {
    const letters = Array.from({ length: 6 }, () => String.fromCharCode(97 + randomInt(26))).join('');
    const path = join(parent, `${prefix}${letters}`);
    try {
      mkdirSync(path, { mode: 0o700 });
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}
