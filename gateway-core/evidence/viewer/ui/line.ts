import type { Assurance, Hop } from '../../../contract/chain.js';
import { assuranceWords, hopWords } from '../data/words.js';
import { data, h, icon } from './dom.js';

/** Hops of one line; a chain of a gateway is never as long. */
const hopsShown = 12;
const nameCharacters = 80;

/** One hop: what it is, its name, and how it is known as the form of its border. */
export function hopMark(hop: Hop): HTMLElement {
  const { how } = assuranceWords[hop.assurance];
  return h(
    'span',
    { class: 'hop', 'data-assurance': hop.assurance, title: `${hopWords[hop.kind]} ${hop.name}: ${how}` },
    icon(hop.kind),
    h('span', { class: 'name' }, data(hop.name, nameCharacters)),
  );
}

const link = (assurance: Assurance): HTMLElement =>
  h('span', { class: 'link', 'data-assurance': assurance, 'aria-hidden': 'true' });

/** Who acted, from the person to the connection, with how each hop is known. */
export function line(chain: readonly Hop[], connection?: string): HTMLElement {
  const shown = chain.length > hopsShown ? [...chain.slice(0, 3), ...chain.slice(3 - hopsShown)] : chain;
  const spoken = shown.map(
    (hop) => `${hopWords[hop.kind]} ${hop.name}, ${assuranceWords[hop.assurance].how}`,
  );
  const label = `${spoken.join(', then ')}${connection === undefined ? '' : `, on ${connection}`}`;
  const left = chain.length - shown.length;
  return h(
    'span',
    { class: 'line', role: 'group', 'aria-label': label },
    shown.map((hop, index) => [
      index > 0 && link(hop.assurance),
      left > 0 && index === 3 && [h('span', { class: 'dim' }, `${left} more`), link(hop.assurance)],
      hopMark(hop),
    ]),
    connection !== undefined && [
      h('span', { class: 'arrow', 'aria-hidden': 'true' }, '→'),
      h(
        'span',
        { class: 'end' },
        icon('database'),
        h('span', { class: 'name' }, data(connection, nameCharacters)),
      ),
    ],
  );
}
