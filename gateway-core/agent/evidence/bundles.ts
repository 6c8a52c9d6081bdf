import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { statementContent } from '../../codec/content.js';
import type { ReplayItem } from '../../contract/api.js';
import { type BundleCheck, type BundleList, BundleName } from '../../contract/bridge/evidence.js';
import { ThroughlineError } from '../../contract/errors.js';
import { BundleManifest, bundlePaths } from '../../contract/evidence.js';
import type { SessionId } from '../../contract/ids.js';
import { replayBundle } from '../../evidence/replay.js';
import { verifyBundle } from '../../evidence/verify/index.js';
import { fileAccess, inflate } from '../../evidence/zip/node.js';
import { ZipError, ZipReader } from '../../evidence/zip/read.js';

const bundlesListedMax = 500;
const manifestBytesMax = 64 * 1024 * 1024;

/** Bundles that lie in a folder, the newest first. A folder that is not there has none. */
export async function listBundles(directory: string): Promise<BundleList> {
  const names = await readdir(directory).catch(() => []);
  const bundles: BundleList['bundles'] = [];
  for (const name of names) {
    if (!BundleName.safeParse(name).success) continue;
    const facts = await stat(join(directory, name)).catch(() => undefined);
    if (facts?.isFile() === true)
      bundles.push({ name, bytes: facts.size, changedAt: facts.mtime.toISOString() });
  }
  bundles.sort((a, b) => b.changedAt.localeCompare(a.changedAt));
  return { directory, bundles: bundles.slice(0, bundlesListedMax) };
}

/** Runs `act` on the open file; the name was checked, so it stays within the folder. */
async function withBundle<T>(
  directory: string,
  name: string,
  act: (source: Awaited<ReturnType<typeof fileAccess>>) => Promise<T>,
): Promise<T> {
  const file = await open(join(directory, BundleName.parse(name))).catch((cause: unknown) => {
    throw new ThroughlineError('not-found', `the bundle ${name} cannot be opened`, {
      action: 'put the file into the folder for exports',
      cause,
    });
  });
  try {
    return await act(await fileAccess(file));
  } finally {
    await file.close();
  }
}

/**
 * Verifies a bundle, without gateway and network, and reads what it is about. What its manifest says is shown only
 * beside the report: of a bundle with problems nothing is certain.
 * @throws ThroughlineError not-found, invalid-request (the key)
 */
export async function checkBundle(
  directory: string,
  name: string,
  key: string | undefined,
): Promise<BundleCheck> {
  return withBundle(directory, name, async (source) => {
    const report = await verifyBundle(source, { inflate, ...(key === undefined ? {} : { key }) });
    const manifest = await manifestOf(source);
    return {
      name,
      ok: report.ok,
      entries: report.entries,
      proved: [...report.proved],
      notProved: [...report.notProved],
      problems: [...report.problems],
      keyFingerprint: report.keyFingerprint,
      keyName: report.keyName,
      keyGiven: key !== undefined,
      ...(report.signedAt === undefined ? {} : { signedAt: report.signedAt }),
      ...(manifest === undefined ? {} : { manifest: aboutOf(manifest) }),
    };
  });
}

/** Hands over a session of a bundle as it went. Proves nothing: `checkBundle` does. */
export async function withBundleReplay<T>(
  directory: string,
  name: string,
  session: SessionId,
  act: (items: AsyncIterable<ReplayItem>) => Promise<T>,
): Promise<T> {
  return withBundle(directory, name, async (source) => {
    try {
      const zip = await ZipReader.open(source, inflate);
      return await act(replayBundle(zip, session, statementContent));
    } catch (error) {
      if (!(error instanceof ZipError)) throw error;
      throw new ThroughlineError('verification-failed', `the bundle cannot be read: ${error.message}`, {
        action: 'see what its verification says',
      });
    }
  });
}

function aboutOf({ createdAt, by, reason, subject, sessions }: BundleManifest): BundleCheck['manifest'] {
  return { createdAt, by, subject, sessions, ...(reason === undefined ? {} : { reason }) };
}

/** Undefined when it is not there or no manifest: the report says what is wrong with it. */
async function manifestOf(source: Parameters<typeof ZipReader.open>[0]): Promise<BundleManifest | undefined> {
  try {
    const zip = await ZipReader.open(source, inflate);
    if (!zip.has(bundlePaths.manifest)) return undefined;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of zip.content(bundlePaths.manifest)) {
      bytes += piece.length;
      if (bytes > manifestBytesMax) return undefined;
      pieces.push(Buffer.from(piece));
    }
    return BundleManifest.safeParse(JSON.parse(Buffer.concat(pieces).toString('utf8'))).data;
  } catch (error) {
    if (error instanceof ZipError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
