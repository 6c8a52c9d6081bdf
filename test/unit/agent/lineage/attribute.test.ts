import { connect } from 'node:net';
import { describe, expect } from 'vitest';
import { attribute, isWithin, self } from '../../../../gateway-core/agent/lineage/index.js';
import { later, listen, onLinux, pidOf, start } from './support.js';

describe('a connection is attributed to the process that made it', () => {
  onLinux('with every ancestor, leaf first', async () => {
    const listener = await listen();
    const client = start('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${listener.port}; sleep 60; true`]);
    const found = await attribute(await listener.accepted());
    if (found.kind !== 'attributed') throw new Error(found.reason);
    expect(found.processes.slice(0, 2).map(({ pid }) => pid)).toEqual([pidOf(client), process.pid]);
    expect(found.uid).toBe(process.geteuid?.());
    expect(found.stillHolds()).toBe(true);
    const here = self();
    if (here === undefined) throw new Error('Linux tells');
    expect(found.bootId).toBe(here.bootId);
    expect(isWithin(found.processes, here)).toBe(true);
    expect(isWithin(found.processes, { ...here, startTicks: '1' })).toBe(false);
  });

  onLinux('even if that is this process', async () => {
    const listener = await listen();
    const socket = connect(listener.port, '127.0.0.1');
    later(() => socket.destroy());
    const found = await attribute(await listener.accepted());
    expect(found.kind === 'attributed' && found.processes[0]?.pid).toBe(process.pid);
  });
});
