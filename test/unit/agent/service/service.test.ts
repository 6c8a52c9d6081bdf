import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClientState } from '../../../../gateway-core/agent/client/state.js';
import { type AgentService, createAgentService } from '../../../../gateway-core/agent/service/index.js';
import { paths } from '../../../../gateway-core/contract/api.js';
import type { AppState } from '../../../../gateway-core/contract/bridge/app.js';
import { ConnectionName, SessionId } from '../../../../gateway-core/contract/ids.js';
import { eventually } from '../../../eventually.js';
import { scriptedTarget } from '../../agent-sql/scripted-target.js';
import { type FakeGateway, type RouteHandler, startFakeGateway } from '../fake-gateway.js';
import { demoLogin, remove, temporaryHome } from '../support.js';

/** Everything that an agent process holds, at once: what belongs to a sign-in ends with it, and with nothing else. */
const shop = ConnectionName.parse('shop-db');
const session = SessionId.parse(`ses_${'0'.repeat(26)}`);
const target = scriptedTarget((_, talk) => void talk.columns('n').rows('1').tag('SELECT 1').ready().send());

let fake: FakeGateway;
let state: ClientState;
let home: string;
let service: AgentService;
let told: { readonly name: string; readonly payload: unknown }[] = [];

beforeEach(async () => {
  fake = await startFakeGateway({ stream: target.serve });
  const stays: RouteHandler = (_, response) =>
    void response.writeHead(200).write(`${JSON.stringify({ kind: 'beat', at: new Date().toISOString() })}\n`);
  const recording: RouteHandler = (_, response) =>
    void response.writeHead(200).end(`${JSON.stringify({ kind: 'end', atMs: 1 })}\n`);
  fake.behaviour.routes[`GET ${paths.live}`] = stays;
  fake.behaviour.routes[`GET ${paths.recording(session)}`] = recording;
  ({ home, state } = await temporaryHome());
  told = [];
  await demoLogin(fake, state);
  service = createAgentService({
    version: '0',
    platform: 'test',
    state,
    emit: (name, payload) => void told.push({ name, payload }),
    openBrowser: () => undefined,
  });
});
afterEach(async () => {
  await service.close();
  await fake.kill();
  await remove(home);
});

const signedIn = (wanted: AppState['signIn']['state']): Promise<void> =>
  eventually(() => {
    const last = told.findLast(({ name }) => name === 'app.changed')?.payload as AppState | undefined;
    expect(last?.signIn.state).toBe(wanted);
  });

async function listens(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const up = await Promise.race([
    once(socket, 'connect').then(() => true),
    once(socket, 'error').then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return up;
}

/** One of everything. */
async function busy(): Promise<{ port: number; key: string; replay: string; run: string }> {
  const call = service.handlers;
  service.prefer({ exportDirectory: home, tunnels: [shop] });
  await service.start();
  await signedIn('signed-in');
  const { port } = await eventually(async () => {
    const [tunnel] = await call['tunnels.list']({});
    if (tunnel?.state !== 'open') throw new Error('it is not open yet');
    return tunnel;
  });
  const { key } = await call['sql.open']({ connection: shop, autocommit: true });
  const { run } = await call['sql.run']({ key, run: 'run_1', text: 'select 1', rowsMax: 10 });
  await eventually(async () => expect((await call['sql.runState']({ run })).state).toBe('done'));
  const { replay } = await call['replay.open']({ session });
  expect((await call['history.list']({ text: '', count: 1 }))[0]).toMatchObject({ state: 'ok' });
  return { port, key, replay, run };
}

describe('an agent', () => {
  it('opens the tunnels that are wanted as soon as somebody is signed in', async () => {
    const { port } = await busy();
    expect(await listens(port)).toBe(true);
  });

  it('ends tunnels, SQL sessions, replays and what it knows of the person with the sign-in', async () => {
    const { port, key, replay, run } = await busy();
    const call = service.handlers;
    await call['app.signOut']({});
    await signedIn('signed-out');
    expect(await listens(port)).toBe(false);
    expect(await call['tunnels.list']({})).toEqual([]);
    await eventually(async () =>
      expect(await call['sql.sessions']({})).toMatchObject([
        { key, state: 'closed', problem: { code: 'not-signed-in' } },
      ]),
    );
    await expect(call['replay.items']({ replay, from: 0, count: 1 })).rejects.toMatchObject({
      code: 'not-found',
    });
    expect(await call['history.list']({ text: '', count: 10 })).toEqual([]);
    await expect(call['connections.list']({})).rejects.toMatchObject({ code: 'not-signed-in' });
    await expect(call['sql.reconnect']({ key })).rejects.toMatchObject({ code: 'not-signed-in' });
    // Rows that were loaded stay until they are disposed of: what is on the screen may be copied.
    expect((await call['sql.runState']({ run })).state).toBe('done');
  });

  it('keeps all of it when the gateway is away for a moment', async () => {
    const { port, key, replay } = await busy();
    const call = service.handlers;
    const resyncs = (): number => told.filter(({ name }) => name === 'resync').length;
    const before = resyncs();
    fake.cut();
    await eventually(() => expect(resyncs()).toBeGreaterThan(before));
    await signedIn('signed-in');
    expect(await listens(port)).toBe(true);
    expect((await call['replay.items']({ replay, from: 0, count: 1 })).items).toHaveLength(1);
    // The stream itself is gone: no gateway can give that back.
    await eventually(async () => expect((await call['sql.sessions']({}))[0]?.state).toBe('closed'));
    expect((await call['sql.reconnect']({ key })).state).toBe('ready');
    expect((await call['history.list']({ text: '', count: 1 }))[0]).toMatchObject({ text: 'select 1' });
  });

  it('has no clear text of the history on the disk', async () => {
    await busy();
    expect(await readFile(`${state.home.state}/history.sealed`, 'latin1')).not.toContain('select 1');
  });
});
