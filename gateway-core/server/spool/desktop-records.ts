import type { Kysely } from 'kysely';
import { openCheckpoint, parseVerifierKey, type VerifierKey } from '../../audit/note.js';
import type { AuditEventInput } from '../../contract/events.js';
import { PrincipalId, type SessionId } from '../../contract/ids.js';
import type { DesktopLine } from '../../contract/local-record.js';
import type { StateSchema } from '../../store/schema.js';
import { Budget } from '../budget.js';
import type { GatewayRecorder } from '../recorder.js';
import type { Sealer } from '../sealer/index.js';
import { Comparing } from './comparing.js';
import { SpoolDevices } from './devices.js';
import type { SegmentPlace } from './format.js';
import { type Spool, startSpool } from './index.js';
import type { Arrival, LogConflict } from './messages.js';
import { RecordWatch } from './watch.js';

export interface DesktopRecordsOptions {
  readonly dataDirectory: string;
  /** 32 bytes each. */
  readonly keys: { readonly spool: Uint8Array; readonly ids: Uint8Array };
  readonly bytesPerDeviceMax: number;
  readonly waitMs: number;
  readonly logKey: string;
  readonly sealer: Sealer;
  readonly state: Kysely<StateSchema>;
  readonly recorder: GatewayRecorder;
  readonly now: () => number;
}

/** The refusals of one kind that one device gets into the log: one a minute. */
const refusals = { most: 1, perSecond: 1 / 60 };

/** Everything that the gateway does with what desktops record: keeps it, compares it, and asks for it. */
export class DesktopRecords {
  readonly spool: Spool;
  readonly devices: SpoolDevices;
  readonly watch: RecordWatch;
  readonly #comparing: Comparing;
  readonly #options: DesktopRecordsOptions;
  readonly #verifier: VerifierKey | undefined;
  readonly #told = new Budget(refusals);

  constructor(options: DesktopRecordsOptions) {
    const { dataDirectory, keys, bytesPerDeviceMax, waitMs, logKey, sealer, state, recorder, now } = options;
    this.#options = options;
    this.#verifier = parseVerifierKey(logKey);
    this.spool = startSpool({
      dataDirectory,
      masterKey: keys.spool,
      idKey: keys.ids,
      bytesPerDeviceMax,
      onComplaint: (what) => recorder.complain(what),
    });
    this.devices = new SpoolDevices(state, (what, error) => recorder.complain(what, error));
    this.watch = new RecordWatch(now);
    this.#comparing = new Comparing({ sealer, spool: this.spool, recorder, waitMs, now });
    this.#comparing.start();
  }

  hear(event: AuditEventInput): void {
    this.#comparing.hear(event);
  }

  /** An upload is kept. Resolves once what it says about the log is in the log. */
  async arrived(place: SegmentPlace, principal: string, arrival: Arrival): Promise<void> {
    const { device } = place;
    this.watch.arrived(arrival.sessions);
    if (arrival.gaps > 0)
      await this.refused(place, 'lost', 'the desktop could not keep records of this time');
    for (const conflict of arrival.conflicts) await this.#disputed(device, principal, conflict);
    this.devices.seen(device, principal, this.#options.now(), { backlog: arrival.backlog, refused: null });
    this.#comparing.arrived(device, arrival.closed);
  }

  /** What was refused, for the log. The first of each kind in a minute: a device can ask as often as it likes. */
  async refused(
    { device, segment }: SegmentPlace,
    code: Extract<AuditEventInput, { kind: 'spool.refused' }>['code'],
    reason: string,
  ): Promise<void> {
    const { recorder, now } = this.#options;
    if (!this.#told.spend(`${code} ${device}`, 1, now())) return;
    const text = recorder.maskText(reason).slice(0, 500);
    await recorder.record({ kind: 'spool.refused', device, segment, code, reason: text });
  }

  async #disputed(device: string, principal: string, { kept, given, why }: LogConflict): Promise<void> {
    const { recorder, now } = this.#options;
    if (!this.#told.spend(`disputed ${device}`, 1, now())) return;
    const ours = (note: string): boolean =>
      this.#verifier !== undefined && openCheckpoint(note, this.#verifier) !== undefined;
    const [keptIsOurs, givenIsOurs] = [ours(kept), ours(given)];
    await recorder.record({
      kind: 'log.disputed',
      device,
      principal: PrincipalId.parse(principal),
      // What we did not sign is anybody's text.
      kept: keptIsOurs ? kept : recorder.maskText(kept),
      given: givenIsOurs ? given : recorder.maskText(given),
      why: recorder.maskText(why),
      signed: keptIsOurs ? (givenIsOurs ? 'both' : 'kept') : givenIsOurs ? 'given' : 'none',
    });
    recorder.complain(
      keptIsOurs && givenIsOurs
        ? 'a desktop holds two checkpoints with this log’s signature that do not fit each other: the log was forked'
        : 'a desktop says that this log does not hold what it was given of it: run log verify',
    );
  }

  /** What the person's desktop has recorded of a session, oldest first. */
  async *lines(session: SessionId): AsyncGenerator<DesktopLine, void, undefined> {
    const found = await this.#options.sealer.comparable(session);
    if (found.kind !== 'session' || found.spool === undefined) return;
    yield* this.spool.lines(found.spool.device, session);
  }

  async close(): Promise<void> {
    this.watch.close();
    await this.#comparing.stop();
    await this.devices.write().catch(() => undefined);
    await this.spool.close();
  }
}
