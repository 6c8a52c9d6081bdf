import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type Conf from 'conf';
import { privateDirectory } from '../../gateway-core/agent/client/private-files.js';
import type { PreferencesFile } from './preferences.js';

const configName = 'preferences';

/** Preferences of the browser host: `conf` in a directory of our own. Loaded late: it brings a schema compiler along. */
export async function confFile(directory: string): Promise<PreferencesFile> {
  privateDirectory(directory);
  const { default: Conf } = await import('conf');
  const options = { cwd: directory, configName, configFileMode: 0o600, accessPropertiesByDotNotation: false };
  return storeFile(() => new Conf(options), join(directory, `${configName}.json`));
}

/** `conf` and `electron-store` read their file when they are made, and throw when it is no JSON. */
export function storeFile(open: () => Pick<Conf, 'store'>, path: string): PreferencesFile {
  let opened: Pick<Conf, 'store'> | undefined;
  const store = (): Pick<Conf, 'store'> => {
    opened ??= open();
    return opened;
  };
  return {
    read: () => ({ ...store().store }),
    write: (values) => {
      store().store = values;
    },
    setAside: () => {
      const aside = `${path}.broken-${Date.now()}`;
      renameSync(path, aside);
      return aside;
    },
  };
}
