import { hash } from 'node:crypto';
import { canonicalJson } from '../../audit/canonical.js';
import { tileHashReader } from '../../audit/reader.js';
import { type BundleManifest, bundleFormat, bundlePaths, type EntryLine } from '../../contract/evidence.js';
import type { RecordingProblem } from '../../recording/reader.js';
import { castFile } from './casts.js';
import {
  type AddedFile,
  type BundleInput,
  type BundleQuestions,
  type BundleSink,
  type Bytes,
  chunked,
  refKeys,
} from './input.js';
import { LogEntries, proofText, tilesOf } from './log-entries.js';
import { readme } from './readme.js';
import { resultFile, resultsIn, statementContents } from './results.js';
import {
  contentFrames,
  emptyFacts,
  entryEvent,
  eventLines,
  type ResultPlace,
  type SessionFacts,
} from './session-files.js';
import { deflatedZip, viewerText } from './viewer-data.js';

export const buildLimits = {
  /** Result sets that get files of their own; those behind stand in content.bin alone, and README.txt says so. */
  resultsMax: 5000,
  resultsPerStatementMax: 100,
  /** Terminals that get a cast of their own. */
  castsMax: 1000,
  /** What viewer.html carries along, before compression: the smallest files first. */
  viewerBytesMax: 24 * 1024 * 1024,
  viewerFileBytesMax: 12 * 1024 * 1024,
} as const;

/** Also what goes into the viewer's own copy, as far as it is small enough. */
class Files {
  readonly #sink: BundleSink;
  readonly listed: BundleManifest['files'] = [];
  readonly kept = new Map<string, Buffer>();

  constructor(sink: BundleSink) {
    this.#sink = sink;
  }

  /** A file that the manifest lists. `keep`: for the viewer. */
  async list(path: string, content: Bytes, keep = true): Promise<void> {
    const { bytes, sha256 } = await this.#add(path, content, keep);
    this.listed.push({ path, bytes, sha256 });
  }

  /** A file that proves itself. */
  async plain(path: string, content: Bytes, keep = true): Promise<void> {
    await this.#add(path, content, keep);
  }

  async #add(path: string, content: Bytes, keep: boolean): Promise<AddedFile> {
    if (!keep) return this.#sink.add(path, content);
    let pieces: Buffer[] | undefined = [];
    let bytes = 0;
    async function* copied(): AsyncGenerator<Uint8Array> {
      for await (const piece of content instanceof Uint8Array ? [content] : content) {
        bytes += piece.length;
        if (bytes > buildLimits.viewerFileBytesMax) pieces = undefined;
        pieces?.push(Buffer.from(piece));
        yield piece;
      }
    }
    const added = await this.#sink.add(path, copied());
    if (pieces !== undefined) this.kept.set(path, Buffer.concat(pieces));
    return added;
  }
}

/**
 * Writes a bundle, file by file, in the order in which nothing has to be known before it is written. Memory: one
 * recording frame, the indexes of the log entries, and what the viewer carries. Throws what the disk or the log throws;
 * what was written by then is no bundle (it has no manifest, or a ZIP without its end).
 */
export async function buildBundle(input: BundleInput, ask: BundleQuestions, sink: BundleSink): Promise<void> {
  const files = new Files(sink);
  const log = new LogEntries(input.disk, input.logSize);
  const { sessions } = input.about;
  const rests = new Set<string>();
  const versions = new Set<string>();
  let results = 0;
  let left = 0;
  let casts = 0;
  const deleted: BundleManifest['deleted'] = [];
  const unread: RecordingProblem[] = [];
  for (const session of sessions) {
    const { id } = session;
    const facts: SessionFacts = emptyFacts();
    const alone = await ask.refs([refKeys.session(id)]);
    await files.list(bundlePaths.events(id), chunked(eventLines(input, id, alone, log, facts)));
    const what = input.deletedOf(session, facts.problems);
    if (what !== undefined) deleted.push({ session: id, what });
    unread.push(...facts.problems.filter(({ code }) => what === undefined || !code.endsWith('-missing')));
    const places = new Map<number, ResultPlace>();
    await files.list(bundlePaths.content(id), contentFrames(input, id, facts.lastPosition, places));
    await desktopFile(files, ask, id);
    for (const content of input.results.length === 0 ? [] : statementContents(input, id, places)) {
      const parts = resultsIn(input, content, buildLimits.resultsPerStatementMax);
      for (let part = 1; part <= parts; part += 1) {
        if (results >= buildLimits.resultsMax) {
          left += 1;
          continue;
        }
        results += 1;
        for (const format of input.results) {
          const path = bundlePaths.result(id, content.place.seq, part, format);
          await files.list(path, chunked(resultFile(input, content, part, format)), false);
        }
      }
    }
    for (const place of places.values()) {
      if (!place.terminal || casts >= buildLimits.castsMax) continue;
      casts += 1;
      await files.list(
        bundlePaths.cast(id, place.seq),
        chunked(castFile(input, session, place, facts)),
        false,
      );
    }
    for (const key of facts.rests) rests.add(key);
    for (const version of facts.policyVersions) versions.add(version);
  }
  for (const version of versions) {
    const text = await ask.policy(version);
    if (text !== undefined) await files.list(bundlePaths.policy(version), Buffer.from(text));
  }
  const context = (await ask.refs([...rests])).filter((index) => index < input.logSize);
  await files.list(bundlePaths.context, chunked(contextLines(log, context)));
  await files.list(bundlePaths.readme, Buffer.from(readme(input, { resultsLeft: left, deleted, unread })));
  await finish(input, ask, files, log, deleted);
}

async function desktopFile(
  files: Files,
  ask: BundleQuestions,
  session: BundleManifest['sessions'][number]['id'],
): Promise<void> {
  const lines = ask.desktop(session)[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) return;
  async function* all(): AsyncGenerator<Uint8Array> {
    for (let step = first; step.done !== true; step = await lines.next())
      yield Buffer.from(`${JSON.stringify(step.value)}\n`);
  }
  await files.list(bundlePaths.desktop(session), all());
}

function* contextLines(log: LogEntries, indexes: readonly number[]): Generator<string> {
  for (const index of indexes) yield `${JSON.stringify({ index, event: entryEvent(log, index) })}\n`;
}

/** The manifest into the log, the log's part into the bundle, and at last the viewer with its copy of it all. */
async function finish(
  input: BundleInput,
  ask: BundleQuestions,
  files: Files,
  log: LogEntries,
  deleted: BundleManifest['deleted'],
): Promise<void> {
  const manifest: BundleManifest = {
    format: bundleFormat,
    ...input.about,
    deleted,
    viewer: input.viewer.sha256,
    files: files.listed,
  };
  const text = Buffer.from(`${canonicalJson(manifest)}\n`);
  await files.plain(bundlePaths.manifest, text);
  const { index, checkpoint } = await ask.exported(hash('sha256', text, 'hex'));
  log.want(index);
  const size = Number(checkpoint.split('\n')[1]);
  const wanted = log.wanted();
  await files.plain(bundlePaths.vkey, Buffer.from(`${input.vkey}\n`));
  await files.plain(bundlePaths.checkpoint, Buffer.from(checkpoint));
  await files.plain(bundlePaths.entries, chunked(entryLines(log, wanted, size)));
  for (const { path, bytes } of tilesOf(input.disk, size, wanted))
    await files.plain(`${bundlePaths.log}${path}`, bytes);
  const read = tileHashReader(input.disk, size);
  await files.plain(bundlePaths.exported, Buffer.from(proofText(read, index, size, checkpoint)));
  await files.plain(
    bundlePaths.viewer,
    viewerText(input.viewer, await deflatedZip(chosen(files.kept))),
    false,
  );
}

function* entryLines(log: LogEntries, indexes: readonly number[], size: number): Generator<string> {
  for (const index of indexes) {
    const line: EntryLine = { index, leaf: Buffer.from(log.entry(index, size)).toString('utf8') };
    yield `${JSON.stringify(line)}\n`;
  }
}

/** What the viewer carries: what proves and explains first, then what came back, the smallest files first. */
function chosen(kept: ReadonlyMap<string, Buffer>): [string, Buffer][] {
  const rank = (path: string): number => (path.endsWith('content.bin') ? 1 : 0);
  const files = [...kept].sort(([a, x], [b, y]) => rank(a) - rank(b) || x.length - y.length);
  let bytes = 0;
  return files.filter(([, content]) => {
    bytes += content.length;
    return bytes <= buildLimits.viewerBytesMax;
  });
}
