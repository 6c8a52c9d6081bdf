import type { SessionView } from '../../../contract/api.js';
import type { AuditEvent } from '../../../contract/events.js';
import { bundlePaths } from '../../../contract/evidence.js';
import { bytesText, durationText } from '../../../contract/measures.js';
import { ContentFile } from '../data/content-file.js';
import { ItemStore } from '../data/item-store.js';
import { Pace, Stopped } from '../data/pace.js';
import { policyParts } from '../data/policy-text.js';
import type { Decided, Row } from '../data/rows.js';
import { eventSentence } from '../data/words.js';
import { button, type Child, count, data, h, icon, longText, replace, time, utcText } from './dom.js';
import { ItemsView } from './items.js';
import { line } from './line.js';
import { decisionMark, value } from './marks.js';
import type { Opened } from './opened.js';

const parametersShown = 500;
const policiesShown = 50;
const redrawMs = 250;

export interface DetailActions {
  readonly close: () => void;
  readonly replay: (session: number, seq: number) => void;
}

/** Everything that the bundle says of one row of the timeline. */
export class Detail {
  readonly element = h('section', { class: 'detail', 'aria-label': 'Detail', hidden: true });
  readonly #opened: Opened;
  readonly #actions: DetailActions;
  #leaving = new AbortController();

  constructor(opened: Opened, actions: DetailActions) {
    this.#opened = opened;
    this.#actions = actions;
  }

  async show(number: number): Promise<void> {
    this.#leaving.abort();
    this.#leaving = new AbortController();
    const { signal } = this.#leaving;
    const { rows, index, bundle } = this.#opened;
    const row = await rows.read(number);
    if (signal.aborted) return;
    const session = bundle.manifest.sessions[index.session(number)];
    this.element.hidden = false;
    const last = row.decided.at(-1);
    if (last === undefined || session === undefined) replace(this.element, this.#ofEvent(row, session));
    else {
      const results = h('div', { class: 'results' });
      replace(this.element, this.#ofStatement(row, last, session), results);
      await this.#results(row, last, session, results, signal);
    }
  }

  hide(): void {
    this.#leaving.abort();
    this.element.hidden = true;
    this.element.replaceChildren();
  }

  #bar(title: Child, ...more: readonly Child[]): HTMLElement {
    const close = button([icon('close'), 'Close'], this.#actions.close, { class: 'plain' });
    return h('div', { class: 'bar' }, h('h2', {}, title), more, close);
  }

  #ofEvent(row: Row, session: SessionView | undefined): Child {
    const [read] = row.events;
    const event = read?.event;
    return [
      this.#bar(event === undefined ? 'An event that this page does not know' : event.kind),
      event !== undefined && h('p', {}, data(eventSentence(event), 2000)),
      session !== undefined && line(session.chain, session.connection),
      h('dl', { class: 'facts' }, event !== undefined && fact('when', both(event.at)), this.#proofOf(row)),
      h('h3', {}, 'As the bundle has it'),
      longText(read === undefined ? '' : indented(read.json)),
    ];
  }

  #ofStatement(row: Row, last: Decided, session: SessionView): Child {
    const { text, parameters, message } = last.payload;
    const play = button([icon('play'), 'Replay from here'], () => {
      this.#actions.replay(this.#opened.bundle.manifest.sessions.indexOf(session), last.seq);
    });
    const shown = this.#opened.index.decision(row.row);
    return [
      this.#bar([`Statement ${last.seq.toLocaleString()} `, decisionMark(shown)], play),
      line(session.chain, session.connection),
      longText(text),
      parameters !== undefined &&
        parameters.length > 0 && [h('h3', {}, 'Parameters'), parameterList(parameters)],
      message !== undefined && h('p', { class: 'message' }, data(message, 2000)),
      h(
        'dl',
        { class: 'facts' },
        row.decided.map((each) => fact(eachWord(each, row.decided.length), both(each.at))),
        this.#outcome(row, last.decision === 'allowed' || last.decision === 'approved'),
        fact('command', [data(last.command, 100), ' (', data(last.action, 60), ')']),
        fact('session', data(session.id, 60)),
        this.#proofOf(row),
      ),
      this.#grounds(row.decided),
    ];
  }

  #outcome({ ended }: Row, ran: boolean): Child {
    if (ended === undefined)
      return fact('outcome', ran ? 'none: it was still running' : 'not sent to the target');
    const error = ended.payload?.error ?? ended.error?.code;
    return [
      fact('outcome', [
        error === undefined
          ? data(ended.payload?.tag ?? ended.state, 200)
          : h('span', { class: 'bad' }, data(error, 2000)),
      ]),
      fact('took', durationText(ended.durationUs / 1000)),
      ended.rows !== undefined && fact('rows', ended.rows.toLocaleString()),
      fact('came back', bytesText(ended.bytes)),
      ended.maskedValues > 0 && fact('masked', count(ended.maskedValues, 'value')),
      ended.rest !== undefined &&
        fact(
          'not kept',
          `${bytesText(ended.rest.bytes)}, past the connection’s cap: their hash is in the log`,
        ),
    ];
  }

  #proofOf(row: Row): Child {
    const places = row.events.map(({ index }) => (Number.isNaN(index) ? '?' : index.toLocaleString()));
    const what = places.length === 1 ? 'entry' : 'entries';
    return fact('proof', [`${what} ${places.join(', ')} of the audit log; `, this.#opened.check.sentence()]);
  }

  /** The policies that decided, in the text of the version that was in force. */
  #grounds(decided: readonly Decided[]): Child {
    const seen = new Map<string, Set<string>>();
    for (const { policy, policyVersion } of decided) {
      const names = seen.get(policyVersion) ?? new Set();
      for (const name of policy.slice(0, policiesShown)) names.add(name);
      seen.set(policyVersion, names);
    }
    return [...seen].map(([version, names]) => {
      const named = [...names].map((name, index) => [index > 0 && ', ', h('b', {}, data(name, 120))]);
      const by = names.size === 0 ? 'no policy permitted it' : ['decided by ', named];
      const body = h('div', {});
      const details = h(
        'details',
        { class: 'policy' },
        h('summary', {}, 'Policy: ', by, h('span', { class: 'dim' }, ' · version ', data(version, 40))),
        body,
      );
      const open = async (): Promise<void> => {
        if (!details.open || body.hasChildNodes()) return;
        body.append('…');
        replace(body, await this.#policyText(version, names));
      };
      details.addEventListener('toggle', () => void open());
      return details;
    });
  }

  async #policyText(version: string, names: ReadonlySet<string>): Promise<Child> {
    const file = await this.#opened.bundle.file(bundlePaths.policy(version));
    if (file === undefined)
      return h('p', { class: 'dim' }, 'The text of this version is not in this copy of the bundle.');
    const parts = policyParts(await file.text());
    return parts
      .filter(({ text }) => text.trim() !== '')
      .map(({ text, id }) => {
        const decided = id !== undefined && names.has(id);
        const pre = longText(text.replace(/^\n+/, ''));
        if (!decided) return pre;
        return h(
          'div',
          { class: 'decided' },
          h('p', { class: 'tag' }, icon('check'), 'This policy decided'),
          pre,
        );
      });
  }

  async #results(
    row: Row,
    last: Decided,
    session: SessionView,
    into: HTMLElement,
    signal: AbortSignal,
  ): Promise<void> {
    const { bundle, projectOf } = this.#opened;
    const file = await bundle.file(bundlePaths.content(session.id));
    const project = projectOf(session.protocol);
    const expected = (row.ended?.bytes ?? 0) > 0;
    if (file === undefined || project === undefined) {
      if (!expected) return;
      const why =
        file === undefined
          ? this.#opened.whyMissing(session)
          : 'This page cannot read this protocol’s results.';
      replace(into, h('p', { class: 'dim' }, why));
      return;
    }
    const store = new ItemStore();
    const view = new ItemsView(store, `What statement ${last.seq} returned`);
    const title = h('h3', {}, 'What came back');
    const status = h('span', { class: 'dim', role: 'status' });
    let shown = 0;
    const draw = (): void => {
      if (store.length > 0 && shown === 0)
        replace(into, h('div', { class: 'bar' }, title, status), view.list.element);
      shown = store.length;
      view.show(0, store.length);
      view.list.element.style.height = `${Math.min(420, (store.length + 1) * 24 + 18)}px`;
      status.textContent = `${store.length.toLocaleString()} lines so far`;
    };
    const timer = setInterval(draw, redrawMs);
    try {
      const content = this.#opened.content(
        session,
        () => new ContentFile(file, Date.parse(session.startedAt), project),
      );
      await content.statement(last.seq, store, new Pace(signal));
      draw();
      status.textContent = count(
        store.columns.reduce((sum, { rows }) => sum + rows, 0),
        'row',
      );
    } catch (cause) {
      if (!(cause instanceof Stopped)) throw cause;
    } finally {
      clearInterval(timer);
    }
  }
}

const fact = (name: string, content: Child): Child => [h('dt', {}, name), h('dd', {}, content)];
const both = (at: string): Child => [time(at), h('span', { class: 'dim' }, ` · ${utcText(at.slice(0, 40))}`)];

function eachWord({ decision }: Decided, of: number): string {
  return of === 1 ? 'decided' : decision === 'held' ? 'held' : `then ${decision}`;
}

function parameterList(parameters: readonly (string | null)[]): HTMLElement {
  return h(
    'ol',
    { class: 'parameters' },
    parameters.slice(0, parametersShown).map((each) => h('li', {}, value(each))),
    parameters.length > parametersShown && h('li', {}, `${parameters.length - parametersShown} more`),
  );
}

function indented(json: string): string {
  try {
    return JSON.stringify((JSON.parse(json) as { event?: AuditEvent }).event, undefined, 2);
  } catch {
    return json;
  }
}
