import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';

/** Where the client keeps what it keeps. Both directories are made with mode 0700 at first use. */
export interface ClientHome {
  /** Settings and sealed sign-ins. */
  readonly state: string;
  /** The key that opens the sign-ins where there is no keyring: apart from them, so that one backup lacks the other. */
  readonly keys: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** `THROUGHLINE_HOME` when set, else the XDG base directories (on Windows: LOCALAPPDATA). */
export function clientHome(env: Environment = process.env): ClientHome {
  const own = env['THROUGHLINE_HOME'];
  if (own !== undefined && own !== '') {
    return { state: join(resolve(own), 'client'), keys: join(resolve(own), 'client-key') };
  }
  return { state: base(env, 'state'), keys: join(base(env, 'config'), 'client-key') };
}

const places = {
  state: { variable: 'XDG_STATE_HOME', fallback: ['.local', 'state'] },
  config: { variable: 'XDG_CONFIG_HOME', fallback: ['.config'] },
} as const;

/** XDG Base Directory Specification: a relative value is invalid and counts as unset. */
function base(env: Environment, kind: keyof typeof places): string {
  const { variable, fallback } = places[kind];
  const value = env[variable];
  if (value !== undefined && isAbsolute(value)) return join(value, 'throughline');
  const local = env['LOCALAPPDATA'];
  if (process.platform === 'win32' && local !== undefined) return join(local, 'throughline', kind);
  return join(homedir(), ...fallback, 'throughline');
}
