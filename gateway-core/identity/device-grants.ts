import { randomInt } from 'node:crypto';
import { type Clock, ExpiringMap } from './bounded.js';
import type { Person } from './claims.js';
import { identityLimits } from './limits.js';
import { randomToken, sha256Hex } from './secrets.js';

/** One device that waits for a person at a browser (RFC 8628). */
export interface DeviceGrant {
  /** `BCDF-GHJK`. */
  readonly userCode: string;
  /** What the device calls itself: anybody's text. */
  readonly deviceName: string | undefined;
  readonly remoteAddress: string;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
  /** The key that alone may poll; the first one that polls, when the device named none. */
  deviceKey: string | undefined;
  answer: { readonly kind: 'approved'; readonly person: Person } | { readonly kind: 'refused' } | undefined;
  intervalMs: number;
  polledAtMs: number | undefined;
}

export type Poll =
  | { readonly kind: 'approved'; readonly person: Person }
  | { readonly kind: 'pending' | 'slow-down' | 'refused' | 'expired' | 'unknown' | 'other-key' };

// RFC 8628 6.1: no vowels, so no words; nothing that looks like something else.
const letters = 'BCDFGHJKLMNPQRSTVWXZ';

/** Device grants, in memory: a restart of the gateway makes the device ask again. */
export class DeviceGrants {
  private readonly clock: Clock;
  private readonly byDeviceCode: ExpiringMap<DeviceGrant>;
  private readonly byUserCode: ExpiringMap<DeviceGrant>;

  constructor(clock: Clock) {
    this.clock = clock;
    const entriesMax = identityLimits.deviceCodesMax;
    const ttlMs = identityLimits.deviceCodeTtlMs;
    // Twice as long: within that time an expired code is told from one that never was.
    this.byDeviceCode = new ExpiringMap({
      clock,
      ttlMs: 2 * ttlMs,
      entriesMax: 2 * entriesMax,
      whenFull: 'refuse',
    });
    this.byUserCode = new ExpiringMap({ clock, ttlMs, entriesMax, whenFull: 'refuse' });
  }

  /** Undefined when too many are waiting. */
  issue(device: {
    readonly deviceName: string | undefined;
    readonly remoteAddress: string;
    readonly deviceKey: string | undefined;
  }): { readonly deviceCode: string; readonly grant: DeviceGrant } | undefined {
    const deviceCode = randomToken('tld_');
    const userCode = newUserCode();
    const now = this.clock();
    const grant: DeviceGrant = {
      ...device,
      userCode,
      createdAtMs: now,
      expiresAtMs: now + identityLimits.deviceCodeTtlMs,
      answer: undefined,
      intervalMs: identityLimits.devicePollIntervalMs,
      polledAtMs: undefined,
    };
    // A user code that is taken: one in 20^8 / 5,000; the device simply asks again.
    if (this.byUserCode.get(userCode) !== undefined) return undefined;
    if (!this.byDeviceCode.set(sha256Hex(deviceCode), grant)) return undefined;
    if (!this.byUserCode.set(userCode, grant)) return undefined;
    return { deviceCode, grant };
  }

  /** A grant that still waits for its answer; the code as a person types it. */
  waiting(typed: string): DeviceGrant | undefined {
    const plain = typed
      .slice(0, 64)
      .toUpperCase()
      .replace(/[^A-Z]/g, '');
    const grant = this.byUserCode.get(`${plain.slice(0, 4)}-${plain.slice(4)}`);
    return grant?.answer === undefined ? grant : undefined;
  }

  /** The first answer counts; false when there is one already, or the time is over. */
  answer(grant: DeviceGrant, answer: NonNullable<DeviceGrant['answer']>): boolean {
    if (grant.answer !== undefined || grant.expiresAtMs <= this.clock()) return false;
    grant.answer = answer;
    this.byUserCode.delete(grant.userCode);
    return true;
  }

  /** What the device is told. An approval is given out once. */
  poll(deviceCode: string, deviceKey: string): Poll {
    const hash = sha256Hex(deviceCode);
    const grant = this.byDeviceCode.get(hash);
    if (grant === undefined) return { kind: 'unknown' };
    grant.deviceKey ??= deviceKey;
    if (grant.deviceKey !== deviceKey) return { kind: 'other-key' };
    const now = this.clock();
    if (grant.expiresAtMs <= now) return { kind: 'expired' };
    const tooEarly = grant.polledAtMs !== undefined && now - grant.polledAtMs < grant.intervalMs;
    grant.polledAtMs = now;
    if (tooEarly) {
      grant.intervalMs += identityLimits.devicePollIntervalMs;
      return { kind: 'slow-down' };
    }
    if (grant.answer === undefined) return { kind: 'pending' };
    this.byDeviceCode.delete(hash);
    return grant.answer;
  }
}

function newUserCode(): string {
  const pick = () => Array.from({ length: 4 }, () => letters[randomInt(letters.length)]).join('');
  return `${pick()}-${pick()}`;
}
