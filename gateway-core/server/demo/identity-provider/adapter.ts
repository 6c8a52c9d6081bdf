import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Adapter, AdapterPayload } from 'oidc-provider';
import { z } from 'zod';

/** Entries of the demo provider, of all kinds together; the oldest goes when there are more. */
const entriesMax = 5_000;

const seconds = () => Math.floor(Date.now() / 1000);

interface Entry {
  readonly payload: AdapterPayload;
  readonly expiresAt: number;
}

/** What a gateway holds tokens for: it outlives a restart, as with every provider. */
const keptModels = ['RefreshToken', 'Grant'];

const Kept = z.object({
  v: z.literal(1),
  entries: z.array(
    z.tuple([z.string(), z.object({ payload: z.record(z.string(), z.unknown()), expiresAt: z.number() })]),
  ),
});

/**
 * oidc-provider's storage, in memory: what a demo remembers between a login page and its answer. Refresh tokens and
 * their grants are also in `path` (0600), replaced as a whole; a damaged file counts as none.
 */
export function demoAdapter(path: string): (model: string) => Adapter {
  const entries = new Map<string, Entry>(read(path));
  const isKept = (key: string): boolean => keptModels.some((model) => key.startsWith(`${model}:`));
  const keep = (): void => {
    const kept = [...entries].filter(([key, entry]) => isKept(key) && entry.expiresAt > seconds());
    const temporary = `${path}.${randomBytes(6).toString('hex')}`;
    writeFileSync(temporary, JSON.stringify({ v: 1, entries: kept }), { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
  };
  const changed = (...keys: string[]): Promise<void> => {
    if (keys.some(isKept)) keep();
    return Promise.resolve();
  };

  const find = (key: string): AdapterPayload | undefined => {
    const entry = entries.get(key);
    return entry !== undefined && entry.expiresAt > seconds() ? entry.payload : undefined;
  };
  const first = (model: string, fits: (payload: AdapterPayload) => boolean) => {
    const own = [...entries.keys()].filter((key) => key.startsWith(`${model}:`));
    return own.map(find).find((payload) => payload !== undefined && fits(payload));
  };

  return (model) => ({
    upsert: (id, payload, expiresIn) => {
      const key = `${model}:${id}`;
      entries.delete(key);
      const oldest = entries.size >= entriesMax ? entries.keys().next() : undefined;
      if (oldest?.done === false) entries.delete(oldest.value);
      entries.set(key, { payload, expiresAt: seconds() + (expiresIn ?? 3600) });
      return changed(key);
    },
    find: (id) => Promise.resolve(find(`${model}:${id}`)),
    findByUid: (uid) => Promise.resolve(first(model, (payload) => payload.uid === uid)),
    findByUserCode: (code) => Promise.resolve(first(model, (payload) => payload.userCode === code)),
    consume: (id) => {
      const key = `${model}:${id}`;
      const entry = entries.get(key);
      if (entry !== undefined) entry.payload.consumed = seconds();
      return changed(key);
    },
    destroy: (id) => {
      const key = `${model}:${id}`;
      entries.delete(key);
      return changed(key);
    },
    revokeByGrantId: (grantId) => {
      const gone = [...entries].filter(([, { payload }]) => payload.grantId === grantId).map(([key]) => key);
      for (const key of gone) entries.delete(key);
      return changed(...gone);
    },
  });
}

function read(path: string): readonly [string, Entry][] {
  try {
    return Kept.parse(JSON.parse(readFileSync(path, 'utf8'))).entries;
  } catch {
    return [];
  }
}
