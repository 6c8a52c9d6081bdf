import { button, type Child, h, icon } from './dom.js';
import { header } from './header.js';
import type { Opened } from './opened.js';
import { proofPanel } from './proof.js';
import { ReplayView } from './replay.js';
import { summaryPanel } from './summary.js';
import { Timeline } from './timeline.js';
import { treePanel } from './tree.js';

const tabs = { overview: 'Overview', timeline: 'Timeline', replay: 'Replay' } as const;
type Tab = keyof typeof tabs;

const printedRowsMax = 5000;

/** The page of a bundle that is open. */
export class Shell {
  readonly element: HTMLElement;
  readonly #timeline: Timeline;
  readonly #replay: ReplayView;
  readonly #tabs = new Map<Tab, { readonly tab: HTMLButtonElement; readonly panel: HTMLElement }>();
  readonly #printed = h('div', { class: 'print-only' });
  readonly #leaving = new AbortController();

  constructor(opened: Opened, openAnother: Child) {
    const { bundle, check } = opened;
    const toTimeline = (session: number): void => {
      this.#timeline.showSession(session);
      this.#select('timeline');
    };
    this.#replay = new ReplayView(opened);
    this.#timeline = new Timeline(opened, {
      replay: (session, seq) => {
        this.#select('replay');
        void this.#replay.show(session, seq);
      },
    });
    const overview = h(
      'div',
      { class: 'overview' },
      h('div', { class: 'columns' }, proofPanel(check), summaryPanel(opened, toTimeline)),
      treePanel(opened, toTimeline),
    );
    const panels = { overview, timeline: this.#timeline.element, replay: this.#replay.element };
    const print = button('Print', () => void this.#print(), { class: 'plain' });
    this.element = h(
      'div',
      { class: 'shell' },
      header(bundle.manifest, check, () => this.#select('overview'), print, openAnother),
      this.#tabList(panels),
      h(
        'main',
        {},
        [...this.#tabs.values()].map(({ panel }) => panel),
      ),
      this.#printed,
    );
    this.#select('overview');
    document.addEventListener('keydown', (event) => this.#key(event), { signal: this.#leaving.signal });
  }

  /** The bundle is closed: nothing of it goes on. */
  close(): void {
    this.#leaving.abort();
    this.#replay.stop();
    this.element.remove();
  }

  #tabList(panels: Readonly<Record<Tab, HTMLElement>>): HTMLElement {
    const list = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Parts of the bundle' });
    for (const [name, word] of Object.entries(tabs) as [Tab, string][]) {
      const tab = button(word, () => this.#select(name), {
        role: 'tab',
        id: `tab-${name}`,
        'aria-controls': `panel-${name}`,
      });
      const panel = h(
        'div',
        { role: 'tabpanel', id: `panel-${name}`, class: 'panel-of', 'aria-labelledby': `tab-${name}` },
        panels[name],
      );
      this.#tabs.set(name, { tab, panel });
      list.append(tab);
    }
    list.addEventListener('keydown', ({ key }) => {
      const names = [...this.#tabs.keys()];
      const at = names.findIndex((name) => this.#tabs.get(name)?.tab === document.activeElement);
      const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
      const next = by === undefined || at < 0 ? undefined : names[(at + by + names.length) % names.length];
      if (next === undefined) return;
      this.#select(next);
      this.#tabs.get(next)?.tab.focus();
    });
    return h('nav', { class: 'noprint', 'aria-label': 'Bundle' }, list);
  }

  #select(chosen: Tab): void {
    for (const [name, { tab, panel }] of this.#tabs) {
      const selected = name === chosen;
      tab.setAttribute('aria-selected', String(selected));
      tab.tabIndex = selected ? 0 : -1;
      panel.hidden = !selected;
    }
    if (chosen === 'replay') this.#replay.begin();
    else this.#replay.stop();
  }

  #key(event: KeyboardEvent): void {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target instanceof HTMLInputElement && target.type !== 'radio' && target.type !== 'range') return;
    if (target instanceof HTMLSelectElement || document.querySelector('dialog[open]') !== null) return;
    if (event.key !== '/') return;
    event.preventDefault();
    this.#select('timeline');
    this.#timeline.focusSearch();
  }

  /** Makes the rows that a printed page shows, then prints. */
  async #print(): Promise<void> {
    this.#printed.replaceChildren(await this.#timeline.printable(printedRowsMax));
    window.print();
  }
}

export const openAnotherLabel = (): Child => [icon('file'), 'Open another bundle'];
