import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { decodeBundle } from '../../gateway-core/audit/layout.js';
import { parseLeaf } from '../../gateway-core/audit/leaf.js';
import type { GatewayRun } from './harness.js';

export interface Logged {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** The audit log as it stands on the disk, in its order. */
export function logged(gateway: GatewayRun): readonly Logged[] {
  for (;;) {
    try {
      return read(gateway);
    } catch (error) {
      // A partial bundle is removed when the whole one is there: between the listing and the reading, now and then.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function read(gateway: GatewayRun): readonly Logged[] {
  const root = join(gateway.data, 'audit');
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
  const bundles = names.filter(
    (name) => /tile\/entries\/.*\d+(\.p\/\d+)?$/.test(name) && statSync(join(root, name)).isFile(),
  );
  const size = (name: string): number => Number(name.split('/').at(-1));
  const partial = bundles
    .filter((name) => name.includes('.p/'))
    .toSorted(
      (one, other) =>
        one.split('.p/')[0]?.localeCompare(other.split('.p/')[0] ?? '') || size(one) - size(other),
    )
    .slice(-1);
  const whole = bundles.filter((name) => !name.includes('.p/')).toSorted();
  const open = partial.filter((name) => !whole.includes(name.split('.p/')[0] ?? ''));
  return [...whole, ...open]
    .flatMap((name) => decodeBundle(readFileSync(join(root, name))).entries)
    .map((entry) => parseLeaf(entry) as unknown as Logged);
}
