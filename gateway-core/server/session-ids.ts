import { createHmac, randomInt } from 'node:crypto';
import { SessionId } from '../contract/ids.js';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const halfMax = 2 ** 40;

/**
 * Session ids that prove themselves. A ULID is 48 bits of time and 80 that are free: the first half of these is random
 * and counts up within a millisecond, the second is an HMAC over time, first half and the device that the id was given
 * to. So what a desktop uploads for a session can be told from what it made up without a look into any table, after a
 * restart too, and an id that was given to one device is nothing in the hands of another.
 */
export class SessionIds {
  readonly #key: Uint8Array;
  #lastMs = -1;
  #count = 0;

  /** `key`: 32 bytes. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Ascending, also within a millisecond and when the clock is set back. `device`: RFC 7638 thumbprint, if any. */
  next(nowMs: number, device: string | undefined): SessionId {
    if (nowMs > this.#lastMs) {
      this.#lastMs = nowMs;
      // Less than half of what there is, so that counting up never ends within a millisecond.
      this.#count = randomInt(halfMax / 2);
    } else {
      this.#count += 1;
    }
    const open = encode(this.#lastMs, 10) + encode(this.#count, 8);
    return SessionId.parse(`ses_${open}${this.#mark(open, device)}`);
  }

  /** Whether `next` has given this id to that device. */
  isOf(session: SessionId, device: string | undefined): boolean {
    const open = session.slice(4, 22);
    // Not a secret that somebody could find letter by letter: each try is a request, and refused ones are counted.
    return session.slice(22) === this.#mark(open, device);
  }

  #mark(open: string, device: string | undefined): string {
    const mac = createHmac('sha256', this.#key)
      .update(`${open} ${device ?? ''}`)
      .digest();
    return encode(mac.readUIntBE(0, 5), 8);
  }
}

/** Crockford base 32, most significant letter first: https://github.com/ulid/spec. */
function encode(value: number, letters: number): string {
  let text = '';
  for (let left = value; text.length < letters; left = Math.floor(left / 32)) {
    text = `${alphabet[left % 32]}${text}`;
  }
  return text;
}
