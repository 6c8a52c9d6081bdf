import { once } from 'node:events';
import { mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, expect, it } from 'vitest';
import { createDeviceJwk, deviceKey } from '../../gateway-core/agent/client/dpop.js';
import { openState } from '../../gateway-core/agent/client/state.js';
import { spoolDirectory } from '../../gateway-core/agent/spool/home.js';
import { ThroughlineError, toProblem } from '../../gateway-core/contract/errors.js';
import { type LocalRecord, SpoolAppend } from '../../gateway-core/contract/local-record.js';
import { ModelGateway } from '../sim/spool-world.js';
import { cloneRoot } from './harness.js';
import { createScope, run, start } from './processes.js';

/** kill -9 of a process that records and uploads, on a real disk, again and again. */
const scope = createScope();
afterAll(() => scope.close());

const gateway = 'https://gateway.test';

/** Appends as fast as it can, says which are kept, and uploads beside it; or only brings away what is there. */
const program = (from: number | 'none'): string => `
  const [root, url, device, gateway] = process.argv.slice(1);
  const load = (path) => import(root + '/out/gateway-core/agent/' + path);
  const { openState } = await load('client/state.js');
  const { openSpoolHome } = await load('spool/home.js');
  const { Spool } = await load('spool/spool.js');
  const { systemClock } = await load('spool/clock.js');
  const { fromProblem } = await import(root + '/out/gateway-core/contract/errors.js');
  const send = async (of, segment, body) => {
    const answer = await fetch(url + '/' + of + '/' + segment, { method: 'POST', body: JSON.stringify(body) });
    const value = await answer.json();
    if (answer.ok) return value;
    throw fromProblem(value);
  };
  // The spool’s own timers keep no process.
  setInterval(() => undefined, 1000);
  const clock = systemClock();
  const home = await openSpoolHome(openState(), gateway, device);
  const spool = new Spool({ home, clock, random: Math.random, send, changed() {}, bytesPerSecond: 1e9, segmentBytesMax: 30000 });
  spool.start();
  if ('${from}' === 'none') {
    // The first look at what others left is waited for by the end.
    await spool.close(50_000);
    process.stdout.write(JSON.stringify(spool.state()) + '\\n');
    process.exit(0);
  }
  for (let number = ${from === 'none' ? 0 : from}; ; number += 3) {
    const stamp = { at: new Date().toISOString(), monoMs: 1, boot: 'b' };
    const records = [0, 1, 2].map((each) => ({
      ...stamp, kind: 'gap', lost: number + each, since: stamp.at, reason: 'x'.repeat(100),
    }));
    await spool.append(records);
    process.stdout.write((number + 2) + '\\n');
  }
`;

it('loses nothing that it said was kept, doubles nothing, and keeps the order', async () => {
  const env = { THROUGHLINE_HOME: scope.directory(), THROUGHLINE_KEYRING: 'off' };
  const state = openState(env);
  const jwk = createDeviceJwk();
  await state.saveSignIn({ v: 1, gateway, deviceKey: jwk }, 'fresh');
  const device = deviceKey(jwk).thumbprint;
  const model = new ModelGateway(device);
  let lossy = 0.2;
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const [, of = '', segment] = (request.url ?? '').split('/');
      try {
        const ack = model.append(of, Number(segment), SpoolAppend.parse(JSON.parse(body)));
        // Some answers never come.
        if (Math.random() < lossy) return response.destroy();
        return response.end(JSON.stringify(ack));
      } catch (error) {
        const known =
          error instanceof ThroughlineError ? error : new ThroughlineError('internal', String(error));
        const problem = toProblem(known);
        return response.writeHead(problem.status).end(JSON.stringify(problem));
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  scope.onClose(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const directory = spoolDirectory(state, gateway);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  /** Who was killed is taken for dead at once. */
  const age = (): void => {
    const before = new Date(Date.now() - 60_000);
    for (const name of readdirSync(directory).filter((each) => /^[0-9a-f]{16}$/.test(each)))
      for (const path of ['owner.lock', '']) utimesSync(join(directory, name, path), before, before);
  };
  const kept = new Set<number>();
  let next = 1;
  /** Until it has said so often what is kept, and so much longer. */
  const live = async (lines: number, ms: number): Promise<void> => {
    const args = ['--input-type=module', '-e', program(next), cloneRoot(), url, device, gateway];
    const child = start(scope, process.execPath, args, { env });
    await child.waitFor(new RegExp(`(\\d+\n){${lines}}`));
    await new Promise((resolve) => setTimeout(resolve, ms));
    child.signal('SIGKILL');
    await child.ended;
    const said = child
      .stdoutText()
      .split('\n')
      .filter((line) => /^\d+$/.test(line))
      .map(Number);
    for (const last of said) for (const number of [last - 2, last - 1, last]) kept.add(number);
    // The one that was being written may be there, too.
    next = Math.max(...said) + 4;
  };
  for (let round = 0; round < 15; round += 1) {
    age();
    await live(3, 100 + Math.random() * 400);
  }
  age();
  lossy = 0;
  const args = ['--input-type=module', '-e', program('none'), cloneRoot(), url, device, gateway];
  const { status, stdout, stderr } = await run(process.execPath, args, { env });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({ records: 0, refused: [] });
  const there = numbersOf(model);
  expect([...kept].filter((number) => !there.includes(number))).toEqual([]);
  expect(new Set(there).size).toBe(there.length);
  expect(there).toEqual(there.toSorted((a, b) => a - b));
  expect(kept.size).toBeGreaterThan(100);
});

const numbersOf = (model: ModelGateway): number[] =>
  model
    .records()
    .filter((each): each is Extract<LocalRecord, { kind: 'gap' }> => each.kind === 'gap')
    .filter(({ reason }) => reason.startsWith('xxx'))
    .map(({ lost }) => lost);
