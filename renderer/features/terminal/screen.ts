import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { SerializeAddon } from '@xterm/addon-serialize';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { WebglAddon } from '@xterm/addon-webgl';
import { Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { useKnown } from '../../ui/app-state.js';
import type { FindOptions, ScreenEvents, ScreenPort } from './screen-port.js';
import { safePaste } from './text.js';
import { themeOf } from './themes.js';

/** Leaves whatever a program has left on: mouse reports, bracketed paste, application keys, no cursor. */
const settle = '\u001b[!p\u001b[?1000;1002;1003;1006;2004;1;66l\u001b[?25h\u001b>\u001b[0m';
const foundMax = 1000;
const dividerColumns = 48;

/**
 * One terminal on the page. Everything that it is given comes from the target, so it answers nothing that could be used
 * against the person: no clipboard, no title reports, links only on asking.
 */
export class Screen implements ScreenPort {
  readonly host = document.createElement('div');
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon({ highlightLimit: foundMax });
  readonly #serialize = new SerializeAddon();
  readonly #stop: (() => void)[] = [];
  #opened = false;
  #muted = false;

  constructor(label: string, events: ScreenEvents) {
    this.host.className = 'tl-terminal';
    // Keys that a shell needs are the terminal's before they are the app's (app/shortcuts.ts).
    this.host.dataset['keys'] = 'terminal';
    const link = (_event: MouseEvent, text: string) => events.link(text);
    this.#terminal = new Terminal({
      allowProposedApi: true,
      fontFamily: "'JetBrains Mono Variable', ui-monospace, monospace",
      lineHeight: 1.2,
      minimumContrastRatio: 4.5,
      macOptionIsMeta: true,
      rightClickSelectsWord: true,
      linkHandler: { activate: link },
      ...this.#preferred(),
    });
    const terminal = this.#terminal;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(this.#search);
    terminal.loadAddon(this.#serialize);
    terminal.loadAddon(new WebLinksAddon(link));
    terminal.onData((text) => this.#muted || events.input(text));
    terminal.onBinary((text) => this.#muted || events.binary(text));
    terminal.onTitleChange((text) => events.titled(text));
    terminal.onBell(() => events.bell());
    terminal.onResize(({ cols, rows }) => events.resized({ columns: cols, rows }));
    terminal.onSelectionChange(() => {
      if (terminal.hasSelection()) events.selected(terminal.getSelection());
    });
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) => events.found(resultIndex, resultCount));
    // OSC 52: a target that writes or reads the clipboard of the person is refused.
    terminal.parser.registerOscHandler(52, () => {
      events.clipboardRefused();
      return true;
    });
    this.#label(label);
    this.#listen(events);
  }

  /** Shows it in `parent`, where it stays until it is shown elsewhere. */
  attach(parent: HTMLElement): void {
    parent.append(this.host);
    if (!this.#opened) {
      this.#opened = true;
      this.#terminal.open(this.host);
      this.#drawFast();
      void document.fonts.ready.then(() => this.fit());
    }
    this.fit();
  }

  fit(): void {
    if (this.host.clientWidth < 20 || this.host.clientHeight < 20) return;
    this.#fit.fit();
  }

  get size() {
    return { columns: this.#terminal.cols, rows: this.#terminal.rows };
  }
  get selection(): string {
    return this.#terminal.getSelection();
  }

  write(bytes: Uint8Array, muted: boolean): Promise<void> {
    return new Promise((resolve) => {
      // What is shown a second time must not be answered a second time.
      this.#muted = muted;
      this.#terminal.write(bytes, () => {
        this.#muted = false;
        resolve();
      });
    });
  }

  divide(text: string): void {
    // Leaving a screen that is not there would put the cursor where it once was.
    const leave = this.#terminal.buffer.active.type === 'alternate' ? '\u001b[?1049l' : '';
    const line = `── ${text} `.padEnd(dividerColumns, '─').slice(0, this.#terminal.cols);
    this.#terminal.write(`${leave}${settle}\r\n\u001b[2m${line}\u001b[0m\r\n`);
  }

  paste(text: string): void {
    this.#terminal.paste(safePaste(text));
  }
  focus(): void {
    this.#terminal.focus();
  }
  clear(): void {
    this.#terminal.clear();
  }
  selectAll(): void {
    this.#terminal.selectAll();
  }
  html(): string {
    return this.#serialize.serializeAsHTML({ onlySelection: true });
  }
  scroll(pages: number): void {
    this.#terminal.scrollPages(pages);
  }

  find(text: string, { backwards, ...rest }: FindOptions): boolean {
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const decorations = {
      matchBackground: '#806000',
      matchOverviewRuler: '#c09020',
      activeMatchBackground: '#b06a00',
      activeMatchBorder: colour('--tl-accent') || '#35c3a3',
      activeMatchColorOverviewRuler: '#ffb000',
    };
    const options = { ...rest, decorations };
    return backwards === true
      ? this.#search.findPrevious(text, options)
      : this.#search.findNext(text, { ...options, incremental: rest.incremental === true });
  }
  endFind(): void {
    this.#search.clearDecorations();
  }

  dispose(): void {
    for (const stop of this.#stop) stop();
    this.#terminal.dispose();
    this.host.remove();
  }

  #label(label: string): void {
    const observer = new MutationObserver(() => {
      this.host.querySelector('textarea')?.setAttribute('aria-label', label);
    });
    observer.observe(this.host, { childList: true, subtree: false });
    this.#stop.push(() => observer.disconnect());
  }

  /** Drawn by the graphics card where there is one; a context that is lost is given up, and the page draws. */
  #drawFast(): void {
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => webgl.dispose());
      this.#terminal.loadAddon(webgl);
    } catch {
      // No WebGL here: the page draws.
    }
  }

  #preferred() {
    const preferences = useKnown.getState().preferences;
    const scheme = document.documentElement.dataset['mantineColorScheme'] === 'light' ? 'light' : 'dark';
    return {
      fontSize: preferences.terminalFontSize,
      scrollback: preferences.terminalScrollback,
      screenReaderMode: preferences.terminalScreenReader,
      theme: themeOf(preferences.terminalTheme, scheme),
      cursorBlink: !preferences.reducedMotion,
    } as const;
  }

  #listen(events: ScreenEvents): void {
    const apply = () => {
      Object.assign(this.#terminal.options, this.#preferred());
      this.host.style.background = this.#terminal.options.theme?.background ?? '';
      if (this.#opened) this.fit();
    };
    apply();
    const scheme = new MutationObserver(apply);
    scheme.observe(document.documentElement, { attributeFilter: ['data-mantine-color-scheme'] });
    const resized = new ResizeObserver(() => requestAnimationFrame(() => this.fit()));
    resized.observe(this.host);
    const paste = (event: ClipboardEvent) => {
      event.preventDefault();
      event.stopPropagation();
      events.paste(event.clipboardData?.getData('text/plain') ?? '');
    };
    this.host.addEventListener('paste', paste, { capture: true });
    const menu = (event: MouseEvent) => {
      event.preventDefault();
      events.menu({ x: event.clientX, y: event.clientY });
    };
    this.host.addEventListener('contextmenu', menu);
    this.#stop.push(
      useKnown.subscribe((now, before) => {
        if (now.preferences !== before.preferences) apply();
      }),
      () => scheme.disconnect(),
      () => resized.disconnect(),
    );
  }
}
