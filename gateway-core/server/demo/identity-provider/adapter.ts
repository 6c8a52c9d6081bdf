import type { Adapter, AdapterPayload } from 'oidc-provider';

/** Entries of the demo provider, of all kinds together; the oldest goes when there are more. */
const entriesMax = 5_000;

const seconds = () => Math.floor(Date.now() / 1000);

/** oidc-provider's storage, in memory: what a demo remembers between a login page and its answer. */
export function demoAdapter(): (model: string) => Adapter {
  const entries = new Map<string, { readonly payload: AdapterPayload; readonly expiresAt: number }>();

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
      return Promise.resolve();
    },
    find: (id) => Promise.resolve(find(`${model}:${id}`)),
    findByUid: (uid) => Promise.resolve(first(model, (payload) => payload.uid === uid)),
    findByUserCode: (code) => Promise.resolve(first(model, (payload) => payload.userCode === code)),
    consume: (id) => {
      const entry = entries.get(`${model}:${id}`);
      if (entry !== undefined) entry.payload.consumed = seconds();
      return Promise.resolve();
    },
    destroy: (id) => {
      entries.delete(`${model}:${id}`);
      return Promise.resolve();
    },
    revokeByGrantId: (grantId) => {
      for (const [key, { payload }] of entries) if (payload.grantId === grantId) entries.delete(key);
      return Promise.resolve();
    },
  });
}
