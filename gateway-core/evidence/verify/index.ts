import { fingerprint } from '../../audit/note.js';
import { SessionLedger } from '../../audit/sessions.js';
import { ThroughlineError } from '../../contract/errors.js';
import { type BundleManifest, type BundleReport, bundlePaths } from '../../contract/evidence.js';
import { type Inflate, type RandomAccess, ZipReader } from '../zip/read.js';
import { checkDesktop } from './desktop.js';
import { BundleFiles } from './files.js';
import { Findings } from './findings.js';
import { type BundleEntry, type GivenKey, LogCheck, parseGivenKey } from './log.js';
import {
  checkExported,
  checkList,
  checkPolicies,
  type Exported,
  type ReadManifest,
  readManifest,
} from './manifest.js';
import { type EventChecks, eventsOf, SessionCheck } from './session.js';
import { isOf } from './session-view.js';
import { checkViewer } from './viewer.js';
import { notProvedIn, provedIn, type Totals } from './words.js';

export interface VerifyOptions {
  readonly inflate: Inflate;
  /**
   * The gateway's verifier key as it was published, `name+hash+key`, or its fingerprint, `sha256:HEX`. Without it the
   * bundle's own is used, and the report says that this proves nothing about whose it is.
   */
  readonly key?: string | undefined;
  /** The source is the viewer's own copy, which holds the smaller files only: what is not in it is said, not wrong. */
  readonly copy?: boolean;
  /** From 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

/**
 * Checks a bundle against itself and the key that signed its log, without gateway and network (contract/evidence.ts
 * says what binds it together). Reads it once, in pieces. Memory: some dozen bytes for each entry of the log and each
 * file, one tile of each level, and the largest line or frame; not the results.
 *
 * Whatever the bytes are, the answer is a report: problems with stable codes, each with where and a sentence. Throws
 * ThroughlineError `invalid-request` when `key` is neither, and what reading `source` throws.
 *
 * Codes. ZIP: `zip-cut`, `zip-form`, `zip-gap`, `zip-path`, `zip-duplicate`, `zip-limit`, `zip-data`. Files:
 * `manifest-missing`, `manifest-invalid`, `file-missing`, `file-unlisted`, `file-altered`, `file-too-large`,
 * `session-missing`, `session-unlisted`. Log: `key-missing`, `key-changed`, `checkpoint-missing`,
 * `checkpoint-invalid`, `time-missing`, `tile-missing`, `tile-altered`, `root-mismatch`, `entries-missing`,
 * `entry-invalid`, `entries-reordered`, `entry-beyond-checkpoint`, `entry-altered`, `leaf-invalid`, `too-large`,
 * `proof-missing`, `proof-invalid`, `manifest-not-logged`, `exported-differs`. Events: `event-invalid`,
 * `events-reordered`, `event-not-logged`, `event-repeated`, `event-altered`, `event-missing`, `event-misplaced`,
 * `payload-missing`, `session-incomplete`, `session-differs`, `session-foreign`, and those of `SessionLedger`:
 * `position-order`, `session-started-again`, `event-after-session-end`, `event-without-session`,
 * `statement-repeated`, `statement-missing`, `outcome-without-decision`, `outcome-repeated`. Content:
 * `content-invalid`, `content-reordered`, `content-altered`, `content-unbound`. Desktop: `desktop-invalid`,
 * `desktop-altered`, `desktop-differs`. Others: `policy-missing`, `policy-altered`, `viewer-missing`,
 * `viewer-altered`, `viewer-data-altered`. `too-many` ends a list of 1,000.
 */
export async function verifyBundle(source: RandomAccess, options: VerifyOptions): Promise<BundleReport> {
  const given = options.key === undefined ? undefined : parseGivenKey(options.key);
  if (options.key !== undefined && given === undefined)
    throw new ThroughlineError('invalid-request', 'the verifier key is malformed', {
      action: 'give it as name+hash+key, as it was published, or its fingerprint, sha256:HEX',
    });
  const findings = new Findings();
  let zip: ZipReader;
  try {
    zip = await ZipReader.open(counted(source, options.onProgress), options.inflate);
  } catch (error) {
    findings.addZip(error);
    return reportOf(findings, undefined, given);
  }
  const files = new BundleFiles(zip, findings);
  return new BundleCheck(files, findings, options, given).run();
}

function counted(source: RandomAccess, onProgress: VerifyOptions['onProgress']): RandomAccess {
  let read = 0;
  return {
    size: source.size,
    read: async (offset, length) => {
      const bytes = await source.read(offset, length);
      read += bytes.length;
      onProgress?.(Math.min(1, read / source.size));
      return bytes;
    },
  };
}

interface Said {
  readonly log: LogCheck;
  readonly manifest: BundleManifest | undefined;
  readonly totals: Totals;
  readonly absent: number;
  readonly copy: boolean;
  readonly keyGiven: boolean;
}

function reportOf(findings: Findings, said: Said | undefined, given: GivenKey | undefined): BundleReport {
  const key = said?.log.key ?? given?.key;
  const timeSeconds = said?.log.checkpoint?.timeSeconds;
  const manifest = said?.manifest;
  return {
    ok: findings.problems.length === 0,
    entries: said?.log.entries.size ?? 0,
    sessions: said?.totals.sessions ?? 0,
    proved:
      said === undefined || manifest === undefined
        ? []
        : provedIn(findings, said.log, manifest, said.totals, said),
    notProved:
      said === undefined || manifest === undefined
        ? ['anything: see the problems']
        : notProvedIn({ ...said, findings, manifest }),
    problems: findings.problems,
    keyFingerprint: key === undefined ? '' : fingerprint(key.vkey),
    keyName: key?.name ?? '',
    signedAt: timeSeconds === undefined ? undefined : new Date(timeSeconds * 1000).toISOString(),
  };
}

class BundleCheck {
  readonly #files: BundleFiles;
  readonly #findings: Findings;
  readonly #options: VerifyOptions;
  readonly #given: GivenKey | undefined;
  readonly #log: LogCheck;
  readonly #totals: Totals = {
    sessions: 0,
    statements: 0,
    results: 0,
    contentBytes: 0,
    unboundBytes: 0,
    desktopRecords: 0,
    corroborated: 0,
    policies: 0,
  };

  constructor(files: BundleFiles, findings: Findings, options: VerifyOptions, given: GivenKey | undefined) {
    this.#files = files;
    this.#findings = findings;
    this.#options = options;
    this.#given = given;
    this.#log = new LogCheck(files, findings);
  }

  async run(): Promise<BundleReport> {
    const files = this.#files;
    const findings = this.#findings;
    const copy = this.#options.copy === true;
    const read = await readManifest(files, findings);
    await this.#log.open(this.#given);
    let absent = 0;
    if (read !== undefined) {
      const { manifest } = read;
      absent = checkList(files, findings, manifest, copy).absent;
      await this.#entries(read);
      const versions = await this.#sessions(manifest);
      await files.readRest();
      await checkPolicies(files, findings, versions, copy);
      this.#totals.policies = versions.size;
      await this.#log.readRest();
      if (!copy) {
        if (!files.has(bundlePaths.exported))
          findings.add(
            'log',
            'proof-missing',
            bundlePaths.exported,
            'the proof for other tools is not there',
          );
        await checkViewer(files, findings, manifest, this.#options.inflate);
      }
    }
    this.#options.onProgress?.(1);
    const said: Said = {
      log: this.#log,
      manifest: read?.manifest,
      totals: this.#totals,
      absent,
      copy,
      keyGiven: this.#given !== undefined,
    };
    return reportOf(findings, said, this.#given);
  }

  /** Entries in the log's order: the sequence of events in each session, and the one that binds this bundle. */
  async #entries({ manifest, sha256 }: ReadManifest): Promise<void> {
    const ledger = new SessionLedger();
    const cut = new Set<string>(manifest.deleted.map(({ session }) => session));
    let exported: { index: number; event: Exported } | undefined;
    await this.#log.readEntries(({ index, event }: BundleEntry) => {
      if (event.kind === 'evidence.exported' && event.manifest === sha256) exported = { index, event };
      // What follows a beginning that is gone cannot be held against it.
      if ('session' in event && event.session !== undefined && cut.has(event.session)) return;
      const found = ledger.accept(event);
      if (found !== undefined) this.#findings.add('events', found.code, `entry ${index}`, found.message);
    });
    checkExported(this.#findings, manifest, exported);
    if (exported === undefined) return;
    const row = this.#log.entries.find(exported.index);
    if (row !== undefined) this.#log.entries.mark(row);
  }

  /** Gives the policy versions that decided. */
  async #sessions(manifest: BundleManifest): Promise<Set<string>> {
    const files = this.#files;
    const findings = this.#findings;
    const { entries } = this.#log;
    const checks: EventChecks = { files, findings, entries, logged: files.has(bundlePaths.entries) };
    const versions = new Set<string>();
    const deleted = new Map(manifest.deleted.map(({ session, what }) => [session, what]));
    const totals = this.#totals;
    for (const view of manifest.sessions) {
      if (!isOf(view, manifest.subject))
        findings.add(
          'events',
          'session-foreign',
          `session ${view.id}`,
          'it is not of what the bundle is about',
        );
      // The viewer's copy may be without it.
      if (!files.has(bundlePaths.events(view.id))) continue;
      const sums = await new SessionCheck(checks, view, deleted.get(view.id)).run();
      totals.sessions += 1;
      if (!deleted.has(view.id)) totals.statements += sums.statements;
      totals.results += sums.results;
      totals.contentBytes += sums.contentBytes;
      totals.unboundBytes += sums.unboundBytes;
      for (const version of sums.policyVersions) versions.add(version);
      const vouched = files.has(bundlePaths.desktop(view.id))
        ? await checkDesktop(files, findings, view.id, sums)
        : 0;
      totals.desktopRecords += vouched;
      if (vouched > 0 && sums.compared.at(-1)?.verdict === 'corroborated') totals.corroborated += 1;
    }
    for await (const _ of eventsOf(checks, bundlePaths.context, undefined));
    this.#unexplained(checks);
    return versions;
  }

  /** Entries that no file has an event for. */
  #unexplained({ entries, files }: EventChecks): void {
    // A copy without all of its events has such entries, and says what it lacks.
    if (this.#options.copy === true && !this.#hasAllEvents(files)) return;
    for (const index of entries.unmarked())
      this.#findings.add(
        'events',
        'event-missing',
        `entry ${index}`,
        'the log holds it, and no file has its event',
      );
  }

  #hasAllEvents(files: BundleFiles): boolean {
    for (const path of files.listed)
      if (/(^|\/)(events|context)\.ndjson$/.test(path) && !files.has(path)) return false;
    return true;
  }
}
