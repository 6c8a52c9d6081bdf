import { createHash, hash } from 'node:crypto';
import { createWriteStream, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../../gateway-core/audit/canonical.js';
import { nodeDisk } from '../../../gateway-core/audit/disk.js';
import { generateLogKey } from '../../../gateway-core/audit/keys.js';
import { leafOf } from '../../../gateway-core/audit/leaf-of.js';
import { openLog } from '../../../gateway-core/audit/log.js';
import type { SessionView } from '../../../gateway-core/contract/api.js';
import type { AuditEvent, AuditEventInput } from '../../../gateway-core/contract/events.js';
import {
  type BundleManifest,
  bundleFormat,
  bundlePaths,
  type EvidenceSubject,
} from '../../../gateway-core/contract/evidence.js';
import type { ContentStream } from '../../../gateway-core/contract/recorder.js';
import { LogEntries, tilesOf } from '../../../gateway-core/evidence/build/log-entries.js';
import { deflatedZip, viewerText } from '../../../gateway-core/evidence/build/viewer-data.js';
import { cutTemplate } from '../../../gateway-core/evidence/viewer-file.js';
import { createBundleZip } from '../../../gateway-core/evidence/zip/write.js';
import { ContentFrameWriter } from '../../../gateway-core/recording/content-codec.js';

/**
 * Bundles of made-up sessions, proved by a real log: what a gateway would export if all this had happened. Whatever a
 * hostile gateway could put into one can be put in here.
 */
export interface MadeSession {
  readonly view: SessionView;
  /** In order; times ascend by themselves from the session's start. */
  readonly steps: readonly Step[];
}

export type Step =
  | { readonly event: AuditEventInput; readonly afterMs?: number }
  | {
      readonly content: Buffer;
      readonly seq: number;
      readonly stream?: ContentStream;
      readonly afterMs?: number;
    };

export interface MadeBundle {
  readonly subject: EvidenceSubject;
  readonly sessions: readonly MadeSession[];
  readonly context?: readonly AuditEventInput[];
  readonly policies?: readonly string[];
  readonly reason?: string;
  readonly gateway?: string;
  /** Changes files after everything was hashed and proved. */
  readonly tamper?: (files: Map<string, Buffer>) => void;
  /** Files of the bundle that viewer.html carries; all but results and itself by default. */
  readonly carries?: (path: string) => boolean;
}

export interface Made {
  readonly zip: string;
  readonly viewer: string;
  readonly fingerprint: string;
  readonly vkey: string;
}

export const policyVersion = (text: string): string => hash('sha256', text, 'hex').slice(0, 16);

const salt = (position: number): Buffer =>
  createHash('sha256').update(`salt ${position}`).digest().subarray(0, 16);
const contentFrameBytes = 256 * 1024;

/** Makes bundle.zip and viewer.html in `directory`. `template`: out/viewer.html. */
export async function makeBundle(directory: string, template: string, made: MadeBundle): Promise<Made> {
  await mkdir(directory, { recursive: true });
  const origin = 'gateway.example/log';
  const key = generateLogKey({ file: join(directory, `key-${Date.now()}-${Math.random()}`), origin });
  const logDirectory = join(directory, 'log');
  const log = openLog({ dir: logDirectory, origin, key });
  const wanted: number[] = [];
  let position = 0;

  const append = (event: AuditEvent, at: number | undefined): number => {
    const { firstIndex } = log.append([leafOf(event, at, salt)]);
    if (firstIndex % 20_000 === 19_999) log.commit();
    wanted.push(firstIndex);
    return firstIndex;
  };
  const lineOf = (event: AuditEvent, at: number): string => {
    const index = append(event, at);
    const opened = 'payload' in event && event.payload !== undefined;
    return `${JSON.stringify({ index, ...(opened ? { salt: salt(at).toString('hex') } : {}), event })}\n`;
  };
  const whole = (event: AuditEventInput, atMs: number): AuditEvent => ({
    v: 1,
    at: new Date(atMs).toISOString(),
    node: 'node-1',
    ...event,
  });

  const files = new Map<string, Buffer>();
  const firstMs = Math.min(...made.sessions.map(({ view }) => Date.parse(view.startedAt)), Date.now());
  files.set(
    bundlePaths.context,
    Buffer.from((made.context ?? []).map((event) => lineOf(whole(event, firstMs), position++)).join('')),
  );
  for (const { view, steps } of made.sessions) {
    let atMs = Date.parse(view.startedAt);
    const lines: string[] = [];
    const pieces: Buffer[] = [];
    const frame = new ContentFrameWriter();
    const hashes = new Map<number, ReturnType<typeof createHash>>();
    const flush = (): void => {
      const head = Buffer.alloc(4);
      head.writeUInt32BE(frame.length);
      pieces.push(head, Buffer.from(frame.view()));
      frame.reset();
    };
    for (const step of steps) {
      atMs += step.afterMs ?? 1;
      if ('event' in step) {
        let { event } = step;
        if (event.kind === 'statement.ended') {
          const contentHash = hashes.get(event.seq)?.digest('hex');
          if (contentHash !== undefined) event = { ...event, contentHash };
        }
        lines.push(lineOf(whole(event, atMs), position++));
        continue;
      }
      const sum = hashes.get(step.seq) ?? createHash('sha256');
      hashes.set(step.seq, sum.update(step.content));
      frame.add(position++, atMs, step.seq, step.stream ?? 'rows', step.content);
      if (frame.length >= contentFrameBytes) flush();
    }
    if (frame.records > 0) flush();
    files.set(bundlePaths.events(view.id), Buffer.from(lines.join('')));
    files.set(bundlePaths.content(view.id), Buffer.concat(pieces));
  }
  for (const text of made.policies ?? [])
    files.set(bundlePaths.policy(policyVersion(text)), Buffer.from(text));
  files.set(bundlePaths.readme, Buffer.from('Made up for a test.\n'));

  const by = made.sessions[0]?.view.chain ?? [
    { id: 'demo/auditor', kind: 'person' as const, name: 'Ada Auditor', assurance: 'proven' as const },
  ];
  const { before, after, sha256 } = cutTemplate(template);
  const manifest: BundleManifest = {
    format: bundleFormat,
    createdAt: new Date(firstMs + 86_400_000).toISOString(),
    gateway: { name: made.gateway ?? 'gateway.example', version: '0.1.0' },
    by: [by[0]],
    ...(made.reason === undefined ? {} : { reason: made.reason }),
    subject: made.subject,
    sessions: made.sessions.map(({ view }) => view),
    deleted: [],
    viewer: sha256,
    files: [...files].map(([path, content]) => ({
      path,
      bytes: content.length,
      sha256: hash('sha256', content, 'hex'),
    })),
  };
  const manifestText = Buffer.from(`${canonicalJson(manifest)}\n`);
  files.set(bundlePaths.manifest, manifestText);
  const exported: AuditEventInput = {
    kind: 'evidence.exported',
    by: manifest.by,
    subject: made.subject,
    sessions: made.sessions.length,
    manifest: hash('sha256', manifestText, 'hex'),
    ...(made.reason === undefined ? {} : { reason: made.reason }),
  };
  const exportedAt = append(whole(exported, firstMs + 86_400_000), position++);
  log.commit();
  const checkpoint = log.checkpoint(firstMs + 86_400_000);
  const { size } = log;
  const disk = nodeDisk(logDirectory, 'read');
  const entries = new LogEntries(disk, size);
  const entryLines = wanted.map((index) =>
    JSON.stringify({ index, leaf: Buffer.from(entries.entry(index, size)).toString() }),
  );
  files.set(bundlePaths.vkey, Buffer.from(`${key.vkey}\n`));
  files.set(bundlePaths.checkpoint, Buffer.from(checkpoint));
  files.set(bundlePaths.entries, Buffer.from(`${entryLines.join('\n')}\n`));
  for (const { path, bytes } of tilesOf(disk, size, wanted)) {
    files.set(`${bundlePaths.log}${path}`, Buffer.from(bytes));
  }
  files.set(bundlePaths.exported, Buffer.from(log.tlogProof(exportedAt)));

  made.tamper?.(files);
  const carried = [...files].filter(([path]) => made.carries?.(path) ?? true);
  const viewer = Buffer.concat([...viewerText({ before, after, sha256 }, await deflatedZip(carried))]);
  files.set(bundlePaths.viewer, viewer);
  const zip = join(directory, 'bundle.zip');
  const output = createBundleZip(createWriteStream(zip));
  for (const [path, content] of files) await output.add(path, content);
  await output.end();
  const viewerFile = join(directory, 'viewer.html');
  writeFileSync(viewerFile, viewer);
  return { zip, viewer: viewerFile, fingerprint: key.fingerprint, vkey: key.vkey };
}
