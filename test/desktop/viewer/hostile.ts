import { sessionId } from '../../sim/sealer-journal.js';
import { sessionOf } from './sessions.js';
import type { MadeBundle, MadeSession } from './world.js';

/** Each would run, lead somewhere, or hide what stands beside it, in a page that reads data as anything but text. */
export const hostileTexts = [
  '<img src=x onerror="window.pwned=1">',
  '</script><script>window.pwned=1</script><!-- bundle -->',
  '"><svg onload=window.pwned=1>',
  'javascript:window.pwned=1',
  '<a href="javascript:window.pwned=1">click</a>',
  "'-window.pwned=1-'",
  '${window.pwned=1}{{constructor.constructor("window.pwned=1")()}}',
  '<style>*{display:none}</style><base href=//evil.example/>',
  '<meta http-equiv=refresh content="0;url=//evil.example/">',
  'invoice\u202Egnp.exe\u2066 \u200Bzero\u00ADwidth',
  '\u001b[2J\u001b]0;owned\u0007\r\u0008rubbed out',
  'lone \ud800 surrogate and NUL \u0000',
  '__proto__',
] as const;

const frame = '<iframe srcdoc="<script>parent.pwned=1</script>">';
const megabyte = 1024 * 1024;

/** Every place of a bundle that is text, filled with what is no text to a careless page. */
export function hostileBundle(): MadeBundle {
  const [first] = hostileTexts;
  const columns = hostileTexts.map((text) => text.replaceAll('\u0000', '\u0001'));
  const session = sessionOf({
    number: 1,
    chain: [
      { id: 'demo/<b>x</b>', kind: 'person', name: first, assurance: 'proven' },
      { id: frame, kind: 'agent', name: frame, assurance: 'issued' },
      ...hostileTexts.map((name, index) => ({
        id: `${name.slice(0, 40)}#${index}`,
        kind: 'agent' as const,
        name,
        assurance: 'claimed' as const,
      })),
    ],
    statements: [
      ...hostileTexts.map((text) => ({
        text,
        parameters: [...hostileTexts],
        message: text,
        policy: [text],
        columns,
        rows: [[...hostileTexts], hostileTexts.map(() => null)],
      })),
      { text: first, error: hostileTexts[1] },
      // A cell that is shown, one that is too large for it, and more columns than anybody looks at.
      {
        text: 'select large',
        columns: ['large'],
        rows: [['x'.repeat(3 * megabyte)], ['y'.repeat(10 * megabyte)]],
      },
      {
        text: `select wide -- ${'w'.repeat(5 * megabyte)}`,
        columns: Array.from({ length: 1600 }, (_, index) => `c${index}`),
        rows: Array.from({ length: 20 }, () => Array.from({ length: 1600 }, () => '<b>')),
      },
    ],
  });
  return {
    subject: { kind: 'agent', id: frame },
    sessions: [session],
    policies: [
      `@id("${first.replaceAll('"', '\\"')}")\npermit (principal, action, resource); // ${hostileTexts[1]}\n`,
    ],
    reason: hostileTexts[1],
    gateway: hostileTexts[2],
  };
}

/** As many sessions as a bundle can have, or more. */
export function manySessions(count: number): MadeBundle {
  const sessions = Array.from({ length: count }, (_, index): MadeSession => {
    const made = sessionOf({
      number: index + 1,
      chain: [
        { id: `demo/p${index % 7}`, kind: 'person', name: `Person ${index % 7}`, assurance: 'proven' },
        { id: 'dlg/root', kind: 'agent', name: 'root', assurance: 'proven' },
        { id: `dlg/${index % 90}`, kind: 'agent', name: `agent ${index % 90}`, assurance: 'issued' },
      ],
      statements: [{ text: `select ${index} as session` }],
    });
    return { ...made, view: { ...made.view, id: sessionId(index + 1) } };
  });
  return { subject: { kind: 'agent', id: 'dlg/root' }, sessions };
}
