import type { SessionView } from '../../../contract/api.js';
import { durationText } from '../../../contract/measures.js';
import { lastAtOrBefore, type Timeline, timeline } from '../../../contract/replay-time.js';
import { terminalOf } from '../../../contract/terminal-replay.js';
import { Pace, Stopped } from '../data/pace.js';
import { type ReplayOfSession, type ReplayStatement, readReplay } from '../data/replay-session.js';
import { button, data, h, icon, longText, replace } from './dom.js';
import { ItemsView } from './items.js';
import { line } from './line.js';
import { decisionMark } from './marks.js';
import type { Opened } from './opened.js';
import { TerminalView } from './terminal.js';

const speeds = [0.5, 1, 2, 5, 10, 50];
const tickMs = 50;
const positions = 10_000;
const marksMax = 1000;

/** Plays a session: what stood on the client's screen at each moment of it. */
export class ReplayView {
  readonly element = h('section', { class: 'replay', 'aria-label': 'Replay' });
  readonly #opened: Opened;
  readonly #stage = h('div', { class: 'stage' });
  readonly #session: HTMLSelectElement;
  #leaving = new AbortController();
  #playing: Playing | undefined;

  constructor(opened: Opened) {
    this.#opened = opened;
    const { sessions } = opened.bundle.manifest;
    this.#session = h(
      'select',
      { 'aria-label': 'Session' },
      sessions.map((session, number) => h('option', { value: String(number) }, optionText(session))),
    );
    this.#session.addEventListener('change', () => void this.show(Number(this.#session.value), undefined));
    this.element.append(h('div', { class: 'tools' }, this.#session), this.#stage);
    this.element.addEventListener('keydown', (event) => this.#key(event));
    if (sessions.length === 0)
      replace(this.#stage, h('p', { class: 'dim' }, 'There is no session in this bundle.'));
  }

  /** Opens a session, at one of its statements where one is named. */
  async show(number: number, seq: number | undefined): Promise<void> {
    const session = this.#opened.bundle.manifest.sessions[number];
    if (session === undefined) return;
    this.#leaving.abort();
    this.#playing?.stop();
    this.#playing = undefined;
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    this.#session.value = String(number);
    const { bundle, projectOf } = this.#opened;
    const project = projectOf(session.protocol);
    if (project === undefined) {
      replace(this.#stage, h('p', { class: 'dim' }, 'This page cannot read this protocol’s recording.'));
      return;
    }
    replace(this.#stage, h('p', { class: 'dim', role: 'status' }, 'Reading the recording …'));
    try {
      const replay = await readReplay(bundle, session, project, new Pace(signal));
      if (signal.aborted) return;
      if (replay.statements.length === 0) {
        replace(
          this.#stage,
          line(session.chain, session.connection),
          h('p', { class: 'dim' }, 'No statement ran in this session.'),
        );
        return;
      }
      const missing =
        replay.contentMissing && session.statements > 0 ? this.#opened.whyMissing(session) : undefined;
      this.#playing = new Playing(session, replay, seq);
      replace(
        this.#stage,
        missing !== undefined && h('p', { class: 'part' }, icon('partly'), ` ${missing}`),
        this.#playing.element,
      );
    } catch (cause) {
      if (!(cause instanceof Stopped)) throw cause;
    }
  }

  /** Opens the first session when nothing is open yet. */
  begin(): void {
    if (this.#playing === undefined && this.#stage.childElementCount === 0) void this.show(0, undefined);
  }

  stop(): void {
    this.#playing?.stop();
  }

  #key(event: KeyboardEvent): void {
    const { target, key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || this.#playing === undefined) return;
    // A field, and a button that Space presses, keep their keys.
    const own = target instanceof HTMLSelectElement || target instanceof HTMLButtonElement;
    const range = target instanceof HTMLInputElement;
    if (key === ' ' && !own && !(range && target.type === 'checkbox')) this.#playing.toggle();
    else if (key === 'ArrowRight' && !own && !range) this.#playing.step(1);
    else if (key === 'ArrowLeft' && !own && !range) this.#playing.step(-1);
    else return;
    event.preventDefault();
  }
}

const optionText = ({ connection, startedAt, chain }: SessionView): string =>
  `${connection.slice(0, 40)} · ${(chain.at(-1)?.name ?? '').slice(0, 40)} · ${startedAt.slice(0, 19).replace('T', ' ')} UTC`;

/** The terminals of a session: the one that a moment belongs to is shown. */
class TerminalViews {
  readonly element = h('div', { class: 'terminals', hidden: true });
  readonly #replay: ReplayOfSession;
  readonly #views = new Map<number, TerminalView>();

  constructor(replay: ReplayOfSession) {
    this.#replay = replay;
  }

  /** False where the statement belongs to no terminal. */
  show(statement: ReplayStatement, atMs: number): boolean {
    const { items, terminals } = this.#replay;
    const found = terminalOf(terminals.found, statement);
    this.element.hidden = found === undefined;
    if (found === undefined) return false;
    const view = this.#views.get(found.seq) ?? new TerminalView(items, found);
    this.#views.set(found.seq, view);
    if (this.element.firstChild !== view.element) this.element.replaceChildren(view.element);
    view.show(items.countUntil(0, items.length, atMs));
    return true;
  }
}

/** One session that is played. */
class Playing {
  readonly element: HTMLElement;
  readonly #replay: ReplayOfSession;
  readonly #times: readonly number[];
  /** A held one is decided twice, and is one. */
  readonly #statements: number;
  readonly #view: ItemsView;
  readonly #terminals: TerminalViews;
  readonly #now = h('div', { class: 'now' });
  readonly #clock = h('span', { class: 'clock' });
  readonly #marks = h('div', { class: 'marks', 'aria-hidden': 'true' });
  readonly #range: HTMLInputElement;
  readonly #play: HTMLButtonElement;
  #line: Timeline;
  #atMs: number;
  #speed = 1;
  #timer: ReturnType<typeof setInterval> | undefined;
  #shown = -1;

  constructor(session: SessionView, replay: ReplayOfSession, seq: number | undefined) {
    this.#replay = replay;
    this.#times = replay.statements.map(({ atMs }) => atMs);
    this.#statements = new Set(replay.statements.map((each) => each.seq)).size;
    this.#line = this.#timeline(true);
    this.#terminals = new TerminalViews(replay);
    this.#view = new ItemsView(replay.items, 'What the client saw');
    this.#range = h('input', { type: 'range', min: 0, max: positions, 'aria-label': 'Position' });
    this.#range.addEventListener('input', () => {
      this.#seek(this.#line.toSession((Number(this.#range.value) / positions) * this.#line.lengthMs));
    });
    this.#play = button('', () => this.toggle(), { class: 'primary' });
    this.element = h(
      'div',
      { class: 'playing' },
      line(session.chain, session.connection),
      this.#now,
      this.#view.list.element,
      this.#terminals.element,
      this.#bar(),
    );
    this.#drawMarks();
    this.#drawPlay();
    this.#atMs = replay.durationMs;
    const chosen = replay.statements.findIndex((each) => each.seq === seq);
    this.#seek(this.#endOf(Math.max(0, chosen)));
  }

  #timeline(skipIdle: boolean): Timeline {
    const { durationMs, terminals } = this.#replay;
    return timeline([...this.#times, ...terminals.activityMs], durationMs, skipIdle);
  }

  toggle(): void {
    if (this.#timer !== undefined) {
      this.stop();
      return;
    }
    if (this.#line.toPlay(this.#atMs) >= this.#line.lengthMs) this.#seek(0);
    let lastMs = performance.now();
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      const play = this.#line.toPlay(this.#atMs) + (nowMs - lastMs) * this.#speed;
      lastMs = nowMs;
      this.#seek(this.#line.toSession(play));
      if (play >= this.#line.lengthMs) this.stop();
    }, tickMs);
    this.#drawPlay();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#drawPlay();
  }

  step(by: number): void {
    const { statements } = this.#replay;
    const next = Math.min(Math.max(this.#index() + by, 0), statements.length - 1);
    this.#seek(this.#endOf(next));
  }

  #index(): number {
    return Math.max(0, lastAtOrBefore(this.#times, this.#atMs));
  }

  /** When all of a statement's results had come: when the next one began. */
  #endOf(index: number): number {
    const at = this.#times[index] ?? 0;
    return Math.max(at, (this.#times[index + 1] ?? this.#replay.durationMs + 1) - 1);
  }

  #bar(): HTMLElement {
    const speed = h(
      'select',
      { 'aria-label': 'Speed' },
      speeds.map((each) => h('option', { value: String(each), selected: each === 1 }, `${each} ×`)),
    );
    speed.addEventListener('change', () => {
      this.#speed = Number(speed.value);
    });
    const skip = h('input', { type: 'checkbox', id: 'skip-idle', checked: true });
    skip.addEventListener('change', () => {
      this.#line = this.#timeline(skip.checked);
      this.#drawMarks();
      this.#seek(this.#atMs);
    });
    return h(
      'div',
      { class: 'transport' },
      this.#play,
      button(icon('up'), () => this.step(-1), { class: 'plain', 'aria-label': 'Statement before' }),
      button(icon('down'), () => this.step(1), { class: 'plain', 'aria-label': 'Next statement' }),
      this.#clock,
      h('div', { class: 'track' }, this.#marks, this.#range),
      speed,
      h('span', { class: 'skip' }, skip, h('label', { for: 'skip-idle' }, 'Skip idle')),
    );
  }

  #drawPlay(): void {
    const playing = this.#timer !== undefined;
    replace(this.#play, icon(playing ? 'pause' : 'play'), playing ? 'Pause' : 'Play');
  }

  /** A mark for every statement; where there is no room for each, what was not allowed stands before what was. */
  #drawMarks(): void {
    const places = new Map<number, boolean>();
    for (const { atMs, bad } of this.#replay.statements) {
      const place = Math.round((this.#line.toPlay(atMs) / Math.max(1, this.#line.lengthMs)) * marksMax);
      places.set(place, bad || places.get(place) === true);
    }
    this.#marks.replaceChildren(
      ...[...places].map(([place, bad]) => {
        const mark = h('span', bad ? { class: 'bad' } : {});
        mark.style.left = `${(place / marksMax) * 100}%`;
        return mark;
      }),
    );
  }

  #seek(sessionMs: number): void {
    const { durationMs, statements, items } = this.#replay;
    this.#atMs = Math.min(Math.max(sessionMs, 0), durationMs);
    const index = this.#index();
    const current = statements[index];
    if (current === undefined) return;
    const begun = this.#atMs >= current.atMs;
    const end = statements[index + 1]?.item ?? items.length;
    const first = Math.min(current.item + 1, end);
    const isTerminal = this.#terminals.show(current, this.#atMs);
    this.#view.list.element.hidden = isTerminal;
    if (!isTerminal) this.#view.show(first, begun ? first + items.countUntil(first, end, this.#atMs) : first);
    const share = this.#line.toPlay(this.#atMs) / Math.max(1, this.#line.lengthMs);
    this.#range.value = String(Math.round(share * positions));
    const clock = `${durationText(this.#atMs)} of ${durationText(durationMs)}`;
    this.#range.setAttribute('aria-valuetext', clock);
    this.#clock.textContent = clock;
    if (index !== this.#shown) {
      this.#shown = index;
      void this.#showStatement(index);
    }
  }

  async #showStatement(index: number): Promise<void> {
    const { statements, items } = this.#replay;
    const current = statements[index];
    if (current === undefined) return;
    const [item] = await items.range(current.item, current.item + 1);
    if (index !== this.#shown || item?.kind !== 'statement') return;
    replace(
      this.#now,
      h(
        'div',
        { class: 'bar' },
        h(
          'h2',
          {},
          `Statement ${current.seq.toLocaleString()} `,
          h('span', { class: 'dim' }, `of ${this.#statements.toLocaleString()}`),
        ),
        decisionMark(item.decision),
      ),
      longText(item.text),
      item.message !== undefined && h('p', { class: 'message' }, data(item.message, 2000)),
    );
  }
}
