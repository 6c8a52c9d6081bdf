import { hash } from 'node:crypto';
import { canonicalJson, parseJson } from '../../audit/canonical.js';
import type { LeafEvent } from '../../audit/leaf.js';
import { BundleManifest, bundlePaths } from '../../contract/evidence.js';
import type { BundleFiles } from './files.js';
import type { Findings } from './findings.js';

const manifestBytesMax = 64 * 1024 * 1024;

export interface ReadManifest {
  readonly manifest: BundleManifest;
  /** Hex, of the file. */
  readonly sha256: string;
}

/** manifest.json, in the one form that a gateway writes; undefined when there is none that says anything. */
export async function readManifest(
  files: BundleFiles,
  findings: Findings,
): Promise<ReadManifest | undefined> {
  const path = bundlePaths.manifest;
  const problem = (code: string, message: string): void => findings.add('files', code, path, message);
  const bytes = await files.bytes(path, manifestBytesMax);
  if (bytes === undefined) {
    problem('manifest-missing', 'there is none: this is no evidence bundle, or not all of one');
    return undefined;
  }
  const { text, value } = parseJson(bytes) ?? {};
  const read = BundleManifest.safeParse(value);
  if (!read.success) {
    const [issue] = read.error.issues;
    problem(
      'manifest-invalid',
      `it is not a manifest of a bundle: ${issue?.path.map(String).join('.') ?? ''}`,
    );
    return undefined;
  }
  // Fields that a newer gateway adds to a session stay; another order, white space or a repeated key does not.
  if (`${canonical(value)}\n` !== text) problem('manifest-invalid', 'it is not in the canonical form');
  return { manifest: read.data, sha256: hash('sha256', bytes, 'hex') };
}

function canonical(value: unknown): string | undefined {
  try {
    return canonicalJson(value);
  } catch {
    // Nested deeper than anything that a gateway writes.
    return undefined;
  }
}

const provesItself = (path: string): boolean =>
  path === bundlePaths.manifest || path === bundlePaths.viewer || path.startsWith(bundlePaths.log);

/**
 * Every file is listed and every listed file is there; each session has its files and no other session has any.
 * `copy`: the viewer's, which holds the smaller files only; gives how many are not in it.
 */
export function checkList(
  files: BundleFiles,
  findings: Findings,
  manifest: BundleManifest,
  copy: boolean,
): { readonly absent: number } {
  const problem = (code: string, where: string, message: string): void =>
    findings.add('files', code, where, message);
  const listed = new Map(manifest.files.map((file) => [file.path, file]));
  if (listed.size !== manifest.files.length)
    problem('manifest-invalid', bundlePaths.manifest, 'it lists a file twice');
  files.expect(listed);
  const sessions = new Set<string>();
  for (const { id } of manifest.sessions) {
    if (sessions.has(id)) problem('manifest-invalid', bundlePaths.manifest, `it lists ${id} twice`);
    sessions.add(id);
    for (const path of [bundlePaths.events(id), bundlePaths.content(id)])
      if (!listed.has(path))
        problem('session-missing', path, 'the manifest lists the session, and not this file of it');
  }
  if (!listed.has(bundlePaths.context))
    problem('file-missing', bundlePaths.context, 'what the sessions rest on is not there');
  let absent = 0;
  for (const path of listed.keys()) {
    const [folder, session = ''] = path.split('/');
    if (provesItself(path)) problem('manifest-invalid', path, 'it lists a file that proves itself');
    if (folder === 'sessions' && !sessions.has(session))
      problem('session-unlisted', path, 'the manifest does not list the session that this belongs to');
    if (files.has(path)) continue;
    if (copy) absent += 1;
    else problem('file-missing', path, 'the manifest lists it, and it is not there');
  }
  for (const path of files.paths)
    if (!listed.has(path) && !provesItself(path))
      problem('file-unlisted', path, 'the manifest does not list it: it was put there later');
  return { absent };
}

/** Every policy version that decided is there, and is what its name says. */
export async function checkPolicies(
  files: BundleFiles,
  findings: Findings,
  versions: ReadonlySet<string>,
  copy: boolean,
): Promise<void> {
  const [prefix, suffix] = bundlePaths.policy('\n').split('\n') as [string, string];
  for (const path of files.paths) {
    if (!path.startsWith(prefix) || !path.endsWith(suffix)) continue;
    const version = path.slice(prefix.length, -suffix.length);
    if (files.sha256(path)?.startsWith(version) === true && version.length === 16) continue;
    findings.add('policies', 'policy-altered', path, 'its text is not that of the version in its name');
  }
  for (const version of versions) {
    if (files.has(bundlePaths.policy(version)) || copy) continue;
    findings.add(
      'policies',
      'policy-missing',
      bundlePaths.policy(version),
      'it decided, and its text is not there',
    );
  }
}

export type Exported = Extract<LeafEvent, { kind: 'evidence.exported' }>;

/** The log's entry for this bundle says the same as the manifest. */
export function checkExported(
  findings: Findings,
  manifest: BundleManifest,
  exported: { readonly index: number; readonly event: Exported } | undefined,
): void {
  const problem = (code: string, where: string, message: string): void =>
    findings.add('log', code, where, message);
  if (exported === undefined) {
    const message = 'no entry of the log binds it: it is not as it was exported';
    problem('manifest-not-logged', bundlePaths.manifest, message);
    return;
  }
  const { by, subject, sessions, reason } = exported.event;
  const logged = canonicalJson([by, subject, sessions, reason ?? null]);
  const said = canonicalJson([
    manifest.by,
    manifest.subject,
    manifest.sessions.length,
    manifest.reason ?? null,
  ]);
  if (logged !== said)
    problem('exported-differs', `entry ${exported.index}`, 'it and the manifest say different things');
}
