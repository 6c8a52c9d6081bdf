import { createHash, hash } from 'node:crypto';
import { type BundleManifest, bundlePaths, viewerDataBegin, viewerDataEnd } from '../../contract/evidence.js';
import { type Inflate, ZipError, ZipReader } from '../zip/read.js';
import type { BundleFiles } from './files.js';
import type { Findings } from './findings.js';

/** Above what any viewer with its copy can be: buildLimits of the builder, in base64, and a page. */
const viewerBytesMax = 64 * 1024 * 1024;
/** Without these the copy is no bundle. */
const required = [bundlePaths.manifest, bundlePaths.vkey, bundlePaths.checkpoint];

/**
 * viewer.html: the page is the one whose hash the manifest has, and what it carries are files of this bundle, byte for
 * byte. All other files must have been read by now.
 */
export async function checkViewer(
  files: BundleFiles,
  findings: Findings,
  manifest: BundleManifest,
  inflate: Inflate,
): Promise<void> {
  const path = bundlePaths.viewer;
  const problem = (code: string, where: string, message: string): void =>
    findings.add('viewer', code, where, message);
  if (!files.has(path)) {
    problem('viewer-missing', path, 'it is not there');
    return;
  }
  const page = cutPage((await files.bytes(path, viewerBytesMax))?.toString('latin1') ?? '');
  if (page === undefined || hash('sha256', page.empty, 'hex') !== manifest.viewer) {
    problem('viewer-altered', path, 'it is not the page that the gateway put there: do not open it');
    return;
  }
  const data = dataIn(page.data);
  if (data === undefined) {
    problem('viewer-data-altered', path, 'its copy of the bundle is not plain base64');
    return;
  }
  try {
    await checkCopy(files, await ZipReader.open(accessTo(data), inflate), (where, message) =>
      problem('viewer-data-altered', `${path} ${where}`, message),
    );
  } catch (error) {
    if (!(error instanceof ZipError)) throw error;
    problem('viewer-data-altered', `${path} ${error.where}`, `its copy of the bundle: ${error.message}`);
  }
}

const accessTo = (bytes: Buffer) => ({
  size: bytes.length,
  read: (offset: number, length: number) => Promise.resolve(bytes.subarray(offset, offset + length)),
});

/** The page with an empty copy, and its copy. One byte is one character here, so every byte counts. */
function cutPage(text: string): { readonly empty: Buffer; readonly data: string } | undefined {
  const [before, rest, ...others] = text.split(`${viewerDataBegin}\n`);
  const [data, after, ...more] = (rest ?? '').split(viewerDataEnd);
  if (before === undefined || data === undefined || after === undefined || others.length + more.length > 0)
    return undefined;
  return { empty: Buffer.from(`${before}${viewerDataBegin}\n${viewerDataEnd}${after}`, 'latin1'), data };
}

/** Lines of base64 (RFC 4648 section 4) of one stream of bytes, in the one way to write them. */
function dataIn(text: string): Buffer | undefined {
  const lines = text.split('\n');
  if (lines.pop() !== '') return undefined;
  const joined = lines.join('');
  const bytes = Buffer.from(joined, 'base64');
  return bytes.toString('base64') === joined ? bytes : undefined;
}

async function checkCopy(
  files: BundleFiles,
  copy: ZipReader,
  problem: (where: string, message: string) => void,
): Promise<void> {
  for (const [path, { bytes }] of copy.entries) {
    // Unpacked only when it can be that file: a copy that unpacks to terabytes is none.
    if (bytes !== files.size(path)) {
      problem(path, 'its copy is not the file of the bundle');
      continue;
    }
    const sha256 = createHash('sha256');
    for await (const piece of copy.content(path)) sha256.update(piece);
    if (sha256.digest('hex') !== files.sha256(path)) problem(path, 'its copy is not the file of the bundle');
  }
  for (const path of required) if (!copy.has(path)) problem(path, 'its copy does not hold it');
}
