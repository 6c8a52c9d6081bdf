import type { ChildProcess } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { endProcesses, startedBy } from '../../../../gateway-core/agent/lineage/ending.js';
import { hasEnded } from '../../../../gateway-core/agent/lineage/facts.js';
import { openProc } from '../../../../gateway-core/agent/lineage/proc.js';
import { fakeProc } from './fake-proc.js';
import { endLater, linesOf, onLinux, pidOf, start } from './support.js';

const proc = openProc();
const delegation = 'dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X';
const none = { kind: 'unsupported', reason: 'for this test' } as const;
const runs = (pid: number): boolean => !hasEnded(proc.stat(pid));

describe('what a program has started', () => {
  onLinux('is found without a subreaper by what it says of itself, and nothing of anybody else', async () => {
    const child = start('bash', ['-c', '(setsid sleep 60 & echo $!) ; exec sleep 60'], {
      THROUGHLINE_DELEGATION: delegation,
    });
    const daemon = Number(await linesOf(child)());
    endLater(daemon);
    const other = start('sleep', ['60'], { THROUGHLINE_DELEGATION: delegation.replace('dlg_0', 'dlg_1') });
    const running = startedBy({ pid: pidOf(child), subreaper: none, seen: undefined, delegation });
    expect(new Set(running().map(({ pid }) => pid))).toEqual(new Set([pidOf(child), daemon]));
    expect(await endProcesses({ running })).toEqual([]);
    expect([pidOf(child), daemon, pidOf(other)].map(runs)).toEqual([false, false, true]);
  });

  test('is never the process that asks, whatever stands below whom', () => {
    const { root } = fakeProc({
      [process.pid]: { parent: 1, children: [4000] },
      4000: { parent: process.pid, children: [4001, process.pid] },
      4001: { parent: 4000 },
    });
    const running = startedBy({
      pid: 4000,
      subreaper: none,
      seen: undefined,
      delegation,
      proc: openProc(root),
    });
    expect(running().map(({ pid }) => pid)).toEqual([4000, 4001]);
  });

  test('ends however deep it is', () => {
    const processes = Object.fromEntries(
      Array.from({ length: 2000 }, (_, at) => [
        70_000 + at,
        { parent: at === 0 ? process.pid : 69_999 + at, children: [70_001 + at] },
      ]),
    );
    const running = startedBy({
      pid: 70_000,
      subreaper: none,
      seen: undefined,
      delegation,
      proc: openProc(fakeProc(processes).root),
    });
    expect(running()).toHaveLength(2000);
  });
});

describe('an end', () => {
  onLinux('is asked for first, and made after a while', async () => {
    const polite = start('bash', ['-c', "trap 'exit 3' TERM; while :; do sleep 0.01; done"]);
    const stubborn = start('bash', ['-c', "trap '' TERM; while :; do sleep 0.01; done"]);
    const ended = new Promise((resolve) => polite.once('exit', resolve));
    const alive = (each: ChildProcess) => () => {
      const stat = proc.stat(pidOf(each));
      return stat === undefined || hasEnded(stat) ? [] : [stat];
    };
    // Not before they have set their traps.
    await Promise.all([polite, stubborn].map((each) => spawned(pidOf(each))));
    expect(await endProcesses({ running: alive(polite), graceMs: 60_000 })).toEqual([]);
    expect(await ended).toBe(3);
    expect(await endProcesses({ running: alive(stubborn), graceMs: 100 })).toEqual([]);
  });

  onLinux('does not meet another process that has the pid since', async () => {
    const child = start('sleep', ['60']);
    const stat = proc.stat(pidOf(child));
    if (stat === undefined) throw new Error('it has not started');
    const before = { ...stat, startTicks: String(BigInt(stat.startTicks) - 1n) };
    let looks = 0;
    expect(await endProcesses({ running: () => (looks++ < 3 ? [before] : []), graceMs: 0 })).toEqual([]);
    expect(runs(pidOf(child))).toBe(true);
  });

  onLinux('that cannot be made is told', async () => {
    const another = { pid: 2 ** 22 + 1, startTicks: '1', name: 'hangs' };
    expect(await endProcesses({ running: () => [another], graceMs: 0 })).toEqual([another]);
  });
});

async function spawned(pid: number): Promise<void> {
  while ((proc.children(pid) ?? []).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
}
