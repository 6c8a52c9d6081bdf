import { Socket } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect } from 'vitest';
import { type Attribution, openAttribution } from '../../../../gateway-core/agent/lineage/attribute.js';
import { lineageLimits } from '../../../../gateway-core/agent/lineage/limits.js';
import { openProc, type Proc } from '../../../../gateway-core/agent/lineage/proc.js';
import { type FakeProc, fakeProc, statLine } from './fake-proc.js';
import { onLinux } from './support.js';

const inode = '4711';
const uid = process.geteuid?.() ?? 0;
const ends = {
  local: { address: '127.0.0.1', port: 1 },
  remote: { address: '127.0.0.1', port: 2 },
  inode: '1',
};

/** Attributes the socket `inode`, as that /proc shows who holds it. */
async function look({ root }: FakeProc, proc: Proc = openProc(root)): Promise<Attribution> {
  const peerOf = (): Promise<{ uid: number; inode: string }> => Promise.resolve({ uid, inode });
  const by = openAttribution({ proc, hints: () => [], peerOf, endsOf: () => Promise.resolve(ends) });
  return by(new Socket());
}

async function pidsIn(fake: FakeProc, proc?: Proc): Promise<readonly number[] | string> {
  const found = await look(fake, proc);
  return found.kind === 'attributed' ? found.processes.map(({ pid }) => pid) : found.reason;
}

const holder = { parent: 20, sockets: { 3: inode } };

describe('whatever a process shows of itself', () => {
  onLinux('its ancestors are those that the kernel names', async () => {
    const fake = fakeProc({ 30: holder, 20: { parent: 10 }, 10: { parent: 1 }, 1: { parent: 0 } });
    expect(await pidsIn(fake)).toEqual([30, 20, 10]);
  });

  onLinux('a name with parentheses, newlines and numbers moves no field', async () => {
    const comm = ') R 1 (\n9 ) S 1 1';
    const fake = fakeProc({ 30: { ...holder, comm }, 20: { parent: 1, comm: '((' } });
    const found = await look(fake);
    expect(found).toMatchObject({ processes: [{ pid: 30, startTicks: '1030' }, { pid: 20 }] });
    expect(found.kind === 'attributed' && found.processes[0]?.name).toBe(') R 1 (\\u{a}9 ) S 1 1');
  });

  onLinux('a command line of any length and any bytes stays bounded and printable', async () => {
    const huge = Buffer.alloc(3_000_000, 'a\u001b\0\xff--password=hunter22\0', 'latin1');
    const environ = Buffer.concat([
      huge,
      Buffer.from('THROUGHLINE_DELEGATION=dlg_01HZX3V9T5Q2M8K7N6P4R3S2T1\0'),
    ]);
    const exe = `/${'x'.repeat(200)}/\u202e\n`.repeat(8);
    const fake = fakeProc({
      30: { ...holder, cmdline: huge, environ, cgroup: huge, exe, comm: 'x'.repeat(9000) },
    });
    const found = await look(fake);
    if (found.kind !== 'attributed') throw new Error(found.reason);
    const [facts] = found.processes;
    expect(facts?.arguments.length).toBeLessThanOrEqual(lineageLimits.argumentsMax);
    expect(JSON.stringify(facts).length).toBeLessThan(16_000);
    expect(JSON.stringify(facts)).not.toMatch(/hunter22|\p{Cc}|\u202e/u);
    expect(facts?.markers).toEqual({});
  });

  onLinux('a marker counts only as a whole: name, form and end', async () => {
    const id = 'dlg_01HZX3V9T5Q2M8K7N6P4R3S2T1';
    const marked = async (environ: string): Promise<string | undefined> => {
      const found = await look(fakeProc({ 30: { ...holder, environ } }));
      return found.kind === 'attributed' ? found.processes[0]?.markers.delegation : 'unattributed';
    };
    expect(await marked(`A=1\0THROUGHLINE_DELEGATION=${id}\0B=2\0`)).toBe(id);
    expect(await marked(`THROUGHLINE_DELEGATION=${id}\0THROUGHLINE_DELEGATION=dlg_x\0`)).toBe(id);
    expect(await marked(`THROUGHLINE_DELEGATION=dlg_x\0THROUGHLINE_DELEGATION=${id}\0`)).toBeUndefined();
    expect(await marked(`XTHROUGHLINE_DELEGATION=${id}\0`)).toBeUndefined();
    expect(await marked(`A=THROUGHLINE_DELEGATION=${id}\0`)).toBeUndefined();
    expect(await marked(`THROUGHLINE_DELEGATION=${id}`)).toBeUndefined();
    expect(await marked(`THROUGHLINE_DELEGATION=${id} \0`)).toBeUndefined();
    expect(await marked(`THROUGHLINE_DELEGATION=${id.toLowerCase()}\0`)).toBeUndefined();
  });

  onLinux('no stat makes it throw, or name anyone whom it does not name', async () => {
    const fake = fakeProc({ 20: { parent: 1 } });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.nat(60), async (bytes, cut) => {
        fake.put(30, { ...holder, stat: Buffer.from(bytes) });
        expect(await pidsIn(fake)).toBe('gone');
        fake.put(30, { ...holder, stat: statLine(30, holder).slice(0, cut) });
        expect(['gone', 'ambiguous', [30, 20]]).toContainEqual(await pidsIn(fake));
      }),
      { numRuns: 30 },
    );
  });
});

describe('ancestors that cannot be', () => {
  onLinux('a loop of parents is nobody’s chain', async () => {
    const same = '500';
    const fake = fakeProc({
      30: { ...holder, startTicks: same },
      20: { parent: 10, startTicks: same },
      10: { parent: 30, startTicks: same },
    });
    expect(await pidsIn(fake)).toBe('ambiguous');
    fake.put(30, { ...holder, parent: 30 });
    expect(await pidsIn(fake)).toBe('ambiguous');
  });

  onLinux('a parent that is younger than its child has somebody else’s pid', async () => {
    const fake = fakeProc({ 30: { ...holder, startTicks: '500' }, 20: { parent: 1, startTicks: '501' } });
    expect(await pidsIn(fake)).toBe('ambiguous');
    fake.put(20, { parent: 1, startTicks: '500' });
    expect(await pidsIn(fake)).toEqual([30, 20]);
    // As numbers, not as text; and beyond what a number holds.
    fake.put(20, { parent: 1, startTicks: '90' });
    expect(await pidsIn(fake)).toEqual([30, 20]);
    fake.put(30, { ...holder, startTicks: '18446744073709551614' });
    fake.put(20, { parent: 1, startTicks: '18446744073709551615' });
    expect(await pidsIn(fake)).toBe('ambiguous');
  });

  onLinux('a parent that is not shown here ends the chain', async () => {
    expect(await pidsIn(fakeProc({ 30: holder }))).toEqual([30]);
  });

  onLinux('a parent that hides although it is this very user’s leaves nobody’s chain', async () => {
    const { root } = fakeProc({ 30: { ...holder, parent: 25 }, 25: { parent: 20 } });
    const hiding = (...pids: readonly number[]) => openProc(root, (pid) => pids.includes(pid));
    expect(await pidsIn(fakeProc(), hiding(20))).toBe('unreadable');
    // Somebody else's is not this user's agent.
    expect(await pidsIn(fakeProc(), hiding(10))).toEqual([30, 25]);
  });

  onLinux('a chain is told up to its bound, and not at all beyond', async () => {
    const chainOf = (length: number): FakeProc =>
      fakeProc(
        Object.fromEntries(
          Array.from({ length }, (_, at) => [
            at + 2,
            { parent: at + 1, ...(at === length - 1 ? { sockets: { 3: inode } } : {}) },
          ]),
        ),
      );
    expect(await pidsIn(chainOf(lineageLimits.processesMax))).toHaveLength(lineageLimits.processesMax);
    expect(await pidsIn(chainOf(lineageLimits.processesMax + 1))).toBe('ambiguous');
  });

  onLinux('pid 1 is there as the leaf alone', async () => {
    expect(await pidsIn(fakeProc({ 1: { parent: 0, sockets: { 3: inode } } }))).toEqual([1]);
  });
});

describe('while it looks', () => {
  /** A /proc in which something happens at the n-th reading of a kind. */
  function disturbed(fake: FakeProc, on: keyof Proc, nth: number, act: () => void): Proc {
    const proc = openProc(fake.root);
    let times = 0;
    const original = proc[on] as (...args: unknown[]) => unknown;
    return {
      ...proc,
      [on]: (...args: unknown[]) => {
        times += 1;
        if (times === nth) act();
        return original(...args);
      },
    };
  }

  const whole = { 30: holder, 20: { parent: 10 }, 10: { parent: 1 } };

  onLinux('a pid that is given to another process is never that one', async () => {
    for (const on of ['stat', 'descriptor', 'descriptors', 'executable', 'commandLine'] as const) {
      for (let nth = 1; nth <= 14; nth++) {
        const fake = fakeProc(whole);
        // The same pid, a later start; it does not hold the socket.
        const act = (): void => fake.put(30, { parent: 10, startTicks: '9999', comm: 'other' });
        const found = await look(fake, disturbed(fake, on, nth, act));
        const ok =
          found.kind === 'unattributed'
            ? true
            : found.processes[0]?.startTicks === '1030' && found.processes[0].name === 'tool';
        expect([on, nth, ok]).toEqual([on, nth, true]);
        // Where it came too late for the look, it is seen before the first byte is forwarded.
        if (found.kind === 'attributed') {
          act();
          expect(found.stillHolds()).toBe(false);
        }
      }
    }
  });

  onLinux('one that inherits pid and socket both is another process still', async () => {
    const fake = fakeProc(whole);
    const found = await look(fake);
    if (found.kind !== 'attributed') throw new Error(found.reason);
    fake.put(30, { ...holder, startTicks: '9999' });
    expect(found.stillHolds()).toBe(false);
  });

  onLinux('an ancestor that ends takes its descendants’ place in no chain', async () => {
    for (const on of ['stat', 'executable', 'cgroup'] as const) {
      for (let nth = 1; nth <= 20; nth++) {
        const fake = fakeProc(whole);
        const act = (): void => {
          fake.end(20);
          fake.put(30, { ...holder, parent: 1 });
        };
        const pids = await pidsIn(fake, disturbed(fake, on, nth, act));
        expect([[30, 20, 10], [30], 'gone']).toContainEqual(pids);
      }
    }
  });

  onLinux('files may vanish at any moment', async () => {
    for (const on of ['stat', 'descriptor', 'descriptors', 'executable', 'environmentVariable'] as const) {
      for (let nth = 1; nth <= 12; nth++) {
        const fake = fakeProc(whole);
        const pids = await pidsIn(
          fake,
          disturbed(fake, on, nth, () => fake.end(30)),
        );
        expect(['gone', 'unreadable', 'ambiguous', [30, 20, 10]]).toContainEqual(pids);
      }
    }
  });

  onLinux('a holder who is not shown leaves the socket to nobody', async () => {
    expect(await pidsIn(fakeProc({ 20: { parent: 1 } }))).toBe('unreadable');
  });
});

describe('one socket, several holders', () => {
  const sockets = { 3: inode };

  onLinux('the ancestor of the others is the one, however many are between', async () => {
    const fake = fakeProc({
      50: { parent: 40, sockets },
      40: { parent: 30 },
      30: { parent: 20, sockets, children: [40, 41] },
      41: { parent: 30, sockets },
      20: { parent: 1, children: [30] },
    });
    expect(await pidsIn(fake)).toEqual([30, 20]);
  });

  onLinux('a thread is not another one', async () => {
    const fake = fakeProc({
      30: { parent: 20, sockets },
      31: { parent: 20, sockets, leader: 30 },
      20: { parent: 1, children: [30] },
    });
    expect(await pidsIn(fake)).toEqual([30, 20]);
  });

  onLinux('siblings are two', async () => {
    const fake = fakeProc({
      30: { parent: 20, sockets },
      31: { parent: 20, sockets },
      20: { parent: 1, children: [30, 31] },
    });
    expect(await pidsIn(fake)).toBe('ambiguous');
  });
});
