import { visiblePieces, visibleText } from '../../../contract/visible-text.js';

export type Child = Node | string | number | false | undefined | null | readonly Child[];

/** What an element may be given. Nothing here runs anything or leads anywhere, whatever stands in it. */
const attributeNames =
  /^(id|class|role|type|for|tabindex|value|placeholder|title|open|hidden|disabled|checked|min|max|step|name|multiple|accept|autocomplete|spellcheck|datetime|scope|rows|selected|lang|(aria|data)-[a-z-]+)$/;

type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * An element. INVARIANT: everything that a bundle holds reaches the page through here or through `SVG` below, as text
 * and as attributes of the list above; characters that would not be seen are shown as signs.
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(element, name, value);
  append(element, children);
  return element;
}

export function setAttribute(element: Element, name: string, value: Attributes[string]): void {
  if (!attributeNames.test(name)) throw new TypeError(`no attribute of this page: ${name}`);
  if (value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? '' : visibleText(String(value)));
}

export function append(element: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === undefined || child === null || child === false) continue;
    if (typeof child === 'string' || typeof child === 'number') element.append(...seen(String(child), false));
    else if (child instanceof Node) element.append(child);
    else append(element, child);
  }
}

export function replace(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren();
  append(element, children);
}

/** The nodes of a text in which nothing is unseen. */
function seen(text: string, lines: boolean): (Node | string)[] {
  return visiblePieces(text, lines).map((piece) => {
    if (!piece.sign) return document.createTextNode(piece.text);
    const sign = document.createElement('span');
    sign.className = 'sign';
    sign.textContent = piece.text;
    return sign;
  });
}

/** Text of the bundle: set apart from the text around it, whichever way it is written; cut where it is too long. */
export function data(text: string, charactersMax = 400, lines = false): HTMLElement {
  const element = document.createElement('bdi');
  const cut = text.length > charactersMax;
  element.append(...seen(cut ? text.slice(0, charactersMax) : text, lines));
  if (cut) element.append('…');
  return element;
}

const chunkCharacters = 50_000;

/** Text of any length, with its lines: what does not fit a look comes when it is asked for. */
export function longText(text: string): HTMLElement {
  const element = h('pre', { class: 'long', tabindex: 0 });
  let shown = 0;
  const more = (): void => {
    const end = Math.min(text.length, shown + chunkCharacters);
    const part = document.createElement('bdi');
    part.append(...seen(text.slice(shown, end), true));
    shown = end;
    element.append(part);
    if (shown >= text.length) return;
    const left = (text.length - shown).toLocaleString();
    const next = h('button', { type: 'button', class: 'more' }, `Show more: ${left} characters are left`);
    next.addEventListener('click', () => {
      next.remove();
      more();
    });
    element.append(next);
  };
  more();
  return element;
}

const svgNamespace = 'http://www.w3.org/2000/svg';

/** Lines on a grid of 24. */
const icons = {
  check: 'M5 12l5 5L20 7',
  ban: 'M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18M5.7 5.7l12.6 12.6',
  alert: 'M12 3L2 20h20zM12 10v4M12 17v.5',
  clock: 'M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18M12 7v5l3 2',
  stop: 'M6 6h12v12H6z',
  person: 'M12 4a4 4 0 1 0 0 8a4 4 0 0 0 0-8M4 21c0-4 4-6 8-6s8 2 8 6',
  agent: 'M6 9h12v10H6zM12 5v4M12 5h.01M9.5 13v2M14.5 13v2M3 13v3M21 13v3',
  workload: 'M4 4h16v7H4zM4 13h16v7H4zM8 7.5h.01M8 16.5h.01',
  process: 'M4 7l5 5-5 5M12 18h8',
  database: 'M4 6c0-4 16-4 16 0v12c0 4-16 4-16 0zM4 6c0 4 16 4 16 0M4 12c0 4 16 4 16 0',
  shield: 'M12 3l8 3v6c0 5-4 8-8 9c-4-1-8-4-8-9V6zM9 12l2 2l4-4',
  broken: 'M12 3l8 3v6c0 5-4 8-8 9c-4-1-8-4-8-9V6zM9.5 9.5l5 5M14.5 9.5l-5 5',
  partly: 'M12 3l8 3v6c0 5-4 8-8 9c-4-1-8-4-8-9V6zM12 8v5M12 16v.5',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13M15.5 15.5L21 21',
  play: 'M7 4l13 8-13 8z',
  pause: 'M8 5v14M16 5v14',
  up: 'M6 15l6-6 6 6',
  down: 'M6 9l6 6 6-6',
  right: 'M9 6l6 6-6 6',
  close: 'M6 6l12 12M18 6L6 18',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4M12 11v6M9 14h6',
} as const;
export type IconName = keyof typeof icons;

export function icon(name: IconName): SVGElement {
  const svg = document.createElementNS(svgNamespace, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(svgNamespace, 'path');
  path.setAttribute('d', icons[name]);
  svg.append(path);
  return svg;
}

export function button(label: Child, onClick: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const element = h('button', { type: 'button', ...attributes }, label);
  element.addEventListener('click', onClick);
  return element;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });

/** `2026-11-20 12:00:00.000 UTC`, as the log has it. */
export const utcText = (at: string): string => `${at.replace('T', ' ').replace('Z', '')} UTC`;

/** Local time, and UTC in the title. What is no time is shown as it is. */
export function time(at: string, form: 'whole' | 'clock' = 'whole'): HTMLElement {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return data(at, 40);
  const text = form === 'clock' ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
  return h('time', { datetime: at.slice(0, 40), title: utcText(at) }, text);
}

export const dayText = (atMs: number): string => day.format(new Date(atMs));
export const clockText = (atMs: number): string => clock.format(new Date(atMs));
export const count = (value: number, one: string, many = `${one}s`): string =>
  `${value.toLocaleString()} ${value === 1 ? one : many}`;
