import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openState } from '../../../gateway-core/agent/client/state.js';
import type { GatewayServer, StartOptions } from '../../../gateway-core/cli/gateway-server.js';
import { ThroughlineError } from '../../../gateway-core/contract/errors.js';
import { remove, temporaryHome } from '../agent/support.js';
import { run } from './run.js';

const ready = {
  url: 'https://127.0.0.1:7443',
  ca: '/data/ca.pem',
  listeners: { postgres: '127.0.0.1:15432' },
  demoSecret: '/data/demo secret',
};

let home: string;
let env: Record<string, string>;
let started: StartOptions[];
let closeCalls: number;
let end: (error?: Error) => void;
let server: GatewayServer;

beforeEach(async () => {
  ({ home, env } = await temporaryHome());
  started = [];
  closeCalls = 0;
  server = {
    startGateway: (options) => {
      started.push(options);
      const closed = new Promise<void>((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
      return Promise.resolve({
        ready,
        closed,
        close: () => {
          closeCalls += 1;
          end();
          return Promise.resolve();
        },
      });
    },
    verifyLog: () => Promise.reject(new Error('not asked')),
  };
});
afterEach(() => remove(home));

describe('up', () => {
  test('--json prints exactly the documented line and serves until it is closed', async () => {
    const ran = await run(['up', '--demo', '--json'], { env, server, onOut: () => end() });
    expect(ran).toMatchObject({ status: 0, err: '' });
    expect(ran.out).toBe(`${JSON.stringify({ ready: true, ...ready })}\n`);
  });

  test('flags come before variables, and what neither says is left to the gateway', async () => {
    const variables = {
      ...env,
      THROUGHLINE_DATA: '/env/data',
      THROUGHLINE_LISTEN: '0.0.0.0:1',
      THROUGHLINE_CONFIG: '',
    };
    await run(['up', '--listen', '[::1]:0'], { env: variables, server, onOut: () => end() });
    expect(started).toEqual([
      { demo: false, json: false, dataDir: '/env/data', listen: { host: '::1', port: 0 } },
    ]);
    await run(['up', '--demo', '--keys', '/k', '--config', 'c.yaml'], { env, server, onOut: () => end() });
    expect(started[1]).toEqual({ demo: true, json: false, keysDir: '/k', configFile: 'c.yaml' });
  });

  test('prints lines that can be pasted, the path of the secret quoted', async () => {
    const { out } = await run(['up', '--demo'], { env, server, onOut: () => end() });
    expect(out).toContain(
      `throughline login --gateway https://127.0.0.1:7443 --demo-user contractor --demo-secret '/data/demo secret'`,
    );
    expect(out).toContain('throughline exec shop-db -- psql');
  });

  test('notes where its CA is while it runs, and no longer', async () => {
    const state = openState(env);
    let during: unknown;
    const noted = async (): Promise<void> => {
      during = (await state.settings()).local;
      end();
    };
    await run(['up', '--demo', '--json'], { env, server, onOut: () => void noted() });
    expect(during).toEqual({ [ready.url]: { ca: ready.ca, demoSecret: ready.demoSecret } });
    expect((await state.settings()).local).toEqual({});
  });

  test('runs also where the client state cannot be written, and says so', async () => {
    const ran = await run(['up', '--json'], {
      env: { THROUGHLINE_HOME: '/dev/null' },
      server,
      onOut: () => end(),
    });
    expect(ran.status).toBe(0);
    expect(ran.err).toContain('login will not find this gateway by itself');
  });

  test('an interrupt closes it in order', async () => {
    const listening = process.listenerCount('disconnect');
    const done = run(['up', '--json'], {
      env,
      server,
      onOut: () => setTimeout(() => process.emit('SIGINT'), 20),
    });
    expect((await done).status).toBe(0);
    expect(closeCalls).toBe(1);
    expect(process.listenerCount('SIGINT')).toBe(0);
    expect(process.listenerCount('disconnect')).toBe(listening);
  });

  test('a gateway that fails, at start or later, ends it with the reason', async () => {
    const failing: GatewayServer = {
      ...server,
      startGateway: () =>
        Promise.reject(new ThroughlineError('conflict', 'port 7443 is taken', { action: 'use --listen' })),
    };
    const refused = await run(['up', '--json'], { env, server: failing });
    expect(refused.status).toBe(1);
    expect(JSON.parse(refused.err)).toEqual({
      error: { code: 'conflict', message: 'port 7443 is taken', action: 'use --listen' },
    });
    const broken = await run(['up', '--json'], { env, server, onOut: () => end(new Error('disk is gone')) });
    expect(broken.status).toBe(1);
    expect(broken.err).toContain('disk is gone');
  });
});
