import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { cloneRoot, startGateway } from './harness.js';
import { createScope, run, start } from './processes.js';

/** What holds for the start of a gateway, whether it succeeds or not. */

const scope = createScope();
const program = join(cloneRoot(), 'gateway-core', 'cli', 'throughline.mjs');
afterAll(() => scope.close());

const up = (data: string, ...flags: string[]) =>
  run(process.execPath, [program, 'up', '--demo', '--data', data, '--listen', '127.0.0.1:0', ...flags], {
    env: { THROUGHLINE_HOME: join(data, '..', 'home') },
  });

test('a gateway that cannot open its log says so and ends, with the threads that it had begun', async () => {
  const gateway = await startGateway(scope);
  gateway.signal('SIGTERM');
  await gateway.ended;
  writeFileSync(join(gateway.data, 'audit', 'checkpoint'), 'not a checkpoint\n');
  const { status, stderr } = await up(gateway.data);
  expect(stderr).toContain('checkpoint');
  expect(status).toBe(5);
});

test('a gateway whose config is wrong ends, though its threads were loading', async () => {
  const config = join(scope.directory(), 'gateway.yaml');
  writeFileSync(config, 'listen: nowhere\n');
  const { status, stderr } = await up(join(scope.directory(), 'data'), '--config', config);
  expect(stderr).toContain('gateway.yaml');
  expect(status).toBe(2);
});

test("a gateway runs with flags of Node's engine, which its threads would not take", async () => {
  const data = join(scope.directory(), 'data');
  const flags = ['--max-semi-space-size=16', program, 'up', '--demo', '--json', '--listen', '127.0.0.1:0'];
  const running = start(scope, process.execPath, [...flags, '--data', data], {
    env: { THROUGHLINE_HOME: join(data, '..', 'home') },
  });
  await running.waitFor(/"ready":true/);
  running.signal('SIGTERM');
  expect((await running.ended).status).toBe(0);
});
