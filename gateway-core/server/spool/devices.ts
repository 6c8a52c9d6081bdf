import type { Kysely } from 'kysely';
import { z } from 'zod';
import { AdminDevice } from '../../contract/api.js';
import { SpoolBacklog } from '../../contract/local-record.js';
import type { StateSchema } from '../../store/schema.js';

/** One write for all that changed in this time. */
const writeEveryMs = 5000;
const listedMax = 10_000;
const Refused = AdminDevice.shape.refused.unwrap();

interface Device {
  readonly principal: string;
  readonly lastSeenAtMs: number;
  readonly backlog: SpoolBacklog | undefined;
  readonly refused: z.infer<typeof Refused> | undefined;
}

/** Desktops that upload: who, when, what waits there. For people to see; what is not written yet at a crash comes again. */
export class SpoolDevices {
  readonly #state: Kysely<StateSchema>;
  readonly #complain: (what: string, error: unknown) => void;
  /** What is not written yet. */
  readonly #changed = new Map<string, Device>();
  #timer: NodeJS.Timeout | undefined;

  constructor(state: Kysely<StateSchema>, complain: (what: string, error: unknown) => void) {
    this.#state = state;
    this.#complain = complain;
  }

  /** `refused: null`: its upload was taken. */
  seen(
    device: string,
    principal: string,
    nowMs: number,
    what: {
      readonly backlog?: SpoolBacklog | undefined;
      readonly refused: Omit<z.infer<typeof Refused>, 'at'> | null;
    },
  ): void {
    const refused =
      what.refused === null ? undefined : { at: new Date(nowMs).toISOString(), ...what.refused };
    const backlog = what.backlog ?? this.#changed.get(device)?.backlog;
    this.#changed.set(device, { principal, lastSeenAtMs: nowMs, backlog, refused });
    this.#timer ??= setTimeout(() => {
      this.write().catch((error: unknown) => this.#complain('devices could not be noted', error));
    }, writeEveryMs).unref();
  }

  async write(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const changed = [...this.#changed];
    this.#changed.clear();
    for (const [device, { principal, lastSeenAtMs, backlog, refused }] of changed) {
      const values = {
        principal,
        last_seen_at_ms: lastSeenAtMs,
        refused: refused === undefined ? null : JSON.stringify(refused),
        ...(backlog === undefined ? {} : { backlog: JSON.stringify(backlog) }),
      };
      await this.#state
        .insertInto('spool_devices')
        .values({ device, ...values })
        .onConflict((conflict) => conflict.column('device').doUpdateSet(values))
        .execute();
    }
  }

  /** Seen last first. */
  async list(): Promise<AdminDevice[]> {
    await this.write();
    const rows = await this.#state
      .selectFrom('spool_devices')
      .selectAll()
      .orderBy('last_seen_at_ms', 'desc')
      .limit(listedMax)
      .execute();
    return rows.map((row) => ({
      device: row.device,
      principal: row.principal,
      lastSeenAt: new Date(row.last_seen_at_ms).toISOString(),
      ...(row.backlog === null ? {} : { backlog: SpoolBacklog.parse(JSON.parse(row.backlog)) }),
      ...(row.refused === null ? {} : { refused: Refused.parse(JSON.parse(row.refused)) }),
    }));
  }
}
