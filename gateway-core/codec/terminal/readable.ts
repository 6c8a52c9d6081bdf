import { type SequenceHandler, SequenceParser } from './sequences.js';

/** Sequences that neither move the cursor nor take text away. */
const stillFinals = new Set('mhlnqctpKgi');

/**
 * What a terminal's output says, without its escape sequences, titles and links: for search, and for people without a
 * screen. Moves of the cursor are white space, a lone carriage return ends a line.
 */
export class ReadableText implements SequenceHandler {
  readonly #parser = new SequenceParser(this);
  #out = '';
  #returned = false;

  push(text: string): string {
    this.#out = '';
    this.#parser.push(text);
    return this.#out;
  }

  text(text: string): void {
    this.#return();
    this.#out += text;
  }

  control(code: number): void {
    if (code === 0x0d) {
      this.#returned = true;
      return;
    }
    if (code >= 0x0a && code <= 0x0c) {
      this.#returned = false;
      this.#out += '\n';
    } else if (code === 0x09) this.text('\t');
  }

  sequence(_prefix: string, _parameters: string, _intermediates: string, final: string): void {
    if (final === 'C') this.text(' ');
    else if (!stillFinals.has(final)) this.text('\n');
  }

  escape(_intermediates: string, final: string): void {
    if (/[8DEMc]/.test(final)) this.text('\n');
  }

  #return(): void {
    if (this.#returned) this.#out += '\n';
    this.#returned = false;
  }
}
