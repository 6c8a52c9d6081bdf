import type { BundleManifest } from '../../../contract/evidence.js';
import type { CheckState, Verdict } from './check-state.js';
import { type Child, clockText, data, dayText, h, type IconName, icon, replace, time } from './dom.js';
import { line } from './line.js';

const verdicts: Readonly<
  Record<Verdict, { readonly icon: IconName; readonly word: string; readonly tone: string }>
> = {
  checking: { icon: 'clock', word: 'checking', tone: 'quiet' },
  verified: { icon: 'shield', word: 'verified', tone: 'good' },
  partly: { icon: 'partly', word: 'verified in part', tone: 'wait' },
  problems: { icon: 'broken', word: 'problems', tone: 'bad' },
  'other-key': { icon: 'broken', word: 'another key', tone: 'bad' },
};

/** What the bundle is about, who made it, and whether it holds: on top of everything. */
export function header(
  manifest: BundleManifest,
  check: CheckState,
  onBadge: () => void,
  ...tools: Child[]
): HTMLElement {
  const badge = h('button', { type: 'button', class: 'badge' });
  badge.addEventListener('click', onBadge);
  const said = h('span', { class: 'hidden', role: 'status' });
  check.onChange(() => {
    const verdict = check.verdict();
    const { icon: name, word, tone } = verdicts[verdict];
    badge.dataset['tone'] = tone;
    const { checked } = check;
    const share = checked.kind === 'running' ? ` ${Math.round(checked.share * 100)} %` : '';
    replace(badge, icon(name), h('span', {}, `${word}${share}`));
    // Spoken when it changes, not at every step.
    if (said.textContent !== word) said.textContent = word;
  });
  const { subject, gateway, createdAt, by, reason } = manifest;
  return h(
    'header',
    { class: 'top' },
    h(
      'div',
      { class: 'title' },
      h(
        'h1',
        {},
        subject.kind === 'session' ? 'Evidence of a session' : 'Evidence of everything below an actor',
      ),
      badge,
      said,
      h('span', { class: 'tools noprint' }, tools),
    ),
    h(
      'dl',
      { class: 'about' },
      about('about', h('code', {}, data(subject.id, 120))),
      about('gateway', [
        data(gateway.name, 120),
        h('span', { class: 'dim' }, ' ', data(gateway.version, 30)),
      ]),
      about('time', rangeText(manifest)),
      about('exported', [time(createdAt), ' by ', line(by)]),
      reason !== undefined && about('for', data(reason, 500)),
    ),
  );
}

const about = (name: string, content: Child): HTMLElement =>
  h('div', {}, h('dt', {}, name), h('dd', {}, content));

/** From the first session's start to the last one's end. */
function rangeText({ sessions }: BundleManifest): Child {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  let live = false;
  for (const { startedAt, endedAt, state } of sessions) {
    from = Math.min(from, Date.parse(startedAt));
    to = Math.max(to, Date.parse(endedAt ?? startedAt));
    live ||= state === 'live';
  }
  if (!Number.isFinite(from) || !Number.isFinite(to)) return 'no session';
  const sameDay = dayText(from) === dayText(to);
  const end = sameDay ? clockText(to) : `${dayText(to)}, ${clockText(to)}`;
  return `${dayText(from)}, ${clockText(from)} to ${end}${live ? ', still running then' : ''}`;
}
