import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect } from 'vitest';
import { attribute, becomeSubreaper } from '../../../../gateway-core/agent/lineage/index.js';
import { openProc } from '../../../../gateway-core/agent/lineage/proc.js';
import { endLater, later, linesOf, listen, onLinux, start, until } from './support.js';

const proc = openProc();

async function reaping(): Promise<void> {
  const became = await becomeSubreaper();
  if (became.kind !== 'reaping') throw new Error(became.reason);
  later(async () => {
    // What the clean-ups before this one have ended.
    await until(() => states().length === 0);
    became.stop();
  });
}

const states = (): string[] =>
  (proc.children(process.pid) ?? []).map((pid) => proc.stat(pid)?.state ?? 'gone');

describe('orphans stay below the process that became their subreaper', () => {
  onLinux('their connections are attributed below it', async () => {
    await reaping();
    const listener = await listen();
    const script = `exec 3<>/dev/tcp/127.0.0.1/${listener.port}; read -r _ <&3; true`;
    const child = start('bash', ['-c', `(bash -c '${script}' & ) ; echo gone`]);
    await linesOf(child)();
    await once(child, 'exit');
    const found = await attribute(await listener.accepted());
    if (found.kind !== 'attributed') throw new Error(found.reason);
    endLater(found.processes[0]?.pid ?? 0);
    expect(found.processes[1]?.pid).toBe(process.pid);
  });

  onLinux('200 of them leave no zombie, and the exit status of own children arrives', async () => {
    await reaping();
    // The shell waits for none of them: each is an orphan at once, and ends as one when its input does.
    const script = 'exec 3<&0; for i in {1..200}; do (cat <&3 >/dev/null &); done; exec 3<&-; exit 7';
    const child = start('bash', ['-c', script], {}, 'pipe');
    const others = Array.from({ length: 20 }, (_, at) =>
      spawn('bash', ['-c', `sleep 0.${at + 10}; exit ${at}`]),
    );
    const codes = Promise.all(
      [child, ...others].map(async (each) => (await once(each, 'exit'))[0] as number),
    );
    const own = new Set([child, ...others].map(({ pid }) => pid));
    await until(() => (proc.children(process.pid) ?? []).filter((pid) => !own.has(pid)).length >= 200);
    child.stdin?.end();
    expect(await codes).toEqual([7, ...others.map((_, at) => at)]);
    await until(() => states().length === 0);
  });

  onLinux('an own child that Node is late for is left to Node', async () => {
    await reaping();
    const child = spawn('bash', ['-c', 'exit 9']);
    const code = once(child, 'exit');
    const end = Date.now() + 1500;
    // Nothing of Node's runs meanwhile, and the reaper's timer is due first.
    while (Date.now() < end);
    expect((await code)[0]).toBe(9);
  });
});
