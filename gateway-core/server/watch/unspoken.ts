import type { Terminal } from '@xterm/headless';

/** Of one of the two screens. The row of the saved cursor counts from the first that is kept. */
interface OfScreen {
  margins?: { readonly top: number; readonly bottom: number };
  saved?: { readonly column: number; readonly row: number; readonly styles: readonly string[] };
}

const alternateModes = [47, 1047, 1049];
/** Sequences that colour what is written next, since the last that undid all before it. */
const stylesMax = 64;

/**
 * What a terminal does not tell of itself, and what paints on depends on: where it scrolls (DECSTBM), where the cursor
 * goes back to (DECSC), how the next character looks (SGR), whether the cursor is seen. Heard on its way in, and given as
 * the sequences that bring another terminal there. Source: ECMA-48; xterm's ctlseqs.
 */
export class Unspoken {
  readonly #terminal: Terminal;
  readonly #normal: OfScreen = {};
  readonly #alternate: OfScreen = {};
  #styles: readonly string[] = [];
  #isHidden = false;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { parser } = terminal;
    // False: the terminal does with it what it does.
    const hear = (note: (parameters: readonly (number | number[])[]) => void) => {
      return (parameters: (number | number[])[]): boolean => {
        note(parameters);
        return false;
      };
    };
    parser.registerEscHandler({ final: '7' }, () => this.#save());
    parser.registerEscHandler({ final: '8' }, () => this.#restore(this.#active));
    parser.registerCsiHandler(
      { final: 'u' },
      hear(() => this.#restore(this.#active)),
    );
    parser.registerCsiHandler(
      { final: 's' },
      hear(() => this.#save()),
    );
    parser.registerCsiHandler(
      { prefix: '?', final: 'h' },
      hear((modes) => this.#mode(modes, true)),
    );
    parser.registerCsiHandler(
      { prefix: '?', final: 'l' },
      hear((modes) => this.#mode(modes, false)),
    );
    parser.registerCsiHandler(
      { final: 'r' },
      hear(([top, bottom]) => {
        this.#active.margins = { top: Number(top ?? 0), bottom: Number(bottom ?? 0) };
      }),
    );
    parser.registerCsiHandler(
      { final: 'm' },
      hear((parameters) => this.#style(parameters)),
    );
    parser.registerEscHandler({ final: 'c' }, () => this.reset());
    parser.registerCsiHandler(
      { intermediates: '!', final: 'p' },
      hear(() => this.#softReset()),
    );
  }

  /** RIS. */
  reset(): boolean {
    for (const screen of [this.#normal, this.#alternate]) {
      delete screen.margins;
      delete screen.saved;
    }
    this.#styles = [];
    this.#isHidden = false;
    return false;
  }

  /** Another size undoes margins. */
  resized(): void {
    delete this.#normal.margins;
    delete this.#alternate.margins;
  }

  /** Of the normal screen, before the alternate one is put over it. Moves the cursor. */
  get normal(): string {
    return marginsOf(this.#normal) + stylesOf(this.#normal.saved?.styles);
  }

  /** Of the screen that is on. Moves the cursor. */
  get active(): string {
    const { baseY } = this.#terminal.buffer.active;
    const { saved } = this.#active;
    if (saved === undefined) return marginsOf(this.#active);
    const place = placeOf(saved.column, Math.max(0, saved.row - baseY));
    return `${place}${stylesOf(saved.styles)}\x1b7\x1b[0m${marginsOf(this.#active)}`;
  }

  /** The rest of it; the cursor stays where it is. */
  get styles(): string {
    return `${stylesOf(this.#styles)}${this.#isHidden ? '\x1b[?25l' : ''}`;
  }

  /** In origin mode rows count from the first that scrolls. */
  get firstRow(): number {
    const top = this.#active.margins?.top ?? 0;
    return this.#terminal.modes.originMode ? Math.max(0, top - 1) : 0;
  }

  get #active(): OfScreen {
    return this.#terminal.buffer.active.type === 'alternate' ? this.#alternate : this.#normal;
  }

  #save(): boolean {
    const { cursorX, cursorY, baseY } = this.#terminal.buffer.active;
    this.#active.saved = { column: cursorX, row: baseY + cursorY, styles: this.#styles };
    return false;
  }

  /** DECRC: the colours of then, too. */
  #restore({ saved }: OfScreen): boolean {
    this.#styles = saved?.styles ?? [];
    return false;
  }

  #mode(modes: readonly (number | number[])[], on: boolean): void {
    if (modes.includes(25)) this.#isHidden = !on;
    if (on && (modes.includes(1048) || modes.includes(1049))) this.#save();
    if (on || !alternateModes.some((mode) => modes.includes(mode))) return;
    delete this.#alternate.margins;
    if (modes.includes(1049)) this.#restore(this.#normal);
  }

  #style(parameters: readonly (number | number[])[]): void {
    if (parameters.length === 0 || parameters[0] === 0) this.#styles = [];
    if (parameters.length === 1 && parameters[0] === 0) return;
    // [38, 2, [r]] of the parser is 38;2;r or 38:2:r: sub-parameters follow what they belong to.
    let text = '';
    for (const each of parameters)
      text += Array.isArray(each) ? `:${each.map((sub) => (sub < 0 ? '' : sub)).join(':')}` : `;${each}`;
    this.#styles = [...this.#styles, `\x1b[${text.slice(1)}m`].slice(-stylesMax);
  }

  #softReset(): void {
    delete this.#active.margins;
    delete this.#active.saved;
    this.#styles = [];
    this.#isHidden = false;
  }
}

function marginsOf({ margins }: OfScreen): string {
  return margins === undefined ? '' : `\x1b[${margins.top};${margins.bottom}r`;
}

function stylesOf(styles: readonly string[] = []): string {
  return `\x1b[0m${styles.join('')}`;
}

/** CUP, for places that count from 0. */
export function placeOf(column: number, row: number): string {
  return `\x1b[${row + 1};${column + 1}H`;
}
