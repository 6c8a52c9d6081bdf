import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { DemoHost } from '../../gateway-core/server/demo/host/index.js';
import { type DemoTarget, demoTarget } from '../../gateway-core/server/demo/target.js';
import { eventually } from '../eventually.js';
import { createScope, start } from './processes.js';

/** What the demo leads to, as its gateway makes, starts and ends it. */
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

describe.runIf(process.platform === 'linux')('the demo’s host', () => {
  function host(): { readonly host: DemoHost; readonly directory: string } {
    const directory = join(scope.directory(), 'demo');
    const made = new DemoHost(directory);
    made.seed();
    scope.onClose(() => made.stop());
    return { host: made, directory };
  }

  it('is one, however many ask for it at once', async () => {
    const { host: demo, directory } = host();
    const places = await Promise.all(Array.from({ length: 8 }, () => demo.address()));
    expect(new Set(places).size).toBe(1);
    // Each would have a shell of its own. Between fork and exec one looks like two.
    await eventually(() =>
      expect(processesAt(directory).filter((line) => line.includes(' /bin/sh -c '))).toHaveLength(1),
    );
    await demo.stop();
    await eventually(() => expect(processesAt(directory)).toEqual([]));
  });

  it('that is ended while it starts leaves nothing running, and starts no more', async () => {
    for (const afterMs of [0, 5, 20, 60]) {
      const { host: demo, directory } = host();
      const starting = demo.address().catch((error: unknown) => error);
      await sleep(afterMs);
      await demo.stop();
      await starting;
      await eventually(() => expect(processesAt(directory)).toEqual([]));
      await expect(demo.address()).rejects.toMatchObject({ code: 'target-unreachable' });
      expect(processesAt(directory)).toEqual([]);
    }
  });
});
