import type { ContentProjection, ContentStream, ProjectedItem } from '../../contract/recorder.js';
import { Utf8Text } from './utf8.js';

/** What a terminal and a program without one have recorded. */
export const terminalStreams = ['terminal', 'terminal-size', 'stdout', 'stderr'] as const;
export type TerminalStream = (typeof terminalStreams)[number];

export function isTerminalStream(stream: ContentStream): stream is TerminalStream {
  return (terminalStreams as readonly string[]).includes(stream);
}

/** Bounds of a size that is believed. */
const sizeMax = 10_000;

/** One channel of a recorded SSH session: what its terminal was sent and its sizes, or what its program wrote. */
export class TerminalContent implements ContentProjection {
  readonly #texts = new Map<ContentStream, Utf8Text>();

  *items(stream: ContentStream, bytes: Buffer): Generator<ProjectedItem> {
    if (!isTerminalStream(stream)) return;
    if (stream === 'terminal-size') {
      const size = sizeOf(bytes);
      yield size === undefined ? unreadableSize : { kind: 'size', ...size };
      return;
    }
    const text = this.#text(stream).push(bytes);
    if (text === '') return;
    if (stream === 'terminal') yield { kind: 'terminal', data: text };
    else yield { kind: 'output', stream, text };
  }

  /** A character that is not whole at the end shows nothing. */
  *end(): Generator<ProjectedItem> {}

  #text(stream: ContentStream): Utf8Text {
    const known = this.#texts.get(stream);
    if (known !== undefined) return known;
    const text = new Utf8Text();
    this.#texts.set(stream, text);
    return text;
  }
}

const unreadableSize: ProjectedItem = {
  kind: 'problem',
  code: 'content-unreadable',
  text: 'a size of the terminal cannot be read',
};

/** What a `terminal-size` says (contract/recorder.ts). Undefined: it is none. */
export function sizeOf(bytes: Uint8Array): { readonly columns: number; readonly rows: number } | undefined {
  const [, columns, rows] = /^(\d{1,5})x(\d{1,5})$/.exec(String.fromCharCode(...bytes.subarray(0, 16))) ?? [];
  const size = { columns: Number(columns), rows: Number(rows) };
  const isSize = (value: number): boolean => value >= 1 && value <= sizeMax;
  return isSize(size.columns) && isSize(size.rows) ? size : undefined;
}
