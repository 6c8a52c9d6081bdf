import { type SequenceHandler, SequenceParser } from './sequences.js';

/** Sequences that paint and move, without intermediates; with `?` only the two that erase. */
const painting = new Set('@ABCDEFGHIJKLMPSTXZ`abdefgmrsu');
const erasing = new Set('JK');
/** DEC private modes that change the picture and nothing else: origin, wrap, cursor, the other screen. */
const pictureModes = new Set(['5', '6', '7', '25', '47', '1047', '1048', '1049']);
/** ANSI modes: insert, line feed is new line. */
const plainModes = new Set(['4', '20']);
const charsets = new Set(['(', ')', '*', '+']);

const alternateModes = ['47', '1047', '1049'];
/** Modes, margins, charset and colours as they were; the cursor on a line of its own, below everything. */
const restored = '\x1b[?5;6l\x1b[?7;25h\x1b[4;20l\x1b[r\x1b(B\x0f\x1b[0m\x1b[999;1H\r\n';

/**
 * Output of a recorded terminal that may be shown to somebody's own: only what paints. Titles, links, clipboard,
 * questions that the terminal would answer, keyboard and mouse modes, window sizes, bells are left out. The screen is
 * the same as without it. Source: xterm's ctlseqs.
 */
export class HarmlessOutput implements SequenceHandler {
  readonly #parser = new SequenceParser(this);
  #out = '';
  #alternate = false;

  push(text: string): string {
    this.#out = '';
    this.#parser.push(text);
    return this.#out;
  }

  /** What undoes everything that was given so far may have left behind. */
  restore(): string {
    // Where the other screen was never on, its end would move the cursor.
    return this.#alternate ? `\x1b[?1049l${restored}` : restored;
  }

  text(text: string): void {
    this.#out += text;
  }

  control(code: number): void {
    if ((code >= 0x08 && code <= 0x0f) || code === 0x84 || code === 0x85 || code === 0x88 || code === 0x8d)
      this.#out += code < 0x80 ? String.fromCharCode(code) : `\x1b${String.fromCharCode(code - 0x40)}`;
  }

  sequence(prefix: string, parameters: string, intermediates: string, final: string): void {
    if (intermediates !== '') {
      if (intermediates === '!' && final === 'p' && prefix === '') this.#out += '\x1b[!p';
      return;
    }
    if (final === 'h' || final === 'l') return this.#mode(prefix, parameters, final);
    // With more than two parameters it begins to follow the mouse.
    const follows = final === 'T' && parameters.split(';').length > 2;
    const paints = prefix === '' ? painting.has(final) && !follows : prefix === '?' && erasing.has(final);
    if (paints) this.#out += `\x1b[${prefix}${parameters}${final}`;
  }

  escape(intermediates: string, final: string): void {
    if (intermediates === '' && /[78DEHMcno]/.test(final)) this.#out += `\x1b${final}`;
    else if (intermediates === '#' && final === '8') this.#out += '\x1b#8';
    else if (charsets.has(intermediates) && /[0-9A-Z<>=`]/.test(final))
      this.#out += `\x1b${intermediates}${final}`;
  }

  #mode(prefix: string, parameters: string, final: string): void {
    const known = prefix === '?' ? pictureModes : prefix === '' ? plainModes : undefined;
    const kept = parameters.split(';').filter((each) => known?.has(each) === true);
    if (kept.some((each) => alternateModes.includes(each)) && prefix === '?') this.#alternate = final === 'h';
    if (kept.length > 0) this.#out += `\x1b[${prefix}${kept.join(';')}${final}`;
  }
}
