import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { clientHome } from '../../gateway-core/agent/client/home.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where the desktop keeps what is its own. */
export interface Places {
  /** Private: preferences, workspace, the app window's profile. */
  readonly state: string;
  /** The person's own files, for other programs too. */
  readonly queries: string;
}

/** Below `THROUGHLINE_HOME` when that is set; else the client's state directory, and Documents for queries. */
export function desktopPlaces(env: Environment = process.env, documents?: string): Places {
  const own = env['THROUGHLINE_HOME'];
  const queries =
    own !== undefined && own !== ''
      ? join(resolve(own), 'queries')
      : join(documents ?? documentsDirectory(env), 'Throughline');
  return { state: join(clientHome(env).state, 'desktop'), queries };
}

/** xdg-user-dirs: `XDG_DOCUMENTS_DIR="$HOME/Papers"` in user-dirs.dirs. Elsewhere it is called Documents. */
function documentsDirectory(env: Environment): string {
  const fallback = join(homedir(), 'Documents');
  if (process.platform !== 'linux') return fallback;
  const config = env['XDG_CONFIG_HOME'];
  const base = config !== undefined && isAbsolute(config) ? config : join(homedir(), '.config');
  const said = /^XDG_DOCUMENTS_DIR="(\$HOME\/)?([^"\n]+)"$/m.exec(textOf(join(base, 'user-dirs.dirs')));
  const [, home, path] = said ?? [];
  if (path === undefined) return fallback;
  if (home !== undefined) return join(homedir(), path);
  return isAbsolute(path) ? path : fallback;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
