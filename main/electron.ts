import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ElectronStore from 'electron-store';
import { privateDirectory } from '../gateway-core/agent/client/private-files.js';
import { storeFile } from './settings/conf-file.js';
import { runElectronHost, tellFailedStart } from './window/run.js';

// This file is bundled to out/desktop/electron.mjs; the other parts of the app stand around that.
const bundles = dirname(fileURLToPath(import.meta.url));

runElectronHost({
  bundles,
  rendererDirectory: join(bundles, '..', 'renderer'),
  icons: join(bundles, 'icons'),
  env: process.env,
  argv: process.argv,
  openStore: (directory, name) => {
    privateDirectory(directory);
    const options = { cwd: directory, name, configFileMode: 0o600, accessPropertiesByDotNotation: false };
    return storeFile(() => new ElectronStore(options), join(directory, `${name}.json`));
  },
}).catch(tellFailedStart);
