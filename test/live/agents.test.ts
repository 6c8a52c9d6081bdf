import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AgentNode } from '../../gateway-core/contract/delegation.js';
import { cliProgram, type GatewayRun, login, type Person, startGateway } from './harness.js';
import { createScope, until } from './processes.js';

/** Nested agents for real: `throughline run` below `throughline run`, psql at the end. */
const scope = createScope();
afterAll(() => scope.close());

let gateway: GatewayRun;
let engineer: Person;

beforeAll(async () => {
  gateway = await startGateway(scope);
  engineer = await login(scope, gateway, 'engineer');
}, 120_000);

interface Shown {
  readonly id: string;
  readonly chain: readonly { readonly kind: string; readonly name: string; readonly assurance: string }[];
}

const lineOf = (session: Shown): string =>
  session.chain.map(({ kind, name, assurance }) => `${kind} ${name} ${assurance}`).join(' > ');

async function lines(): Promise<string[]> {
  const sessions = await engineer.json<Shown[]>(['sessions']);
  return sessions.map(lineOf);
}

describe('throughline run', () => {
  it('a psql below two agents lands at the end of the whole line', async () => {
    const { status, stdout, stderr } = await engineer.cli([
      'run',
      '--agent',
      'outer',
      '--connections',
      'shop-db',
      '--',
      process.execPath,
      cliProgram,
      'run',
      '--agent',
      'inner',
      '--actions',
      'read',
      '--',
      'sh',
      '-c',
      'psql -XAtc "select 40 + 2"; true',
    ]);
    expect({ status, stdout: stdout.trim(), stderr }).toEqual({ status: 0, stdout: '42', stderr: '' });
    await until('it is listed', async () =>
      (await lines()).includes(
        'person Erin Engineer proven > agent outer issued > agent inner proven > process psql observed',
      )
        ? true
        : undefined,
    ).catch(async (error: unknown) => {
      throw new Error(JSON.stringify(await lines(), undefined, 1), { cause: error });
    });
    const nodes = await engineer.json<AgentNode[]>(['agents']);
    expect(nodes).toEqual([]);
  });
});
