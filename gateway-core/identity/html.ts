import { createHash } from 'node:crypto';

/** Markup that is safe as it stands. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

type Part = string | number | Html | readonly Html[];

/** A template whose values are escaped, unless they are Html themselves. */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  const parts = strings.map((text, index) => text + markupOf(values[index] ?? ''));
  return new Html(parts.join(''));
}

function markupOf(part: Part): string {
  if (part instanceof Html) return part.text;
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  return part.map((item) => item.text).join('');
}

const style = `:root{color-scheme:light dark;--text:#1c2024;--soft:#596068;--page:#f4f5f7;--panel:#fff;--line:#d3d7dc;--accent:#1f5fbf;--on:#fff;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--text:#e7e9ec;--soft:#a4abb3;--page:#16181b;--panel:#1f2226;--line:#3a3f45;--accent:#8ab4f8;--on:#10223d;--bad:#ff9a92}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:16px/1.5 system-ui,sans-serif}
main{max-width:30rem;margin:10vh auto;padding:2rem;background:var(--panel);border:1px solid var(--line);border-radius:8px}
h1{margin:0 0 1rem;font-size:1.35rem;line-height:1.3}
p,dl,ul,form{margin:0 0 1rem}
ul{padding:0;list-style:none}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem}
dt,small,footer{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
code,.code{font-family:ui-monospace,monospace;overflow-wrap:anywhere}
.code{font-size:1.5rem;letter-spacing:.1em}
label{display:block;font-weight:600;margin-bottom:.25rem}
input{width:100%;padding:.55rem .7rem;margin-bottom:1rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--soft);border-radius:6px}
button,.button{display:block;width:100%;padding:.6rem 1rem;margin-bottom:.6rem;font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer;color:var(--on);background:var(--accent);border:1px solid var(--accent);border-radius:6px}
.plain{color:var(--text);background:transparent;border-color:var(--soft)}
a{color:var(--accent)}
a.button{color:var(--on)}
:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.bad{color:var(--bad);font-weight:600}
.note{padding:.6rem .8rem;border-left:4px solid var(--soft);background:var(--page)}
footer{font-size:.85rem}`;

const styleHash = createHash('sha256').update(style, 'utf8').digest('base64');

export interface Page {
  readonly title: string;
  readonly body: Html;
  /** Small print under the page. */
  readonly footer?: string;
  /** The browser goes on there by itself, without a script; the body must hold a link to the same place. */
  readonly next?: string;
}

/** A whole page: no script, no outside resource. */
export function renderPage(page: Page): string {
  const refresh =
    page.next === undefined ? '' : html`<meta http-equiv="refresh" content="0;url=${page.next}">`;
  const footer = page.footer === undefined ? '' : html`<footer>${page.footer}</footer>`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${page.title} · Throughline</title>
${refresh}<style>${new Html(style)}</style>
</head>
<body>
<main>
<h1>${page.title}</h1>
${page.body}
${footer}
</main>
</body>
</html>
`.text;
}

/**
 * Headers of every page. `same-origin` and not `no-referrer`: with the latter browsers send `Origin: null` with our
 * own forms, and the check of Origin could not tell them from a stranger's.
 */
export const pageHeaders: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  'cache-control': 'no-store',
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
};
