import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { api } from '../../../gateway-core/agent/client/api.js';
import { openGateway } from '../../../gateway-core/agent/client/gateway.js';
import type { ClientState } from '../../../gateway-core/agent/client/state.js';
import { paths } from '../../../gateway-core/contract/api.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from './fake-gateway.js';
import { demoLogin, remove, temporaryHome } from './support.js';

// A process of a busy machine may stand still for some hundred milliseconds: that is no silence of the gateway.
const idleMs = 3000;
vi.mock(import('../../../gateway-core/agent/client/limits.js'), async (original) => {
  const { clientLimits } = await original();
  return { clientLimits: { ...clientLimits, requestIdleTimeoutMs: 3000 as 30_000 } };
});

let fake: FakeGateway;
let state: ClientState;
let home: string;
const line = `${JSON.stringify({ kind: 'beat', at: '2026-11-21T10:00:00.000Z' })}\n`;

beforeEach(async () => {
  fake = await startFakeGateway();
  ({ home, state } = await temporaryHome());
  await demoLogin(fake, state);
});
afterEach(async () => {
  await fake.kill();
  await remove(home);
});

it('a reader who takes his time loses nothing; a gateway that falls silent is given up', async () => {
  const lines = 20_000;
  const many: RouteHandler = (_, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    response.write(line.repeat(lines));
  };
  fake.behaviour.routes[`GET ${paths.live}`] = many;
  const gateway = await openGateway(fake.url, { state });
  const items = api.live(gateway).items[Symbol.asyncIterator]();
  await items.next();
  await sleep(idleMs * 1.5);
  for (let read = 1; read < lines; read += 1) expect((await items.next()).done).toBe(false);
  await expect(items.next()).rejects.toMatchObject({ code: 'gateway-unreachable' });
  gateway.close();
});
