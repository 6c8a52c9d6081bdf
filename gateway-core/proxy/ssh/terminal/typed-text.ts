/** More than this is no line that anybody types. */
const typedCharactersMax = 4096;
const pasteMarks = ['200~', '201~'];

/**
 * What a person typed since the last line was sent, as long as it is plain: characters, and the keys that delete them
 * at the end. Compared with what the screen shows and nothing else: it may be a password, so it is never given out.
 */
export class TypedText {
  private text = '';
  private plain = true;
  /** Of a character or an escape sequence that has not come whole. */
  private rest: Buffer = Buffer.alloc(0);

  /** Keystrokes; whether one of them was a person's, and not a terminal's answer to a query. */
  push(bytes: Uint8Array): boolean {
    const all = this.rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.rest, bytes]);
    this.rest = Buffer.alloc(0);
    let pressed = false;
    for (let at = 0; at < all.length; ) {
      const size = this.key(all, at);
      if (size === 0) {
        if (all.length - at > sequenceBytesMax) this.plain = false;
        else this.rest = Buffer.from(all.subarray(at));
        return pressed;
      }
      pressed ||= !isAnswer(all.toString('latin1', at, at + size));
      at += size;
    }
    return pressed;
  }

  /** A line was sent. */
  clear(): void {
    this.text = '';
    this.plain = true;
    this.rest.fill(0);
    this.rest = Buffer.alloc(0);
  }

  /**
   * Whether `shown` is what was typed: undefined where keys were pressed that make that unknown (history, completion,
   * moving about). Stars of a mask stand for anything.
   */
  isShownAs(shown: string): boolean | undefined {
    if (!this.plain) return undefined;
    const typed = this.text.trimEnd();
    if (Buffer.byteLength(typed) === Buffer.byteLength(shown)) {
      const bytes = Buffer.from(shown);
      return Buffer.from(typed).every((byte, at) => bytes[at] === byte || bytes[at] === 0x2a);
    }
    return false;
  }

  /** Whether anything was typed that ought to show. */
  get isEmpty(): boolean {
    return this.plain && this.text.trimEnd() === '';
  }

  /** Takes the key at `at`; how many bytes it has, 0 when it is not whole. */
  private key(bytes: Buffer, at: number): number {
    const byte = bytes[at] as number;
    if (byte === 0x1b) return this.sequence(bytes, at);
    if (byte >= 0x20 && byte !== 0x7f) return this.character(bytes, at);
    if (byte === 0x7f || byte === 0x08) this.text = this.text.replace(/.$/su, '');
    else if (byte === 0x15) this.text = '';
    else this.plain = false;
    return 1;
  }

  private character(bytes: Buffer, at: number): number {
    const lead = bytes[at] as number;
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (at + size > bytes.length) return 0;
    if (this.text.length >= typedCharactersMax) this.plain = false;
    else this.text += bytes.toString('utf8', at, at + size);
    return size;
  }

  private sequence(bytes: Buffer, at: number): number {
    const size = sequenceSize(bytes, at);
    if (size === 0) return 0;
    const text = bytes.toString('latin1', at, at + size);
    if (!isAnswer(text) && !pasteMarks.includes(text.slice(2))) this.plain = false;
    return size;
  }
}

const sequenceBytesMax = 4096;

/** Bytes of the escape sequence at `at`, 0 when it is not whole. */
function sequenceSize(bytes: Buffer, at: number): number {
  const next = bytes[at + 1];
  if (next === undefined) return 0;
  if (next === 0x4f) return at + 3 <= bytes.length ? 3 : 0;
  if (next === 0x5b) {
    for (let end = at + 2; end < bytes.length; end++) {
      const byte = bytes[end] as number;
      if (byte < 0x20 || byte >= 0x40) return end + 1 - at;
    }
    return 0;
  }
  // ] P ^ _: up to BEL or ESC \
  if (next === 0x5d || next === 0x50 || next === 0x5e || next === 0x5f) {
    for (let end = at + 2; end < bytes.length; end++) {
      if (bytes[end] === 0x07) return end + 1 - at;
      if (bytes[end] === 0x1b && bytes[end + 1] === 0x5c) return end + 2 - at;
    }
    return 0;
  }
  return 2;
}

/** What a terminal sends by itself: where its cursor is, what it is, focus, mouse, colours, clipboard. */
function isAnswer(sequence: string): boolean {
  // oxlint-disable-next-line no-control-regex -- sequences begin with one
  return /^\x1b(?:\[[?>=]?[\d;]*[Rcnt]$|\[\?[\d;]*\$y$|\[[IO]$|\[<[\d;]*[Mm]$|[\]P_])/.test(sequence);
}
