import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import type { ProcessFacts } from '../../../../gateway-core/agent/lineage/facts.js';
import { isWithin, self, watchProcess, watchTree } from '../../../../gateway-core/agent/lineage/index.js';
import { openProc } from '../../../../gateway-core/agent/lineage/proc.js';
import { openTreeWatches, type TreeEvent } from '../../../../gateway-core/agent/lineage/subtree.js';
import { openProcessWatches } from '../../../../gateway-core/agent/lineage/watch.js';
import { temporaryFolder } from '../../../folders.js';
import { fakeProc } from './fake-proc.js';
import { asRoot, endLater, later, linesOf, onLinux, pidOf, start, tell, until } from './support.js';

async function settled(promise: Promise<void>, withinMs: number): Promise<boolean> {
  return Promise.race([promise.then(() => true), sleep(withinMs, false)]);
}

function startOf(pid: number): string {
  const found = self(pid);
  if (found === undefined) throw new Error('it runs');
  return found.startTicks;
}

describe('a process is told to be gone', () => {
  onLinux('when it has ended, and not before', async () => {
    const child = start('sleep', ['60']);
    const pid = pidOf(child);
    const watch = watchProcess(pid, startOf(pid));
    later(() => watch.stop());
    expect(await settled(watch.gone, 600)).toBe(false);
    child.kill('SIGKILL');
    await watch.gone;
  });

  onLinux('at once if its start time is another', async () => {
    const pid = pidOf(start('sleep', ['60']));
    await watchProcess(pid, '1').gone;
    await watchProcess(4_194_304, '1').gone;
  });

  onLinux('when it is only not reaped yet, but not when its first thread has ended', async () => {
    const fake = fakeProc({ 30: { parent: 1, state: 'Z' }, 31: { parent: 1, state: 'Z', threads: 3 } });
    const watch = openProcessWatches(openProc(fake.root));
    await watch(30, '1030').gone;
    const other = watch(31, '1031');
    later(() => other.stop());
    expect(await settled(other.gone, 400)).toBe(false);
  });

  onLinux('never after the watch was stopped', async () => {
    const child = start('sleep', ['60']);
    const watch = watchProcess(pidOf(child), startOf(pidOf(child)));
    watch.stop();
    watch.stop();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await settled(watch.gone, 400)).toBe(false);
  });

  asRoot('also when its pid is given to another process at once', async ({ skip }) => {
    const first = start('sleep', ['60']);
    const pid = pidOf(first);
    const watch = watchProcess(pid, startOf(pid));
    later(() => watch.stop());
    // Start times are in hundredths of a second.
    await sleep(30);
    first.kill('SIGKILL');
    await once(first, 'exit');
    let taken = false;
    for (let attempt = 0; attempt < 5 && !taken; attempt++) {
      try {
        writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
      } catch {
        skip('kernel.ns_last_pid cannot be written here');
      }
      taken = pidOf(start('sleep', ['60'])) === pid;
    }
    if (!taken) skip('others took the pid each time');
    await watch.gone;
  });
});

describe('a tree', () => {
  function watched(pid: number): { events: TreeEvent[]; now: () => readonly ProcessFacts[] } {
    const events: TreeEvent[] = [];
    const tree = watchTree(pid, (event) => events.push(event));
    later(() => tree.stop());
    return { events, now: () => tree.processes() };
  }

  onLinux('has its root at once, and what starts and ends below it within a poll', async () => {
    const script = 'sleep 60 & echo $!; read -r _; kill %1; wait; sleep 60; true';
    const child = start('bash', ['-c', script], {}, 'pipe');
    const line = linesOf(child);
    const sleeper = Number(await line());
    const { events, now } = watched(pidOf(child));
    expect(now()[0]?.pid).toBe(pidOf(child));
    await until(() => now().some(({ pid, name }) => pid === sleeper && name === 'sleep'));
    expect(isWithin(now(), { pid: sleeper, startTicks: startOf(sleeper) })).toBe(true);
    tell(child);
    await until(() => events.some(({ kind, process: each }) => kind === 'ended' && each.pid === sleeper));
    expect(now().some(({ pid }) => pid === sleeper)).toBe(false);
    process.kill(-pidOf(child), 'SIGKILL');
    await until(() => now().length === 0 || now().every(({ pid }) => pid !== pidOf(child)));
    const pids = events.filter(({ kind }) => kind === 'started').map(({ process: each }) => each.pid);
    expect(new Set(pids).size).toBe(pids.length);
  });

  onLinux('keeps whom it has seen, also when a double fork takes it out', async () => {
    const folder = temporaryFolder('throughline-tree-');
    later(() => rmSync(folder, { recursive: true }));
    const gate = join(folder, 'gate');
    spawnSync('mkfifo', [gate]);
    const script = `(read -r _ < ${gate}; exec sleep 61) & echo $!; read -r _; exit 0`;
    const child = start('bash', ['-c', script], {}, 'pipe');
    const orphan = Number(await linesOf(child)());
    endLater(orphan);
    const { events, now } = watched(pidOf(child));
    await until(() => now().some(({ pid }) => pid === orphan));
    tell(child);
    await until(() =>
      events.some(({ kind, process: each }) => kind === 'ended' && each.pid === pidOf(child)),
    );
    expect(now().map(({ pid }) => pid)).toContain(orphan);
    // And says when it has become another program.
    writeFileSync(gate, 'go on\n');
    await until(() =>
      events.some(({ kind, process: each }) => kind === 'changed' && each.arguments.join(' ') === 'sleep 61'),
    );
    expect(now().find(({ pid }) => pid === orphan)?.name).toBe('sleep');
  });

  onLinux('takes a pid that was given anew for another process', () => {
    const fake = fakeProc({ 20: { parent: 1, children: [30] }, 30: { parent: 20 } });
    const events: TreeEvent[] = [];
    const { watch, pids } = openTreeWatches(openProc(fake.root));
    const tree = watch(20, (event) => events.push(event));
    later(() => tree.stop());
    expect(tree.processes().map(({ pid }) => pid)).toEqual([20, 30]);
    expect([...pids()]).toEqual([30, 20]);
    tree.stop();
    expect([...pids()]).toEqual([]);
    expect(events.map(({ kind, process: each }) => `${kind} ${each.pid}`)).toEqual([
      'started 20',
      'started 30',
    ]);
  });

  onLinux('is found without the kernel’s list of children, too', () => {
    const fake = fakeProc({ 20: { parent: 1 }, 30: { parent: 20 }, 40: { parent: 30 }, 50: { parent: 1 } });
    const proc = { ...openProc(fake.root), children: () => undefined };
    const tree = openTreeWatches(proc).watch(20, () => undefined);
    later(() => tree.stop());
    expect(tree.processes().map(({ pid }) => pid)).toEqual([20, 30, 40]);
  });
});
