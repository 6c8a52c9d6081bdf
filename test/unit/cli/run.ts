import { Readable } from 'node:stream';
import type { Context } from '../../../gateway-core/cli/context.js';
import { main } from '../../../gateway-core/cli/main.js';
import { wantsColour } from '../../../gateway-core/cli/output.js';

export interface Ran {
  readonly status: number;
  readonly out: string;
  readonly err: string;
  /** The one JSON value on stdout. */
  readonly json: () => unknown;
}

export interface World {
  readonly env?: Record<string, string>;
  readonly stdin?: string;
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly server?: Context['server'];
  readonly openBrowser?: Context['openBrowser'];
  /** Sees output as it comes. */
  readonly onOut?: (text: string) => void;
  readonly onErr?: (text: string) => void;
}

/** Runs the command inside this process. */
export async function run(argv: readonly string[], world: World = {}): Promise<Ran> {
  let out = '';
  let err = '';
  const { env = {}, isTTY = false, columns = 80 } = world;
  const shape = { isTTY, columns, colour: wantsColour(isTTY, env) };
  const status = await main(argv, {
    env,
    stdin: Object.assign(Readable.from([Buffer.from(world.stdin ?? '')]), { isTTY }),
    stdout: {
      ...shape,
      write: (text) => {
        out += text;
        world.onOut?.(text);
      },
    },
    stderr: {
      ...shape,
      write: (text) => {
        err += text;
        world.onErr?.(text);
      },
    },
    version: '1.2.3',
    openBrowser: world.openBrowser ?? (() => undefined),
    ...(world.server === undefined ? {} : { server: world.server }),
  });
  return { status, out, err, json: () => JSON.parse(out) as unknown };
}
