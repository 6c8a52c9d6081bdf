import type { Size } from './screen.js';

/** Most output that is kept until somebody asks what it painted; a screen is read from what came last. */
export const pendingBytesMax = 64 * 1024;
/** What is kept when more comes. */
const keptBytes = 32 * 1024;
const sizesMax = 32;
/** Longest control sequence that is looked at. */
const sequenceBytesMax = 32;

/** A piece of output, and what is to be done before it is painted. */
export type Piece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'size'; readonly size: Size }
  /** The first key of a line was pressed here: the prompt stands before it. */
  | { readonly kind: 'first-key' };

export interface Taken {
  readonly pieces: readonly Piece[];
  /** Output before it was dropped; whether the alternate screen was on then. */
  readonly lost: { readonly alternate: boolean } | undefined;
}

/**
 * Output that nobody has looked at yet. Whatever its rate, it costs a copy of its last part: a `cat` of gigabytes is
 * dropped at line ends, and of what is dropped only the switch to the alternate screen is remembered.
 */
export class PendingOutput {
  private bytes = Buffer.allocUnsafeSlow(4096);
  private length = 0;
  private lost = false;
  private alternate = false;
  private firstKeyAt = -1;
  private sizes: { at: number; size: Size }[] = [];

  push(bytes: Uint8Array): void {
    if (this.length + bytes.length > pendingBytesMax || bytes.length > keptBytes) this.drop(bytes.length);
    if (bytes.length <= keptBytes) return this.append(bytes);
    // More than is kept at once: its beginning goes the way of what was dropped.
    const cut = bytes.length - keptBytes;
    const line = bytes.indexOf(0x0a, cut);
    const from = line === -1 ? cut : line + 1;
    this.remember(bytes.subarray(0, from));
    this.append(bytes.subarray(from));
  }

  resize(size: Size): void {
    if (this.sizes.length === sizesMax) this.sizes.shift();
    this.sizes.push({ at: this.length, size });
  }

  /** A key was pressed that may be the first of a line. */
  firstKey(): void {
    this.firstKeyAt = this.length;
  }

  /** All of it, in order; nothing is pending then. */
  take(): Taken {
    const marks: { at: number; piece: Piece }[] = this.sizes.map(({ at, size }) => ({
      at,
      piece: { kind: 'size', size },
    }));
    if (this.firstKeyAt !== -1) marks.push({ at: this.firstKeyAt, piece: { kind: 'first-key' } });
    marks.sort((a, b) => a.at - b.at);
    const pieces: Piece[] = [];
    let from = 0;
    for (const { at, piece } of [...marks, { at: this.length, piece: undefined }]) {
      if (at > from) pieces.push({ kind: 'bytes', bytes: Buffer.from(this.bytes.subarray(from, at)) });
      if (piece !== undefined) pieces.push(piece);
      from = at;
    }
    const lost = this.lost ? { alternate: this.alternate } : undefined;
    this.length = 0;
    this.lost = false;
    this.firstKeyAt = -1;
    this.sizes = [];
    return { pieces, lost };
  }

  private append(bytes: Uint8Array): void {
    const size = this.length + bytes.length;
    if (size > this.bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(size, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.bytes.set(bytes, this.length);
    this.length = size;
  }

  /** Makes room for `coming` bytes: what is dropped ends with a line, where there is one. */
  private drop(coming: number): void {
    const keep = Math.max(0, Math.min(this.length, keptBytes - coming));
    const cut = this.length - keep;
    const line = this.bytes.subarray(0, this.length).indexOf(0x0a, cut);
    const from = line === -1 ? cut : line + 1;
    this.remember(this.bytes.subarray(0, from));
    this.bytes.copyWithin(0, from, this.length);
    this.length -= from;
    this.firstKeyAt = this.firstKeyAt < from ? -1 : this.firstKeyAt - from;
    this.sizes = this.sizes.map(({ at, size }) => ({ at: Math.max(0, at - from), size }));
  }

  private remember(dropped: Uint8Array): void {
    if (dropped.length === 0) return;
    this.lost = true;
    this.alternate = alternateAfter(
      Buffer.from(dropped.buffer, dropped.byteOffset, dropped.length),
      this.alternate,
    );
  }

  /** What was painted since ended with the alternate screen on or off: for what is dropped from here on. */
  screenIs(alternate: boolean): void {
    this.alternate = alternate;
  }
}

/** Whether the alternate screen is on after `bytes`: `ESC [ ? ... h` and `l` with 47, 1047 or 1049; ESC c turns it off. */
function alternateAfter(bytes: Buffer, before: boolean): boolean {
  const reset = bytes.lastIndexOf('\x1bc');
  for (let at = bytes.lastIndexOf('\x1b[?'); at > reset; at = bytes.lastIndexOf('\x1b[?', at - 1)) {
    const text = bytes.toString('latin1', at + 3, at + sequenceBytesMax);
    const mode = /^([\d;]+)([hl])/.exec(text);
    if (mode !== null && /(?:^|;)(?:47|1047|1049)(?:;|$)/.test(mode[1] ?? '')) return mode[2] === 'h';
    if (at === 0) break;
  }
  return reset === -1 ? before : false;
}
