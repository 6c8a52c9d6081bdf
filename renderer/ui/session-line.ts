import { useEffect } from 'react';
import { create } from 'zustand';
import type { Chain } from '../../gateway-core/contract/chain.js';
import { call, on } from '../bridge/index.js';
import { signedIn, useKnown } from './app-state.js';

const chainsMax = 500;

const useChains = create<{ readonly chains: ReadonlyMap<string, Chain> }>(() => ({ chains: new Map() }));

function put(session: string, chain: Chain): void {
  const { chains } = useChains.getState();
  if (chains.has(session)) return;
  const next = new Map(chains).set(session, chain);
  const oldest = next.keys().next();
  if (next.size > chainsMax && oldest.done !== true) next.delete(oldest.value);
  useChains.setState({ chains: next });
}

on('session.changed', ({ id, chain }) => put(id, chain));

async function readLive(): Promise<void> {
  try {
    for (const { id, chain } of await call('sessions.list', { live: true })) put(id, chain);
  } catch {
    // The gateway is away: the line stays at what is known of it, the person.
  }
}

/** The line of a session: from the person to who acts. The person alone until the gateway has said more. */
export function useLine(session: string | undefined): Chain | undefined {
  const chain = useChains(({ chains }) => (session === undefined ? undefined : chains.get(session)));
  const principal = useKnown(({ app }) => signedIn(app)?.principal);
  useEffect(() => {
    if (session !== undefined && !useChains.getState().chains.has(session)) void readLive();
  }, [session]);
  if (chain !== undefined) return chain;
  if (principal === undefined) return undefined;
  return [{ id: principal, kind: 'person', name: principal.replace(/^[^/]*\//, ''), assurance: 'proven' }];
}
