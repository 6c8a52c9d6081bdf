import { describe, expect } from 'vitest';
import { lineageLimits } from '../../../../gateway-core/agent/lineage/limits.js';
import { openProc, type Proc } from '../../../../gateway-core/agent/lineage/proc.js';
import { recognise } from '../../../../gateway-core/agent/lineage/programs.js';
import { lineageIn } from '../../../../gateway-core/agent/lineage/report.js';
import { type FakeProc, type FakeProcess, fakeProc } from './fake-proc.js';
import { onLinux } from './support.js';

const claude: FakeProcess = { parent: 1, exe: '/usr/bin/claude', cmdline: 'claude\0' };

const report = (proc: Proc) => lineageIn(proc, 30, recognise);

/** Something happens right before the command line of the process `at` is read, every time. */
function disturbed(fake: FakeProc, at: number, act: () => void): Proc {
  const proc = openProc(fake.root);
  return {
    ...proc,
    executable: (pid) => {
      if (pid === at) act();
      return proc.executable(pid);
    },
  };
}

describe('what a process says of itself at the gateway', () => {
  onLinux('is its ancestry, with the agents in it', () => {
    const fake = fakeProc({ 30: { parent: 20 }, 20: claude });
    expect(report(openProc(fake.root))).toMatchObject({
      kind: 'attributed',
      processes: [{ pid: 30 }, { pid: 20, agent: 'claude' }],
    });
  });

  // Without a word about it, the gateway would take it for its person on a system that tells nothing.
  onLinux('says so where its ancestry cannot be told: too deep, hidden, never at rest', () => {
    const length = lineageLimits.processesMax + 1;
    const deep = Array.from({ length }, (_, at) => [30 + at, { parent: 31 + at, startTicks: '9' }] as const);
    const ambiguous = { kind: 'unattributed', reason: 'ambiguous' };
    expect(report(openProc(fakeProc(Object.fromEntries(deep)).root))).toEqual(ambiguous);
    const loop = fakeProc({ 30: { parent: 20, startTicks: '9' }, 20: { parent: 30, startTicks: '9' } });
    expect(report(openProc(loop.root))).toEqual(ambiguous);
    const unreadable = { kind: 'unattributed', reason: 'unreadable' };
    const hiding = openProc(fakeProc({ 30: { parent: 20 } }).root, (pid) => pid === 20);
    expect(report(hiding)).toEqual(unreadable);
    expect(report({ ...openProc(fakeProc().root), bootId: () => undefined })).toEqual(unreadable);
    // A system that has no boot ids tells nothing of anybody, and nobody brings that about.
    expect(
      report({ ...openProc(fakeProc({ 30: { parent: 1 } }).root), bootId: () => undefined }),
    ).toBeUndefined();
    expect(report(openProc(fakeProc().root))).toEqual({ kind: 'unattributed', reason: 'gone' });
  });

  onLinux('has nobody in it of whom only a part could be read', () => {
    const fake = fakeProc({ 30: { parent: 20 }, 20: { ...claude, parent: 10 }, 10: { parent: 1 } });
    const act = (): void => {
      fake.end(20);
      fake.put(30, { parent: 10 });
    };
    const found = report(disturbed(fake, 20, act));
    expect(found?.kind === 'attributed' && found.processes.map(({ pid }) => pid)).toEqual([30, 10]);
  });

  onLinux('is asked anew when somebody else took the place of a parent', () => {
    const fake = fakeProc({ 30: { parent: 20 }, 20: { parent: 1 } });
    const found = report(
      disturbed(fake, 20, () => {
        fake.put(20, { ...claude, startTicks: '1010' });
      }),
    );
    expect(found).toMatchObject({ processes: [{ pid: 30 }, { pid: 20, agent: 'claude' }] });
  });
});
