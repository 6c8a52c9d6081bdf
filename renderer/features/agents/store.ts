import { create } from 'zustand';
import type { BridgeError } from '../../../gateway-core/contract/bridge/app.js';
import type { AgentChange } from '../../../gateway-core/contract/delegation.js';
import { call, failureOf, on } from '../../bridge/index.js';
import { type Happened, withChanges, withListing, without } from './merge.js';
import type { Nodes } from './tree.js';

/** What has ended is shown so long, and fades in the last second of it. */
export const endedShownMs = 4000;

interface Agents {
  readonly nodes: Nodes;
  readonly happened: readonly Happened[];
  readonly state: 'unread' | 'reading' | 'read';
  readonly problem: BridgeError | undefined;
  /** From when on comings and goings are known. */
  readonly since: string | undefined;
}

const nothing: Agents = {
  nodes: new Map(),
  happened: [],
  state: 'unread',
  problem: undefined,
  since: undefined,
};

export const useAgents = create<Agents>(() => nothing);

let reading: Promise<void> | undefined;
/** What the feed told of while a listing was on its way is newer than the listing. */
let newer: Set<string> | undefined;
/** Counts sign-outs: what was asked for one person is not for the next one. */
let person = 0;

/** Reads the tree if nobody did, or again. One reading at a time. */
export function readAgents(): Promise<void> {
  reading ??= read().finally(() => {
    reading = undefined;
  });
  return reading;
}

async function read(): Promise<void> {
  const asked = person;
  newer = new Set();
  useAgents.setState((before) => ({ state: before.state === 'read' ? 'read' : 'reading' }));
  try {
    const list = await call('agents.list', {});
    if (asked !== person) return;
    putTogether();
    const at = new Date().toISOString();
    const told = newer;
    useAgents.setState((before) => ({
      ...withListing(before, list, { newer: told, at, first: before.since === undefined }),
      state: 'read',
      problem: undefined,
      since: before.since ?? at,
    }));
    sweepLater();
  } catch (cause) {
    if (asked !== person) return;
    useAgents.setState((before) => ({
      problem: failureOf(cause),
      state: before.state === 'reading' ? 'unread' : before.state,
    }));
  } finally {
    newer = undefined;
  }
}

/** A busy tree changes hundreds of times a second; a screen is drawn sixty times. */
let together: AgentChange[] = [];

function put(change: AgentChange): void {
  newer?.add(change.node.id);
  if (together.length === 0) setTimeout(putTogether, 16);
  together.push(change);
}

function putTogether(): void {
  if (together.length === 0) return;
  const changes = together;
  together = [];
  useAgents.setState((before) => withChanges(before, changes, new Date().toISOString()));
  sweepLater();
}

let sweeping: ReturnType<typeof setTimeout> | undefined;

function sweepLater(): void {
  if (sweeping !== undefined) return;
  if (![...useAgents.getState().nodes.values()].some(({ state }) => state === 'ended')) return;
  sweeping = setTimeout(() => {
    sweeping = undefined;
    const before = new Date(Date.now() - endedShownMs).toISOString();
    useAgents.setState(({ nodes }) => ({ nodes: without(nodes, before) }));
    sweepLater();
  }, 500);
}

on('agent.changed', put);
on('resync', () => {
  if (useAgents.getState().state !== 'unread') void readAgents();
});
on('connections.changed', () => {
  if (useAgents.getState().state !== 'unread') void readAgents();
});
/** Another person's agents are nobody's business after a sign-out. */
on('app.changed', ({ signIn }) => {
  if (signIn.state === 'signed-in') return;
  person += 1;
  together = [];
  useAgents.setState(nothing);
});
