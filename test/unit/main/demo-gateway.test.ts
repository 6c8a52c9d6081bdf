import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AppState } from '../../../gateway-core/contract/bridge/app.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { type DemoGateway, demoGateway } from '../../../main/gateway/demo-gateway.js';

let directory = '';
let demos: DemoGateway[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'throughline-demo-'));
});
afterEach(async () => {
  await Promise.all(demos.map((demo) => demo.close()));
  demos = [];
  rmSync(directory, { recursive: true, force: true });
});

/** A demo gateway whose program is `source`. */
function setup(source: string, node: 'node' | 'none' = 'node') {
  const program = join(directory, 'throughline.mjs');
  const started = join(directory, 'started');
  writeFileSync(
    program,
    `import { appendFileSync } from 'node:fs';
     appendFileSync(${JSON.stringify(started)}, JSON.stringify({ argv: process.argv.slice(2), env: process.env, pid: process.pid }) + '\\n');
     ${source}`,
  );
  const changes: AppState['embedded'][] = [];
  const complaints: string[] = [];
  const demo = demoGateway({
    node: node === 'node' ? process.execPath : undefined,
    program,
    env: {
      PATH: process.env['PATH'],
      THROUGHLINE_HOME: join(directory, 'home'),
      NODE_OPTIONS: '--no-such-flag',
    },
    changed: (embedded) => changes.push(embedded),
    complain: (what) => complaints.push(what),
  });
  demos.push(demo);
  const starts = (): { argv: string[]; env: Record<string, string>; pid: number }[] =>
    existsSync(started)
      ? readFileSync(started, 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { argv: string[]; env: Record<string, string>; pid: number })
      : [];
  return { demo, changes, complaints, starts };
}

const failure = async (promise: Promise<unknown>): Promise<ThroughlineError> => {
  const error: unknown = await promise.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof ThroughlineError)) throw new Error('expected a ThroughlineError');
  return error;
};

const ready = `console.log(JSON.stringify({ ready: true, url: 'https://127.0.0.1:7443', ca: '/ca', listeners: {}, demoSecret: '/secret' }));`;
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the demo gateway', () => {
  it('is one process however often it is asked for, and ends with the app', async () => {
    const { demo, changes, starts } = setup(
      `${ready} setInterval(() => {}, 1000); process.on('SIGTERM', () => process.exit(0));`,
    );
    const all = await Promise.all([demo.start(), demo.start(), demo.start()]);
    expect(all[0]).toEqual({ url: 'https://127.0.0.1:7443', demoSecret: '/secret' });
    expect(starts()).toHaveLength(1);
    expect(starts()[0]?.argv).toEqual(['up', '--demo', '--json']);
    expect(starts()[0]?.env['NODE_OPTIONS']).toBeUndefined();
    expect(changes).toEqual([
      { url: 'https://127.0.0.1:7443', accounts: ['contractor', 'engineer', 'approver', 'admin', 'auditor'] },
    ]);
    expect(demo.ours).toBe(true);
    await demo.close();
    expect(alive(starts()[0]?.pid ?? 0)).toBe(false);
    expect(changes.at(-1)).toBeUndefined();
  });

  it('one that does not start says why, in the gateway’s own words, and can be started again', async () => {
    const { demo, starts, complaints } = setup(
      `process.stderr.write('noise\\n' + JSON.stringify({ error: { code: 'conflict', message: 'port 7443 cannot be used', action: 'stop the other one' } }) + '\\n'); process.exit(1);`,
    );
    const first = await failure(demo.start());
    expect(first.message).toBe('the demo gateway did not start: port 7443 cannot be used');
    expect(first.action).toBe('stop the other one');
    await failure(demo.start());
    expect(starts()).toHaveLength(2);
    expect(complaints).toEqual([]);
  });

  it.each([
    ['ends at once', 'process.exit(0);'],
    ['says nonsense and ends', `console.log('hello'); console.error('{}');`],
    ['says a line of another shape and ends', `console.log(JSON.stringify({ ready: true, url: 7 }));`],
  ])('one that %s is a clear error', async (_what, source) => {
    expect((await failure(setup(source).demo.start())).code).toBe('target-unreachable');
  });

  it('one that dies later is told, and is started again when it is asked for', async () => {
    const { demo, changes, starts, complaints } = setup(
      `process.on('SIGUSR2', () => process.exit(9)); setInterval(() => {}, 1000); ${ready}`,
    );
    await demo.start();
    process.kill(starts()[0]?.pid ?? 0, 'SIGUSR2');
    while (changes.length < 2) await sleep(10);
    expect(changes[1]).toBeUndefined();
    expect(complaints).toEqual(['the demo gateway ended (status 9)']);
    await demo.start();
    expect(starts()).toHaveLength(2);
  });

  it('an app without a Node of its own says that it runs none', async () => {
    const { demo, starts } = setup(ready, 'none');
    expect((await failure(demo.start())).message).toContain('does not run one itself');
    expect(starts()).toEqual([]);
  });

  it('is ended at once when the app has no time', async () => {
    const { demo, starts } = setup(`process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); ${ready}`);
    await demo.start();
    expect(starts()).toHaveLength(1);
    demo.kill();
    while (alive(starts()[0]?.pid ?? 0)) await sleep(10);
    expect(demo.ours).toBe(false);
  });
});
