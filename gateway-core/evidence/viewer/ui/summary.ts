import { actorsIn } from '../data/chain-tree.js';
import { type Child, clockText, count, dayText, h } from './dom.js';
import { line } from './line.js';
import { corroborationMark } from './marks.js';
import type { Opened } from './opened.js';
import { VirtualList } from './virtual-list.js';

const rowHeight = 56;
const sessionsHeightMax = 340;

/** How much was done, and every session in one list. */
export function summaryPanel(opened: Opened, onSession: (session: number) => void): HTMLElement {
  const { bundle, index } = opened;
  const { sessions, deleted } = bundle.manifest;
  const { totals } = index;
  const { people, workloads, agents } = actorsIn(sessions);
  const facts: [number, string, string?][] = [
    [sessions.length, 'session'],
    [people, 'person', 'people'],
    ...(workloads > 0 ? [[workloads, 'workload'] as [number, string]] : []),
    [agents, 'agent'],
    [totals.statements, 'statement'],
    [totals.denied, 'denied', 'denied'],
    [totals.errors, 'error'],
    [totals.rows, 'row'],
    [totals.masked, 'masked value'],
  ];
  return h(
    'section',
    { class: 'panel summary', 'aria-labelledby': 'summary-title' },
    h('h2', { id: 'summary-title' }, 'Summary'),
    h(
      'dl',
      { class: 'numbers' },
      facts.map(([value, one, many]) =>
        h(
          'div',
          {},
          h('dt', {}, value === 1 ? one : (many ?? `${one}s`)),
          h('dd', {}, value.toLocaleString()),
        ),
      ),
    ),
    index.problems.length > 0 &&
      h(
        'ul',
        { class: 'bad' },
        index.problems.slice(0, 50).map((each) => h('li', {}, each)),
      ),
    deleted.length > 0 &&
      h(
        'p',
        { class: 'part' },
        `Retention had deleted recordings before this was exported: ${count(
          deleted.filter(({ what }) => what === 'whole').length,
          'session',
        )} wholly, ${count(deleted.filter(({ what }) => what === 'beginning').length, 'session')} in the beginning.`,
      ),
    h('h3', {}, 'Sessions'),
    sessionList(opened, onSession),
  );
}

function sessionList({ bundle, index }: Opened, onSession: (session: number) => void): Child {
  const { sessions } = bundle.manifest;
  if (sessions.length === 0) return h('p', { class: 'dim' }, 'There is no session in this bundle.');
  const list = new VirtualList({
    label: 'Sessions',
    rowHeight: () => rowHeight,
    render: (number, row) => {
      const session = sessions[number];
      if (session === undefined) return;
      const { denied = 0 } = index.bySession[number] ?? {};
      row.append(
        h('span', { class: 'grow' }, line(session.chain, session.connection)),
        h(
          'span',
          { class: 'meta' },
          h('span', { class: 'when' }, whenText(session.startedAt)),
          h('span', {}, count(session.statements, 'statement')),
          denied > 0 && h('span', { class: 'bad' }, `${denied.toLocaleString()} denied`),
          corroborationMark(session.corroboration),
        ),
      );
    },
    onOpen: onSession,
  });
  list.element.classList.add('sessions');
  list.setCount(sessions.length);
  list.element.style.height = `${Math.min(sessionsHeightMax, sessions.length * rowHeight + 2)}px`;
  return [
    list.element,
    h('p', { class: 'dim small noprint' }, 'Enter or a double click shows a session’s timeline.'),
  ];
}

const whenText = (at: string): string => {
  const atMs = Date.parse(at);
  return `${dayText(atMs)}, ${clockText(atMs)}`;
};
