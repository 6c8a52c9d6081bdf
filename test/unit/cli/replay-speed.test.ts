import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { paths } from '../../../gateway-core/contract/api.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from '../agent/fake-gateway.js';
import { demoLogin, remove, temporaryHome } from '../agent/support.js';
import { run } from './run.js';
import { recording, sessionId } from './sample.js';

const { waits } = vi.hoisted(() => ({ waits: [] as number[] }));
vi.mock('node:timers/promises', () => ({
  setTimeout: (delayMs: number) => {
    waits.push(delayMs);
    return Promise.resolve();
  },
}));

let fake: FakeGateway;
let home: string;
let env: Record<string, string>;

beforeAll(async () => {
  const made = await temporaryHome();
  ({ home, env } = made);
  fake = await startFakeGateway();
  await demoLogin(fake, made.state);
  const lines: RouteHandler = (_, response) =>
    response.end(recording.map((item) => JSON.stringify(item)).join('\n'));
  fake.behaviour.routes[`GET ${paths.recording(sessionId)}`] = lines;
});
afterAll(async () => {
  await fake.kill();
  await Promise.all([fake.directory, home].map(remove));
});

async function waited(argv: string[]): Promise<number[]> {
  waits.length = 0;
  const ran = await run(['replay', sessionId, '--gateway', fake.url, ...argv], { env });
  expect(ran).toMatchObject({ status: 0, err: '' });
  return [...waits];
}

test('without --speed nothing waits', async () => {
  expect(await waited([])).toEqual([]);
});

test('--speed waits as long as the session did, divided, and sits out no pause in full', async () => {
  expect(await waited(['--speed', '2'])).toEqual([5, 0.5, 0.5, 0, 0.5, 10_000, 0.5, 0.5, 49]);
});

test('a speed that is none is a usage error', async () => {
  for (const speed of ['0', '-1', 'x', '1e3', '']) {
    expect((await run(['replay', sessionId, '--speed', speed], { env })).status).toBe(2);
  }
});
