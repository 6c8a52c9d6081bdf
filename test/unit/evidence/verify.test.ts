import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BundleManifest, type BundleReport, bundlePaths } from '../../../gateway-core/contract/evidence.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import { type VerifyOptions, verifyBundle } from '../../../gateway-core/evidence/verify/index.js';
import { bytesAccess, inflate } from '../../../gateway-core/evidence/zip/node.js';
import { agentBundle, BundleWorld } from './bundle-world.js';
import { unzipStrict, zipOf } from './zip-files.js';

const world = new BundleWorld();
afterAll(() => world.close());

let bundle: Awaited<ReturnType<typeof agentBundle>>;
beforeAll(async () => {
  bundle = await agentBundle(world);
});

const check = (zip: Uint8Array, more: Partial<VerifyOptions> = {}): Promise<BundleReport> =>
  verifyBundle(bytesAccess(zip), { inflate, ...more });

describe('a bundle as it was exported', () => {
  it('holds, and says what is proved, by which key, and what is not', async () => {
    const report = await check(bundle.zip, { key: world.key.vkey });
    expect(report).toMatchObject({
      ok: true,
      problems: [],
      entries: 56,
      sessions: 3,
      keyFingerprint: world.key.fingerprint,
      keyName: 'gateway.example/log',
      signedAt: '2026-11-20T13:00:00.000Z',
    });
    const said = report.proved.join('\n');
    for (const part of [
      'in a tree of 656',
      '22 files',
      '21 statements',
      '12 results',
      'in 1 session the person',
    ])
      expect(said).toContain(part);
    expect(report.notProved.join('\n')).toContain('the end of 1 session that still ran');
  });

  it("proves nothing about whose key it is, unless the reader has the gateway's from elsewhere", async () => {
    const keySaid = async (key?: string) =>
      (await check(bundle.zip, key === undefined ? {} : { key })).notProved.some((line) =>
        line.includes('the key'),
      );
    expect(await keySaid()).toBe(true);
    expect(await keySaid(` ${world.key.vkey}\n`)).toBe(false);
    expect(await keySaid(world.key.fingerprint)).toBe(false);
    for (const key of ['', 'sha256:12', `${world.key.vkey}x`])
      await expect(check(bundle.zip, { key })).rejects.toMatchObject({ code: 'invalid-request' });
  });

  it('is read once, in pieces, and says how far it is', async () => {
    const shares: number[] = [];
    let read = 0;
    const source = bytesAccess(bundle.zip);
    await verifyBundle(
      {
        size: source.size,
        read: (offset, length) => {
          read += length;
          return source.read(offset, length);
        },
      },
      { inflate, onProgress: (share) => shares.push(share) },
    );
    expect(read).toBeLessThan(1.1 * source.size);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBe(1);
  });

  it("the viewer's own copy holds too, and says what it lacks", async () => {
    const page = Buffer.from(bundle.files.get(bundlePaths.viewer) ?? []).toString();
    const copy = Buffer.from(/id="bundle">\n([^<]*)/.exec(page)?.[1] ?? '', 'base64');
    const report = await check(copy, { copy: true });
    expect([report.problems, report.sessions]).toEqual([[], 3]);
    const lacks = report.notProved.join('\n');
    expect(lacks).toContain('12 files that this copy does not hold');
    expect(lacks).toContain('the page that shows this');
    // Also with less in it than the builder puts there.
    const files = await unzipStrict(copy);
    for (const path of files.keys()) if (path.startsWith('sessions/')) files.delete(path);
    expect((await check(await zipOf(files), { copy: true })).problems).toEqual([]);
  });
});

describe('a session whose desktop lost some of its records', () => {
  it('holds: the sums of its end are over what was lost too', async () => {
    const lossy = new BundleWorld();
    try {
      lossy.begin();
      const session = lossy.session(1, { desktop: true, lost: true });
      const report = await check(await zipOf(await lossy.export({ kind: 'session', id: session })));
      expect([report.problems, report.proved.join().includes('own desktop')]).toEqual([[], true]);
    } finally {
      lossy.close();
    }
  });
});

describe('a recording of which retention has deleted', () => {
  async function afterRetention(beforeMs: (world: BundleWorld, session: SessionId) => number) {
    const kept = new BundleWorld();
    try {
      kept.begin();
      const session = kept.session(1, { rows: 400, desktop: true });
      await kept.removeBefore(beforeMs(kept, session));
      const files = await kept.export({ kind: 'session', id: session });
      const manifest = BundleManifest.parse(
        JSON.parse(Buffer.from(files.get('manifest.json') ?? []).toString()),
      );
      return { deleted: manifest.deleted, report: await check(await zipOf(files)) };
    } finally {
      kept.close();
    }
  }

  it('the beginning: what is left holds, and the report says what is gone', async () => {
    const { deleted, report } = await afterRetention((kept) => kept.lastMs - 200);
    expect([deleted.map(({ what }) => what), report.problems]).toEqual([['beginning'], []]);
    expect(report.notProved.join('\n')).toContain('the beginning of 1 session');
  });

  it('everything: the log still proves that it was, and the report says what is gone', async () => {
    const { deleted, report } = await afterRetention((kept) => kept.lastMs + 1000);
    expect([deleted.map(({ what }) => what), report.problems]).toEqual([['whole'], []]);
    expect(report.notProved.join('\n')).toContain('what was done in 1 session: retention had deleted');
  });
});

describe('a gateway that lies under its own key', () => {
  const lying = new BundleWorld();
  afterAll(() => lying.close());

  it('cannot leave a statement out of a session, end it twice or go on after its end', async () => {
    const { journal } = lying;
    lying.begin();
    lying.session(1);
    const [first, second, third] = [11, 12, 13].map((number) => lying.empty(number));
    journal.decided(first as never, 2, 'select 2');
    journal.sessionEnded(first as never, 2);
    journal.decided(second as never, 1, 'select 1');
    journal.ended(second as never, 1);
    journal.ended(second as never, 1);
    journal.sessionEnded(second as never, 1);
    journal.sessionEnded(third as never, 0);
    journal.decided(third as never, 1, 'select 1');
    const files = await lying.export({ kind: 'agent', id: 'demo/engineer' });
    const { problems } = await check(await zipOf(files));
    const codes = problems.map(({ code }) => code);
    expect(codes).toEqual(
      expect.arrayContaining(['statement-missing', 'outcome-repeated', 'event-after-session-end']),
    );
  });
});
