import { IconEye } from '@tabler/icons-react';
import { useEffect } from 'react';
import { create } from 'zustand';
import type { Watcher } from '../../gateway-core/contract/watch.js';
import { call, on } from '../bridge/index.js';
import { Time } from './time.js';
import { VisibleText } from './visible-text.js';

type Watched = ReadonlyMap<string, readonly Watcher[]>;
const useWatched = create<{ readonly watched: Watched }>(() => ({ watched: new Map() }));

on('session.changed', ({ id, watchers = [] }) => {
  const { watched } = useWatched.getState();
  if (watchers.length === 0 && !watched.has(id)) return;
  const next = new Map(watched);
  if (watchers.length === 0) next.delete(id);
  else next.set(id, watchers);
  useWatched.setState({ watched: next });
});
on('resync', () => void readLive());
on('app.changed', ({ signIn }) => {
  if (signIn.state !== 'signed-in') useWatched.setState({ watched: new Map() });
});

async function readLive(): Promise<void> {
  try {
    const live = await call('sessions.list', { live: true });
    const watched = live.flatMap(({ id, watchers }) =>
      watchers === undefined ? [] : [[id, watchers] as const],
    );
    useWatched.setState({ watched: new Map(watched) });
  } catch {
    // The gateway is away: it tells again when it is back.
  }
}

/** Who watches a session now: for whose it is, wherever they work in it. Nothing where nobody does. */
export function Watchers({ session }: { readonly session: string | undefined }) {
  const watchers = useWatched(({ watched }) => (session === undefined ? undefined : watched.get(session)));
  useEffect(() => {
    if (session !== undefined) void readLive();
  }, [session]);
  return (
    <span role="status" className="tl-watchers">
      {watchers?.map(({ name, since, principal }) => (
        <span key={`${principal} ${since}`} className="tl-watcher">
          <IconEye size={14} aria-hidden /> <VisibleText text={name} lines={false} /> watches since{' '}
          <Time at={since} short />
        </span>
      ))}
    </span>
  );
}
