import { defaultPreferences, Preferences } from '../../gateway-core/contract/bridge/app.js';
import type { PreferencesPort } from '../ipc/host-handlers.js';

/**
 * Where preferences are kept: `conf` in the browser host, `electron-store` in Electron. Both keep one JSON object in
 * one file. `read` throws when the file is not JSON.
 */
export interface PreferencesFile {
  read(): Record<string, unknown>;
  write(values: Record<string, unknown>): void;
  /** Puts a file that cannot be read aside; returns its new path. */
  setAside(): string;
}

/**
 * Preferences, checked against their schema at every read: a value that does not fit counts as not set, a file that
 * is no JSON is put aside. Either is told once, and never keeps the app from starting.
 */
export function preferencesOf(
  file: Promise<PreferencesFile>,
  tell: (problem: string) => void,
): PreferencesPort {
  const told = new Set<string>();
  const tellOnce = (problem: string): void => {
    if (told.has(problem)) return;
    told.add(problem);
    tell(problem);
  };
  const get = async (): Promise<Preferences> => {
    const kept = readOrSetAside(await file, tellOnce);
    const { preferences, dropped } = fitting(kept);
    if (dropped.length > 0) {
      tellOnce(`these preferences were not understood, so their defaults hold: ${dropped.join(', ')}`);
    }
    return preferences;
  };
  return {
    get,
    set: async (change) => {
      const next = Preferences.parse({ ...(await get()), ...withoutUndefined(change) });
      (await file).write(next);
      return next;
    },
  };
}

function readOrSetAside(file: PreferencesFile, tell: (problem: string) => void): Record<string, unknown> {
  try {
    return file.read();
  } catch {
    tell(`the preferences could not be read and are the defaults again; the old file is ${file.setAside()}`);
    return {};
  }
}

/** What fits of `kept`, over the defaults. Keys that nobody knows (any more) are left out silently. */
export function fitting(kept: Record<string, unknown>): { preferences: Preferences; dropped: string[] } {
  const names = Object.keys(defaultPreferences) as (keyof Preferences)[];
  const dropped: string[] = [];
  const fit = names.flatMap((name) => {
    if (!Object.hasOwn(kept, name)) return [];
    const parsed = Preferences.shape[name].safeParse(kept[name]);
    if (!parsed.success) dropped.push(name);
    return parsed.success ? [[name, parsed.data] as const] : [];
  });
  return { preferences: { ...defaultPreferences, ...Object.fromEntries(fit) }, dropped };
}

function withoutUndefined(change: Partial<Preferences>): Partial<Preferences> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}
