import { chainTree, opensAtFirst, type TreeNode, visibleNodes } from '../data/chain-tree.js';
import { assuranceWords, endWords, hopWords } from '../data/words.js';
import { count, data, h, icon, setAttribute } from './dom.js';
import { hopMark } from './line.js';
import { corroborationMark } from './marks.js';
import type { Opened } from './opened.js';
import { VirtualList } from './virtual-list.js';

const rowHeight = 32;
const heightMax = 460;
const indentPixels = 22;
const levelsIndented = 12;

/** Who acted for whom: person, agents, processes, sessions. Left and right close and open. */
export function treePanel({ bundle, index }: Opened, onSession: (session: number) => void): HTMLElement {
  const { sessions } = bundle.manifest;
  const roots = chainTree(sessions, index.bySession);
  const changed = new Set<TreeNode>();
  const isOpen = (node: TreeNode): boolean => opensAtFirst(node) !== changed.has(node);
  let nodes = visibleNodes(roots, isOpen);

  const toggle = (node: TreeNode): void => {
    if (!changed.delete(node)) changed.add(node);
    nodes = visibleNodes(roots, isOpen);
    list.setCount(nodes.length);
    size();
  };
  const size = (): void => {
    list.element.style.height = `${Math.min(heightMax, nodes.length * rowHeight + 2)}px`;
  };
  const list = new VirtualList({
    label: 'Who acted for whom',
    role: 'tree',
    rowHeight: () => rowHeight,
    render: (number, row) => {
      const node = nodes[number];
      if (node === undefined) return;
      setAttribute(row, 'aria-level', node.level);
      row.style.paddingLeft = `${8 + Math.min(node.level - 1, levelsIndented) * indentPixels}px`;
      const open = isOpen(node);
      if (node.children.length > 0) setAttribute(row, 'aria-expanded', open ? 'true' : 'false');
      const twist = h('span', { class: 'twist' }, node.children.length > 0 && icon(open ? 'down' : 'right'));
      if (node.children.length > 0) twist.addEventListener('click', () => toggle(node));
      row.append(twist, ...contentOf(node));
    },
    onOpen: (number) => {
      const node = nodes[number];
      if (node?.session !== undefined) onSession(node.session);
      else if (node !== undefined) toggle(node);
    },
    onKey: ({ key }, number) => {
      const node = nodes[number];
      if (node === undefined) return false;
      const open = node.children.length > 0 && isOpen(node);
      if (key === 'ArrowRight' && node.children.length > 0 && !open) toggle(node);
      else if (key === 'ArrowRight' && open) list.choose(number + 1);
      else if (key === 'ArrowLeft' && open) toggle(node);
      else if (key === 'ArrowLeft' && node.parent !== undefined) list.choose(nodes.indexOf(node.parent));
      else return false;
      return true;
    },
  });

  const contentOf = (node: TreeNode): Element[] => {
    const { hop, session } = node;
    const counts = h(
      'span',
      { class: 'meta' },
      h('span', {}, count(node.statements, 'statement')),
      node.denied > 0 && h('span', { class: 'bad' }, `${node.denied.toLocaleString()} denied`),
    );
    if (hop !== undefined) {
      const { word } = assuranceWords[hop.assurance];
      const said = h(
        'span',
        { class: 'dim' },
        `${hopWords[hop.kind]}, ${word} · ${count(node.sessions, 'session')}`,
      );
      return [
        h('span', { class: 'link', 'data-assurance': hop.assurance, 'aria-hidden': 'true' }),
        hopMark(hop),
        h('span', { class: 'grow' }, said),
        counts,
      ];
    }
    const view = session === undefined ? undefined : sessions[session];
    if (view === undefined) return [];
    const end = view.endCause === undefined ? 'still running' : endWords[view.endCause];
    return [
      icon('database'),
      h(
        'span',
        { class: 'grow' },
        data(view.connection, 80),
        h('span', { class: 'dim' }, ' ', end, ' · ', data(view.id, 40)),
      ),
      counts,
      corroborationMark(view.corroboration),
    ];
  };

  list.element.classList.add('tree');
  list.setCount(nodes.length);
  size();
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'tree-title' },
    h('h2', { id: 'tree-title' }, 'Who acted for whom'),
    legend(),
    nodes.length === 0 ? h('p', { class: 'dim' }, 'Nobody acted.') : list.element,
  );
}

/** The forms of the lines in words. */
function legend(): HTMLElement {
  return h(
    'ul',
    { class: 'legend', 'aria-label': 'How each hop is known' },
    (Object.keys(assuranceWords) as (keyof typeof assuranceWords)[]).map((name) =>
      h(
        'li',
        {},
        h('span', { class: 'link', 'data-assurance': name, 'aria-hidden': 'true' }),
        assuranceWords[name].how,
      ),
    ),
  );
}
