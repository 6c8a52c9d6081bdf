import { durationText } from '../../../contract/measures.js';
import { Pace, Stopped } from '../data/pace.js';
import type { Row } from '../data/rows.js';
import { type Found, foundIn, search } from '../data/search.js';
import { eventSentence } from '../data/words.js';
import { Detail, type DetailActions } from './detail.js';
import { type Child, clockText, count, data, dayText, h, icon, replace } from './dom.js';
import { decisionMark } from './marks.js';
import type { Opened } from './opened.js';
import { VirtualList } from './virtual-list.js';

/** Which rows are listed: a word, and what a row has to be. */
const kinds = {
  all: 'All',
  statement: 'Statements',
  denied: 'Denied',
  held: 'Held',
  error: 'Errors',
  write: 'Writes',
  masked: 'Masked',
  event: 'Other events',
} as const;
type Kind = keyof typeof kinds;

const typingMs = 250;
const textCharacters = 300;
const filterSlice = 20_000;

/** Everything that was done, in the log's order: filters, search, and the detail of the row that is chosen. */
export class Timeline {
  readonly element: HTMLElement;
  readonly #opened: Opened;
  readonly #list: VirtualList;
  readonly #detail: Detail;
  readonly #input: HTMLInputElement;
  readonly #status = h('span', { class: 'dim status', role: 'status' });
  readonly #session: HTMLSelectElement;
  readonly #narrow = matchMedia('(max-width: 760px)');
  #kind: Kind = 'all';
  #rows: Uint32Array = new Uint32Array();
  #found: Found | undefined;
  #searching = new AbortController();
  #typing: ReturnType<typeof setTimeout> | undefined;
  readonly #severalDays: boolean;

  constructor(opened: Opened, actions: Pick<DetailActions, 'replay'>) {
    this.#opened = opened;
    const { index, bundle } = opened;
    const days = [index.order[0], index.order.at(-1)].map((row) =>
      dayText(row === undefined ? 0 : index.at(row) || 0),
    );
    this.#severalDays = days[0] !== days[1];
    this.#detail = new Detail(opened, { ...actions, close: () => this.#close() });
    this.#list = new VirtualList({
      label: 'Timeline',
      rowHeight: () => (this.#narrow.matches ? 50 : 28),
      render: (place, row) => this.#render(place, row),
      onChoose: (place) => void this.#show(place),
      onOpen: (place) => void this.#show(place),
      onKey: ({ key }) => key === 'Escape' && this.#close(),
    });
    this.#input = h('input', {
      type: 'search',
      placeholder: 'Search statements and results  ( / )',
      'aria-label': 'Search statements and results',
      autocomplete: 'off',
      spellcheck: 'false',
    });
    this.#input.addEventListener('input', () => this.#typed());
    this.#session = h(
      'select',
      { 'aria-label': 'Session' },
      h('option', { value: '' }, `All ${count(bundle.manifest.sessions.length, 'session')}`),
      bundle.manifest.sessions.map((session, number) =>
        h(
          'option',
          { value: String(number) },
          sessionText(session.startedAt, session.connection, session.chain.at(-1)?.name),
        ),
      ),
    );
    this.#session.addEventListener('change', () => void this.#filter());
    this.element = h(
      'div',
      { class: 'timeline' },
      h(
        'div',
        { class: 'tools noprint' },
        this.#kindChoice(),
        this.#session,
        h('span', { class: 'find' }, icon('search'), this.#input),
        this.#status,
      ),
      h('div', { class: 'split' }, this.#list.element, this.#detail.element),
    );
    void this.#filter();
  }

  focusSearch(): void {
    this.#input.focus();
    this.#input.select();
  }

  /** Lists one session's rows; undefined for all. */
  showSession(session: number | undefined): void {
    this.#session.value = session === undefined ? '' : String(session);
    void this.#filter();
  }

  #kindChoice(): HTMLElement {
    const choice = h('fieldset', { class: 'choice' }, h('legend', { class: 'hidden' }, 'Which rows'));
    for (const [kind, word] of Object.entries(kinds) as [Kind, string][]) {
      const input = h('input', { type: 'radio', name: 'kind', id: `kind-${kind}`, value: kind });
      input.checked = kind === this.#kind;
      input.addEventListener('change', () => {
        this.#kind = kind;
        void this.#filter();
      });
      choice.append(input, h('label', { for: `kind-${kind}` }, word));
    }
    return choice;
  }

  #typed(): void {
    clearTimeout(this.#typing);
    this.#searching.abort();
    this.#typing = setTimeout(() => void this.#search(), typingMs);
  }

  async #search(): Promise<void> {
    const text = this.#input.value.trim();
    this.#searching = new AbortController();
    this.#found = undefined;
    if (text === '') {
      await this.#filter();
      return;
    }
    const { bundle, index, projectOf } = this.#opened;
    const { signal } = this.#searching;
    let drawnMs = 0;
    try {
      await search(bundle, index, projectOf, text, new Pace(signal), (found, share) => {
        this.#found = found;
        if (share < 1 && performance.now() - drawnMs < typingMs) return;
        drawnMs = performance.now();
        void this.#filter(share);
      });
    } catch (cause) {
      if (!(cause instanceof Stopped)) throw cause;
    }
  }

  /** Makes the list anew; what was chosen stays chosen where it is still listed. */
  async #filter(searched = 1): Promise<void> {
    const { index } = this.#opened;
    const session = this.#session.value === '' ? undefined : Number(this.#session.value);
    const chosen = this.#list.chosen < 0 ? undefined : this.#rows[this.#list.chosen];
    const rows = new Uint32Array(index.length);
    let length = 0;
    const pace = new Pace();
    for (const [place, row] of index.order.entries()) {
      if (this.#isListed(row, session)) rows[length++] = row;
      if (place % filterSlice === 0) await pace.turn();
    }
    this.#rows = rows.subarray(0, length);
    this.#list.unchoose();
    this.#list.setCount(length);
    const again = chosen === undefined ? -1 : this.#rows.indexOf(chosen);
    if (again >= 0) this.#list.choose(again, false);
    this.#tell(searched);
  }

  #isListed(row: number, session: number | undefined): boolean {
    const { index } = this.#opened;
    if (session !== undefined && index.session(row) !== session) return false;
    if (this.#found !== undefined && this.#found.rows[row] === 0) return false;
    if (this.#kind === 'all') return true;
    if (this.#kind === 'event') return !index.has(row, 'statement');
    return index.has(row, this.#kind);
  }

  #tell(searched: number): void {
    const found = this.#found;
    const parts = [count(this.#rows.length, 'row')];
    if (found !== undefined && searched < 1) parts.push(`searching, ${Math.round(searched * 100)} %`);
    if (found !== undefined && searched === 1 && found.contentMissing > 0) {
      parts.push(`results of ${count(found.contentMissing, 'session')} are not here to be searched`);
    }
    this.#status.textContent = parts.join(' · ');
  }

  #render(place: number, element: HTMLElement): void {
    const row = this.#rows[place];
    if (row === undefined) return;
    const { index, rows, bundle } = this.#opened;
    const at = index.at(row);
    const session = bundle.manifest.sessions[index.session(row)];
    const when = Number.isNaN(at) ? '?' : `${this.#severalDays ? `${dayText(at)}, ` : ''}${clockText(at)}`;
    const text = h('span', { class: 'text' }, '…');
    const after = h('span', { class: 'after' });
    const statement = index.has(row, 'statement');
    element.dataset['kind'] = statement ? 'statement' : 'event';
    element.append(
      h('span', { class: 'when' }, when),
      h('span', { class: 'of' }, session === undefined ? '' : data(session.connection, 40)),
      statement
        ? h('span', { class: 'state' }, decisionMark(index.decision(row)))
        : h('span', { class: 'state dim' }, index.has(row, 'denied') ? 'refused' : 'event'),
      text,
      after,
    );
    void rows.read(row).then((read) => {
      replace(text, ...textOf(read));
      replace(after, ...this.#afterOf(row, read));
    });
  }

  #afterOf(row: number, { ended }: Row): Child[] {
    const where = this.#found?.rows[row] ?? 0;
    return [
      (where & foundIn.content) !== 0 && h('span', { class: 'in' }, 'in results'),
      this.#opened.index.has(row, 'error') && h('span', { class: 'bad' }, 'error'),
      ended?.rows !== undefined && h('span', {}, count(ended.rows, 'row')),
      ended !== undefined && h('span', { class: 'took' }, durationText(ended.durationUs / 1000)),
    ];
  }

  async #show(place: number): Promise<void> {
    const row = this.#rows[place];
    if (row === undefined) return;
    this.element.dataset['detail'] = '';
    await this.#detail.show(row);
  }

  #close(): boolean {
    if (this.#detail.element.hidden) return false;
    delete this.element.dataset['detail'];
    this.#detail.hide();
    this.#list.element.focus();
    return true;
  }

  /** What a printed page gets of it: rows as a plain table, as many as anybody would print. */
  async printable(rowsMax: number): Promise<HTMLElement> {
    const { index, rows, bundle } = this.#opened;
    const listed = this.#rows.subarray(0, rowsMax);
    const body = h('tbody');
    for (const row of listed) {
      const read = await rows.read(row);
      const { ended } = read;
      const session = bundle.manifest.sessions[index.session(row)];
      body.append(
        h(
          'tr',
          {},
          h(
            'td',
            {},
            Number.isNaN(index.at(row)) ? '?' : new Date(index.at(row)).toISOString().replace('T', ' '),
          ),
          h('td', {}, session === undefined ? '' : data(session.connection, 40)),
          h('td', {}, index.has(row, 'statement') ? decisionMark(index.decision(row)) : 'event'),
          h('td', { class: 'text' }, ...textOf(read, 2000)),
          h('td', {}, ended?.rows === undefined ? '' : ended.rows.toLocaleString()),
          h('td', {}, read.events.map((each) => each.index).join(', ')),
        ),
      );
    }
    const left = this.#rows.length - listed.length;
    const names = ['Time (UTC)', 'Connection', 'Decision', 'Statement or event', 'Rows', 'Log entries'];
    return h(
      'section',
      { class: 'printed' },
      h('h2', {}, 'Timeline'),
      left > 0 &&
        h(
          'p',
          {},
          `The first ${count(listed.length, 'row')}; ${left.toLocaleString()} more are not printed.`,
        ),
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            names.map((name) => h('th', { scope: 'col' }, name)),
          ),
        ),
        body,
      ),
    );
  }
}

function textOf({ decided, events }: Row, charactersMax = textCharacters): Child[] {
  const last = decided.at(-1);
  if (last !== undefined) return [h('code', {}, data(last.payload.text, charactersMax))];
  const [read] = events;
  if (read?.event !== undefined) return [data(eventSentence(read.event), charactersMax)];
  return [h('span', { class: 'bad' }, 'not an event that this page knows')];
}

/** One option of the list of sessions. Names are cut: a list is no place for a megabyte. */
function sessionText(startedAt: string, connection: string, actor: string | undefined): string {
  const atMs = Date.parse(startedAt);
  const when = Number.isNaN(atMs) ? '' : `${dayText(atMs)}, ${clockText(atMs)}`;
  return `${connection.slice(0, 40)} · ${(actor ?? '').slice(0, 40)} · ${when}`;
}
