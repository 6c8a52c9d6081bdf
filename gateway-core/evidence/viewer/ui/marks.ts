import type { Corroboration } from '../../../contract/corroboration.js';
import type { StatementDecision } from '../../../contract/events.js';
import { maskTraces } from '../../../contract/masks.js';
import { corroborationWords, decisionWords, type Tone } from '../data/words.js';
import { data, h, type IconName, icon } from './dom.js';

const decisionIcons: Readonly<Record<StatementDecision, IconName>> = {
  allowed: 'check',
  approved: 'check',
  denied: 'ban',
  refused: 'ban',
  held: 'clock',
  'timed-out': 'alert',
  interrupted: 'stop',
};
const toneIcons: Readonly<Record<Tone, IconName>> = {
  good: 'check',
  bad: 'alert',
  wait: 'clock',
  quiet: 'right',
};

/** A word with its icon: colour only repeats what they say. */
export const mark = (tone: Tone, name: IconName, word: string, title?: string): HTMLElement =>
  h('span', { class: 'mark', 'data-tone': tone, title }, icon(name), h('span', {}, word));

export function decisionMark(decision: StatementDecision | undefined): HTMLElement {
  if (decision === undefined) return mark('bad', 'alert', 'unknown');
  const { word, tone } = decisionWords[decision];
  return mark(tone, decisionIcons[decision], word);
}

export function corroborationMark(verdict: Corroboration | undefined): HTMLElement {
  const { word, tone, says } = corroborationWords[verdict ?? 'unknown'];
  return mark(tone, toneIcons[tone], word, says);
}

const cellCharacters = 400;

/** A recorded value: hatched where it carries a mask's trace. */
export function value(text: string | null): HTMLElement {
  if (text === null) return h('em', { class: 'null' }, 'NULL');
  const shown = data(text, cellCharacters);
  // Looked for in what is shown: a pattern over ten megabytes in every cell is what a hostile bundle would like.
  if (!maskTraces.test(text.slice(0, cellCharacters))) return shown;
  return h('span', { class: 'masked', title: 'masked' }, shown);
}
