import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyBundle } from '../../../gateway-core/evidence/verify/index.js';
import { bytesAccess, inflate } from '../../../gateway-core/evidence/zip/node.js';
import { agentBundle, BundleWorld } from './bundle-world.js';

const world = new BundleWorld();
afterAll(() => world.close());

let bundle: Awaited<ReturnType<typeof agentBundle>>;
beforeAll(async () => {
  bundle = await agentBundle(world);
});

describe('a bundle as it was exported', () => {
  it('has no problems', async () => {
    const report = await verifyBundle(bytesAccess(bundle.zip), { inflate, key: world.key.vkey });
    expect(report.problems).toEqual([]);
  });
});
