import { createHash, hash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeDisk } from '../../../gateway-core/audit/disk.js';
import { generateLogKey } from '../../../gateway-core/audit/keys.js';
import { type Log, openLog } from '../../../gateway-core/audit/log.js';
import type { LogKey } from '../../../gateway-core/audit/note.js';
import { statementContent } from '../../../gateway-core/codec/content.js';
import type { Chain } from '../../../gateway-core/contract/chain.js';
import type { AuditEvent, StatementDecision } from '../../../gateway-core/contract/events.js';
import type { BundleManifest, EvidenceSubject } from '../../../gateway-core/contract/evidence.js';
import { viewerDataBegin, viewerDataEnd } from '../../../gateway-core/contract/evidence.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import type { DesktopLine } from '../../../gateway-core/contract/local-record.js';
import { buildBundle } from '../../../gateway-core/evidence/build/bundle.js';
import { refKeys } from '../../../gateway-core/evidence/build/input.js';
import { cutTemplate } from '../../../gateway-core/evidence/viewer-file.js';
import { removeSegmentsBefore } from '../../../gateway-core/recording/retention.js';
import type { RecordingPlace } from '../../../gateway-core/recording/segment-file.js';
import { wireEntry } from '../../../gateway-core/recording/wire-content.js';
import { deletedOf } from '../../../gateway-core/server/retention.js';
import { SealerEngine } from '../../../gateway-core/server/sealer/engine.js';
import { IndexDatabase } from '../../../gateway-core/server/sealer/index-database.js';
import { SimulatedFiles } from '../../sim/sealer-files.js';
import { errorMessage, MemoryJournal, rowMessages, sessionId } from '../../sim/sealer-journal.js';
import { type Files, zipOf } from './zip-files.js';

const scratch = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
export const policyText = '@id("reads") permit (principal, action, resource);\n';
export const policyVersion = hash('sha256', policyText, 'hex').slice(0, 16);
export const device = 'device-thumbprint';

export const person = { id: 'demo/engineer', kind: 'person', name: 'Engineer', assurance: 'proven' } as const;
export const agent = {
  id: 'dlg_01J9ZQ4T3V8M6K2N5P7R9S1W0X',
  kind: 'agent',
  name: 'reviewer',
  assurance: 'proven',
} as const;
const auditor = { ...person, id: 'demo/auditor', name: 'Auditor' } as const;

export const viewer = cutTemplate(
  `<!doctype html>\n<title>Evidence</title>\n${viewerDataBegin}\n${viewerDataEnd}\n<script>/* shows it */</script>\n`,
);

const sum = (hashes: readonly string[]): string => {
  const all = createHash('sha256');
  for (const one of hashes) all.update(Buffer.from(one, 'hex'));
  return all.digest('hex');
};
const blockHashes = ['a1', 'b2', 'c3'].map((seed) => hash('sha256', seed, 'hex'));
const wire = {
  up: { bytes: 900, blocks: sum(blockHashes.slice(0, 1)) },
  down: { bytes: 100_000, blocks: sum(blockHashes.slice(1)) },
};

class CountedFiles extends SimulatedFiles {
  reads = 0;

  override read(handle: number, target: Uint8Array, position: number): number {
    this.reads += 1;
    return super.read(handle, target, position);
  }
}

/**
 * One gateway in memory, from its journal to its log, with the real sealer and the real builder between: what it
 * exports is what a gateway exports. Not in it: the proxy, the API and a desktop, whose events and records it makes up.
 */
export class BundleWorld {
  readonly journal = new MemoryJournal();
  readonly key: LogKey;
  readonly #directory = mkdtempSync(join(scratch, 'bundle-world-'));
  readonly #files = new CountedFiles();
  readonly #place: RecordingPlace;
  readonly #log: Log;
  #index: IndexDatabase | undefined;
  #engine: SealerEngine | undefined;
  readonly #desktop = new Map<string, DesktopLine[]>();
  readonly #policies = new Map([[policyVersion, policyText]]);
  #keptSinceMs = 0;
  #nowMs = Date.parse('2026-11-20T13:00:00.000Z');

  constructor(origin = 'gateway.example/log') {
    this.key = generateLogKey({ file: join(this.#directory, 'key'), origin });
    this.#place = {
      files: this.#files,
      directory: '/recordings',
      masterKey: Buffer.alloc(32, 7),
      segmentBytes: 6000,
    };
    this.#log = openLog({ dir: join(this.#directory, 'log'), origin, key: this.key });
  }

  close(): void {
    this.#engine?.release();
    this.#index?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** Retention, as the gateway does it. */
  async removeBefore(beforeMs: number): Promise<void> {
    await this.#seal();
    this.#keptSinceMs = beforeMs;
    const { segments, bytes, sessions } = await removeSegmentsBefore(this.#place, beforeMs);
    const before = new Date(beforeMs).toISOString();
    this.journal.event({ kind: 'recordings.removed', before, segments, bytes, sessions: sessions.length });
  }

  /** How often a recording was read so far. */
  get reads(): number {
    return this.#files.reads;
  }

  /** When the last record so far was made. */
  get lastMs(): number {
    const last = this.journal.records.at(-1);
    return last?.kind === 'content' ? last.atMs : Date.parse(last?.event.at ?? '');
  }

  async #seal(): Promise<SealerEngine> {
    this.#index ??= await IndexDatabase.open(join(this.#directory, 'index.sqlite'));
    this.#engine ??= new SealerEngine({
      place: this.#place,
      source: this.journal.source(),
      log: this.#log,
      index: this.#index,
      nowMs: () => {
        this.#nowMs += 10;
        return this.#nowMs;
      },
      onProblem: () => undefined,
    });
    while ((await this.#engine.round()).more);
    return this.#engine;
  }

  /** Other people's events, so that the log has tiles above tiles. */
  fill(events: number): void {
    for (let count = 0; count < events; count += 1)
      this.journal.event({ kind: 'identity.refused', code: 'denied', reason: `other ${count}` });
  }

  /** What the sessions rest on. */
  begin(): void {
    this.journal.event({ kind: 'policy.put', by: 'demo/admin', policyVersion });
    this.journal.event({
      kind: 'identity.signed-in',
      principal: person.id as never,
      groups: ['engineers'],
      method: 'demo',
      signIn: 'sgn_1',
      deviceKey: device,
    });
    this.journal.event({
      kind: 'connection.put',
      connection: 'shop-db' as never,
      by: 'demo/admin',
      digest: 'd',
      credentialChanged: true,
      addressChanged: true,
    });
    this.journal.event({
      kind: 'delegation.minted',
      delegation: agent.id as never,
      chain: [person, agent],
      signIn: 'sgn_1',
      trace: 'trace',
      minted: 'online',
      scope: {},
      depth: 1,
      depthMax: 2,
      budget: { sessions: 10, children: 1 },
      expiresAt: '2026-11-21T12:00:00.000Z',
    });
  }

  #started(session: SessionId, chain: Chain, spool: boolean): void {
    this.journal.event({
      kind: 'session.started',
      session,
      connection: 'shop-db' as never,
      protocol: 'postgres',
      chain,
      signIn: 'sgn_1',
      via: 'tunnel',
      durability: 'strict',
      application: 'psql',
      delegations: [agent.id],
      policy: ['reads'],
      policyVersion,
      ...(spool ? { spool: { device, segment: 4 } } : {}),
      payload: { bootId: 'boot', processes: [{ pid: 7, startTicks: '70', name: 'psql' }] },
    });
  }

  #decided(session: SessionId, seq: number, text: string, decision: StatementDecision): void {
    this.journal.event({
      kind: 'statement.decided',
      session,
      seq,
      decision,
      policy: ['reads'],
      policyVersion,
      action: 'sql:read',
      command: 'SELECT',
      payload: { text, parameters: ['7', null], exactHash: hash('sha256', text, 'hex') },
    });
  }

  #ended(session: SessionId, seq: number, state: 'ok' | 'error' | 'interrupted', rows?: number): void {
    this.journal.event({
      kind: 'statement.ended',
      session,
      seq,
      state,
      durationUs: 1500,
      ...(rows === undefined ? {} : { rows }),
      bytes: 100,
      maskedValues: 1,
      ...(state === 'error' ? { error: { code: '42P01' } } : {}),
      payload: { tag: 'SELECT' },
    });
  }

  /** A session that has only begun. */
  empty(number: number): SessionId {
    const session = sessionId(number);
    this.#started(session, [person], false);
    return session;
  }

  /** A session in which everything happens: results, COPY, a denial, an approval, a cut, an error. */
  session(
    number: number,
    options: { chain?: Chain; live?: boolean; desktop?: boolean; lost?: boolean; rows?: number } = {},
  ): SessionId {
    const session = sessionId(number);
    const { chain = [person, agent], live = false, desktop = false, lost = false, rows = 3 } = options;
    this.#started(session, chain, desktop);
    this.#decided(session, 1, 'select name, email from customers', 'allowed');
    for (let row = 0; row < rows; row += 1) {
      const part = rowMessages(['name', 'email'], [[`customer ${number}.${row}`, 'a***@example.com']]);
      this.journal.content(session, 1, 'rows', row === 0 ? part : part.subarray(part.indexOf('D')));
    }
    this.#ended(session, 1, 'ok', rows);
    this.#decided(session, 2, 'drop table customers', 'denied');
    this.#decided(session, 3, 'delete from orders', 'held');
    // Two statements at once: pipelined.
    this.#decided(session, 4, 'select 1', 'allowed');
    this.journal.content(session, 4, 'rows', rowMessages(['one'], [['1']]));
    this.#ended(session, 4, 'ok', 1);
    this.#decided(session, 3, 'delete from orders', 'approved');
    this.#ended(session, 3, 'ok', 5);
    this.#decided(session, 5, 'copy orders to stdout', 'allowed');
    this.journal.content(session, 5, 'copy-out', Buffer.from(`1\tone ${number}\n2\ttwo\n`));
    this.#ended(session, 5, 'ok', 2);
    this.#decided(session, 6, 'select nonsense', 'allowed');
    this.journal.content(session, 6, 'messages', errorMessage('relation does not exist'));
    this.#ended(session, 6, 'error');
    this.#decided(session, 7, 'select pg_sleep(60)', 'allowed');
    if (live) return session;
    this.#decided(session, 7, 'select pg_sleep(60)', 'interrupted');
    this.#ended(session, 7, 'interrupted');
    for (const [at, one] of (desktop ? blockHashes : []).entries())
      this.journal.content(session, 0, 'wire', wireEntry(at === 0 ? 'up' : 'down', Buffer.from(one, 'hex')));
    this.journal.event({
      kind: 'session.ended',
      session,
      endCause: 'revoked',
      statements: 7,
      bytesFromClient: 900,
      bytesToClient: 100_000,
      ...(desktop ? { wire } : {}),
    });
    if (desktop) this.#compared(session, lost);
    return session;
  }

  /** `lost`: the desktop's disk was full for a while. */
  #compared(session: SessionId, lost: boolean): void {
    const clocks = { at: '2026-11-20T12:00:00.000Z', monoMs: 5, boot: 'boot' };
    const [first = '', ...others] = blockHashes;
    const records = [
      {
        ...clocks,
        kind: 'opened',
        session,
        connection: 'shop-db',
        by: 'tunnel',
        lineage: 'attributed',
        version: '1',
      },
      { ...clocks, kind: 'wire', session, direction: 'up', from: 0, hashes: [first] },
      { ...clocks, kind: 'wire', session, direction: 'down', from: 0, hashes: others },
      { ...clocks, kind: 'closed', session, ...wire, cause: 'client' },
    ]
      .filter((_, number) => !lost || number !== 2)
      .map((record) => JSON.stringify(record));
    const chain = createHash('sha256');
    const lines = records.map((record, number): DesktopLine => {
      chain.update(createHash('sha256').update(record).digest());
      return { device, segment: 4, seq: 10 + number, receivedAt: '2026-11-20T12:00:01.000Z', record };
    });
    this.#desktop.set(session, lines);
    this.journal.event({
      kind: 'session.compared',
      session,
      verdict: 'corroborated',
      device,
      records: { segment: 4, first: 10, last: 9 + records.length, sha256: chain.digest('hex') },
      skewMs: 3,
    });
  }

  /** As `POST /v1/evidence` does. */
  async export(
    subject: EvidenceSubject,
    change: (files: Map<string, Buffer>) => void = () => undefined,
  ): Promise<Files> {
    const engine = await this.#seal();
    const index = this.#index as IndexDatabase;
    const size = this.#log.size;
    const corroboration = (id: string) =>
      this.#desktop.has(id) ? { corroboration: 'corroborated' as const } : {};
    const sessions = index
      .sessions({ of: subject.kind === 'agent' ? subject.id : undefined })
      .filter(({ id }) => subject.kind === 'agent' || id === subject.id)
      .map((session) => ({ ...session, ...corroboration(session.id) }))
      .reverse();
    const about: Pick<BundleManifest, 'createdAt' | 'gateway' | 'by' | 'reason' | 'subject' | 'sessions'> = {
      createdAt: '2026-11-20T14:00:00.000Z',
      gateway: { name: 'gateway.example', version: '0.1.0' },
      by: [auditor],
      reason: 'for the court',
      subject,
      sessions,
    };
    const files = new Map<string, Buffer>();
    await buildBundle(
      {
        place: this.#place,
        project: statementContent,
        disk: nodeDisk(join(this.#directory, 'log'), 'read'),
        vkey: this.key.vkey,
        logSize: size,
        about,
        deletedOf: (session, problems) => deletedOf(session, problems, this.#keptSinceMs),
        results: ['csv', 'ndjson'],
        viewer,
      },
      {
        refs: async (keys) => index.refs(keys),
        policy: async (version) => this.#policies.get(version),
        desktop: async function* (this: BundleWorld, id: SessionId) {
          yield* this.#desktop.get(id) ?? [];
        }.bind(this),
        exported: async (manifest) => {
          const { kind, id } = subject;
          const event: Omit<Extract<AuditEvent, { kind: 'evidence.exported' }>, 'v' | 'at' | 'node'> = {
            kind: 'evidence.exported',
            by: [auditor],
            subject: { kind, id },
            sessions: sessions.length,
            manifest,
            reason: 'for the court',
          };
          this.journal.event(event);
          await this.#seal();
          return {
            index: index.refs([refKeys.manifest(manifest)]).at(-1) ?? -1,
            checkpoint: engine.checkpoint(),
          };
        },
      },
      {
        add: async (path, content) => {
          const pieces: Uint8Array[] = [];
          for await (const piece of content instanceof Uint8Array ? [content] : content)
            pieces.push(Buffer.from(piece));
          const bytes = Buffer.concat(pieces);
          files.set(path, bytes);
          return { bytes: bytes.length, sha256: hash('sha256', bytes, 'hex') };
        },
      },
    );
    change(files);
    return files;
  }
}

/** A bundle of two ended sessions and a live one below an agent, in a log with several tiles. */
export async function agentBundle(
  world: BundleWorld,
): Promise<{ files: Files; zip: Buffer; sessions: readonly SessionId[] }> {
  world.fill(300);
  world.begin();
  const sessions = [world.session(1, { desktop: true, rows: 40 }), world.session(2)];
  world.fill(300);
  sessions.push(world.session(3, { live: true }));
  const files = await world.export({ kind: 'agent', id: agent.id });
  return { files, zip: await zipOf(files), sessions };
}
