import { Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startChild } from '../../gateway-core/agent/sdk/child.js';
import { type GatewayRun, login, type Person, psql, startGateway } from './harness.js';
import { createScope } from './processes.js';

/** A delegation's handle at the native listener, where nobody can tell which process holds it. */
const scope = createScope();
afterAll(() => scope.close());

let gateway: GatewayRun;
let engineer: Person;

beforeAll(async () => {
  gateway = await startGateway(scope);
  engineer = await login(scope, gateway, 'engineer');
  await psql((await engineer.tunnel('shop-db')).env, 'select 1');
});

/** As from another machine. */
class FromAddress extends Socket {
  readonly #localAddress: string;

  constructor(localAddress: string) {
    super();
    this.#localAddress = localAddress;
  }

  override connect(...args: unknown[]): this {
    const [port, host] = args as [number, string];
    return super.connect({ port, host, localAddress: this.#localAddress });
  }
}

it('is good for one address at a time: from a second one it is refused, on record, until the first is done', async () => {
  const parent = await engineer.gateway();
  const child = await startChild({ parent, request: { label: 'passed on' } });
  const { id, handle } = child.answer;
  const from = (address: string): pg.Client =>
    new pg.Client({
      host: gateway.native.host,
      port: gateway.native.port,
      user: id,
      password: handle,
      database: 'shop-db',
      ssl: false,
      stream: () => new FromAddress(address),
    });
  const first = from('127.0.0.1');
  await first.connect();
  const beside = from('127.0.0.1');
  await beside.connect();
  await beside.end();
  await expect(from('127.0.0.2').connect()).rejects.toThrow(/another address/);
  expect((await first.query('select 42 as n')).rows).toEqual([{ n: 42 }]);
  await first.end();
  await expect
    .poll(async () => {
      const later = from('127.0.0.2');
      return later.connect().then(
        () => later.end().then(() => 'open'),
        (error: unknown) => String(error),
      );
    })
    .toBe('open');
  await child.end();
  await expect(from('127.0.0.1').connect()).rejects.toThrow(/handle|authentication/);
});
