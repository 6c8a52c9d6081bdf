import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { type DemoTarget, demoTarget } from '../../gateway-core/server/demo/target.js';
import { createScope, start } from './processes.js';

/** The demo's PostgreSQL, as its gateway makes, starts and ends it. */
const scope = createScope();
afterAll(() => scope.close());

function target(): DemoTarget {
  const made = demoTarget(join(scope.directory(), 'demo'));
  scope.onClose(async () => {
    await made.stop();
    rmSync(made.directory, { recursive: true, force: true });
  });
  return made;
}

/** Processes that stand below a directory, or name it. */
function processesAt(directory: string): readonly string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (words.includes(directory) || readlinkSync(`/proc/${pid}/cwd`).startsWith(directory))
        found.push(`${pid} ${words.slice(0, 80)}`);
    } catch {
      // It has ended.
    }
  }
  return found;
}

describe.runIf(process.platform === 'linux')('the demo’s database', () => {
  it('that is ended while it is made leaves nothing running, and is made afresh', async () => {
    const database = target();
    for (const afterMs of [0, 30, 100, 250, 500, 800, 1200, 2000]) {
      const starting = database.start('secret').catch((error: unknown) => error);
      await sleep(afterMs);
      await database.stop();
      expect(processesAt(database.directory)).toEqual([]);
      await starting;
      expect(processesAt(database.directory)).toEqual([]);
    }
    const place = await database.start('secret');
    expect(readdirSync(place)).toContain('.s.PGSQL.5432');
    await database.stop();
    expect(processesAt(database.directory)).toEqual([]);
    expect(existsSync(place)).toBe(false);
  });

  it('is not taken for another process that has its pid by now', async () => {
    const database = target();
    await database.start('secret');
    await database.stop();
    const other = start(scope, 'sleep', ['600']);
    const file = join(database.directory, 'data', 'postmaster.pid');
    writeFileSync(
      file,
      [other.pid, join(database.directory, 'data'), 1, 5432, '/nowhere', '', '', 'ready', ''].join('\n'),
    );
    const place = await database.start('secret');
    expect(readdirSync(place)).toContain('.s.PGSQL.5432');
    await database.stop();
    expect(() => process.kill(other.pid, 0)).not.toThrow();
  });
});
