import type { BundleReport } from '../../../contract/evidence.js';
import { keyNotCompared } from '../../verify/words.js';
import type { CheckState, Missing } from './check-state.js';
import { append, type Child, count, data, h, icon, replace, time } from './dom.js';

const problemsShown = 200;
const sentencesShown = 100;

/** What is proved, by which key, and what is not. Words only: a person has to be able to read it to another. */
export function proofPanel(check: CheckState): HTMLElement {
  const body = h('div', {});
  const key = keyPanel(check);
  const panel = h('section', { class: 'panel proof', 'aria-labelledby': 'proof-title' });
  append(panel, [h('h2', { id: 'proof-title' }, 'What this proves'), body, key]);
  check.onChange(() => {
    const { checked } = check;
    key.hidden = checked.kind !== 'done';
    if (checked.kind === 'running') {
      replace(
        body,
        h('p', {}, `Checking: ${Math.round(checked.share * 100)} %. What is shown is not proved yet.`),
      );
    } else if (checked.kind === 'failed') {
      replace(
        body,
        h('p', { class: 'bad' }, icon('broken'), ' It could not be checked: ', data(checked.why, 500)),
      );
    } else replace(body, reportOf(checked.report, checked.missing, check.keyMatches() === true));
  });
  return panel;
}

function reportOf(report: BundleReport, missing: Missing, keyMatches: boolean): Child {
  const notProved = report.notProved.filter((text) => !keyMatches || text !== keyNotCompared);
  return [
    report.problems.length > 0 && problemList(report),
    missingNote(missing),
    sentences('Proved', 'check', report.proved, 'Nothing is proved.'),
    sentences('Not proved', 'alert', notProved, undefined),
  ];
}

/** What the page's own copy lacks. A ZIP that lacks something has a problem instead. */
function missingNote({ copies, others }: Missing): Child {
  const zip = 'Drop the bundle’s ZIP here to check and show all of it.';
  if (others > 0) {
    const what = `${count(others, 'file')} that the manifest lists are not in it and were not checked.`;
    return part(`This page carries a copy of the bundle’s smaller files: ${what} ${zip}`);
  }
  if (copies === 0) return undefined;
  const what = `${count(copies, 'file')} with results for other programs`;
  return part(
    `This page carries a copy of what it shows; ${what} are not in it and were not checked. ${zip}`,
  );
}

const part = (text: string): Child => h('p', { class: 'part' }, icon('partly'), ` ${text}`);

function problemList({ problems }: BundleReport): Child {
  return h(
    'div',
    { class: 'problems', role: 'alert' },
    h('h3', {}, icon('broken'), ` ${count(problems.length, 'problem')}: do not rely on this bundle`),
    h(
      'ul',
      {},
      problems
        .slice(0, problemsShown)
        .map(({ code, where, message }) =>
          h(
            'li',
            {},
            data(message, 1000),
            h('div', { class: 'dim' }, data(where, 300), ' · ', h('code', {}, data(code, 60))),
          ),
        ),
      problems.length > problemsShown && h('li', {}, `${problems.length - problemsShown} more`),
    ),
  );
}

function sentences(
  title: string,
  name: 'check' | 'alert',
  texts: readonly string[],
  none: string | undefined,
): Child {
  if (texts.length === 0) return none === undefined ? undefined : h('p', {}, none);
  const list = texts
    .slice(0, sentencesShown)
    .map((text) => h('li', {}, icon(name), h('span', {}, data(text, 1000))));
  return [h('h3', {}, title), h('ul', { class: `sentences ${name}` }, list)];
}

/** The key proves nothing about itself: the reader has to hold it against what the operator published. */
function keyPanel(check: CheckState): HTMLElement {
  const shown = h('div', {});
  const answer = h('p', { class: 'answer', role: 'status' });
  const input = h('input', {
    id: 'expected-key',
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'sha256:… or name+hash+base64',
  });
  input.addEventListener('input', () => check.expect(input.value));
  check.onChange(() => {
    const { checked } = check;
    if (checked.kind !== 'done') return;
    const { keyFingerprint, keyName, signedAt } = checked.report;
    replace(
      shown,
      h('dl', { class: 'facts' }, [
        h('dt', {}, 'key of'),
        h('dd', {}, data(keyName, 300)),
        h('dt', {}, 'fingerprint'),
        h('dd', {}, h('code', { class: 'fingerprint' }, grouped(keyFingerprint))),
        signedAt !== undefined && [h('dt', {}, 'signed'), h('dd', {}, time(signedAt))],
      ]),
    );
    const matches = check.keyMatches();
    answer.dataset['tone'] = matches === undefined ? 'quiet' : matches ? 'good' : 'bad';
    if (matches === undefined) answer.replaceChildren();
    else if (matches) replace(answer, icon('check'), ' It is the same key.');
    else
      replace(answer, icon('ban'), ' It is another key: this bundle is not from the gateway that you know.');
  });
  return h(
    'div',
    { class: 'key' },
    h('h3', {}, 'By which key'),
    shown,
    h(
      'p',
      {},
      'Compare this fingerprint with the one that the gateway’s operator has published. This page alone proves nothing about the key, and it came with the bundle: who does not trust its sender checks with ',
      h('code', {}, 'throughline verify'),
      ', too.',
    ),
    h('label', { for: 'expected-key' }, 'Fingerprint or verifier key that you got from the operator'),
    input,
    answer,
  );
}

/** In groups of eight, which people compare without losing their place. A reader who copies it gets it whole. */
function grouped(fingerprint: string): Child {
  const [, scheme = '', digits = fingerprint] = /^(sha256:)?(.*)$/s.exec(fingerprint) ?? [];
  const groups = digits.slice(0, 128).match(/.{1,8}/gs) ?? [];
  return [scheme, groups.map((group) => h('span', {}, group))];
}
