import { ReadableText } from './readable.js';

/** A line that is longer is given in parts. */
const lineCharactersMax = 16 * 1024;

/** Readable lines of streams whose text comes in pieces of any size: a key pressed is one. */
export class TextLines {
  readonly #streams = new Map<string, { readonly text: ReadableText; line: string }>();

  /** The lines that `text` has ended. */
  push(stream: string, text: string): string[] {
    const one = this.#streams.get(stream) ?? { text: new ReadableText(), line: '' };
    this.#streams.set(stream, one);
    const lines = (one.line + one.text.push(text)).split('\n');
    one.line = lines.pop() ?? '';
    if (one.line.length > lineCharactersMax) {
      lines.push(one.line);
      one.line = '';
    }
    return lines.filter((line) => line.trim() !== '');
  }

  /** What has not ended with a line end. */
  end(): string[] {
    const lines = [...this.#streams.values()].map(({ line }) => line);
    this.#streams.clear();
    return lines.filter((line) => line.trim() !== '');
  }
}
