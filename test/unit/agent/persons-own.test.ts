import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { ClientState } from '../../../gateway-core/agent/client/state.js';
import { type PeerLooks, personsOwn } from '../../../gateway-core/agent/tunnel/behind.js';
import type { Lineage } from '../../../gateway-core/contract/delegation.js';

const bootId = '0b0a7c1e-4c2f-4a8e-9d3b-5f6a7b8c9d0e';
const socket = { _handle: { fd: 9 } } as unknown as Socket;
const person = { id: 'demo/engineer', kind: 'person', name: 'E', assurance: 'proven' };

/** The process 7 of the machine, as it is at each moment. */
async function asked(now: { startTicks: string; lineage?: Lineage | undefined }) {
  const seen: unknown[] = [];
  const looks: PeerLooks = {
    peerProcess: () => 7,
    self: (pid) => ({ bootId, pid, startTicks: now.startTicks }),
    lineageOf: (pid) =>
      'lineage' in now
        ? now.lineage
        : {
            kind: 'attributed',
            bootId,
            processes: [{ pid, startTicks: now.startTicks, name: 'ssh' }],
          },
  };
  const gateway = {
    json: (call: unknown) => {
      seen.push(call);
      return Promise.resolve({ chain: [person] } as never);
    },
  };
  const state = { settings: () => Promise.resolve({}) } as unknown as ClientState;
  const mayUse = await personsOwn(gateway, state, looks);
  return { may: mayUse(socket), seen };
}

test('a program of the person signs, and the gateway is told which it is', async () => {
  const { may, seen } = await asked({ startTicks: '100' });
  expect(await may()).toBe(true);
  expect(seen).toMatchObject([{ lineage: { processes: [{ pid: 7, startTicks: '100' }] } }]);
});

// Whoever connected can hand its socket on and end: its number is free for a program of the person then.
test('a program that was given the pid of the one that connected speaks for nobody', async () => {
  const now = { startTicks: '100' };
  const { may } = await asked(now);
  now.startTicks = '200';
  expect(await may()).toBe(false);
});

test('a program that cannot be looked up is refused, also when it was there before', async () => {
  const now: { startTicks: string; lineage?: Lineage | undefined } = { startTicks: '100' };
  const { may } = await asked(now);
  expect(await may()).toBe(true);
  for (const lineage of [undefined, { kind: 'unattributed', reason: 'ambiguous' } as const]) {
    now.lineage = lineage;
    expect(await may()).toBe(false);
  }
});
