/**
 * out/viewer.html: the page in every evidence bundle, one file that needs nothing else. Run by `npm run build`.
 * The same sources give the same bytes, wherever and whenever they are built: a bundle's manifest holds their hash.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { parseAst } from 'rolldown/parseAst';
import { licencesIn } from './licences.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const source = join(root, 'gateway-core', 'evidence', 'viewer');

/** As in contract/evidence.ts; a test holds them against each other. */
const dataBegin = '<script type="application/x-throughline-bundle" id="bundle">';
const dataEnd = '</script><!-- bundle -->';

/** What the shared code asks of Node, as a page has it. */
const shims = {
  'node:crypto': join(source, 'shims', 'crypto.ts'),
  'node:buffer': join(source, 'shims', 'buffer.ts'),
  'node:string_decoder': join(source, 'shims', 'string-decoder.ts'),
};

/** The page as text. Throws for anything that the bundler has to remark. */
export async function viewerHtml() {
  const build = await rolldown({
    cwd: root,
    input: join(source, 'main.ts'),
    platform: 'browser',
    tsconfig: join(source, 'tsconfig.json'),
    resolve: { alias: shims },
    transform: { target: 'es2023', inject: { Buffer: [shims['node:buffer'], 'Buffer'] } },
    onLog: (_level, log) => {
      throw new Error(`viewer: ${log.message}`);
    },
  });
  try {
    const { output } = await build.generate({ format: 'iife', minify: true, comments: false });
    const [chunk, ...others] = output;
    if (chunk?.type !== 'chunk' || others.length > 0) throw new Error('viewer: more than one file');
    return pageOf(inScript(chunk.code), styleText(), licencesIn(output));
  } finally {
    await build.close();
  }
}

/** Code that may stand in a page: nothing in it ends or begins an element. Only strings and patterns can hold `<`. */
function inScript(code) {
  const safe = code
    .trim()
    .replaceAll('\r\n', '\n')
    .replace(/<(?=\/?script|!--)/gi, '\\x3c');
  // An operator in its place would be another program: this throws then.
  parseAst(safe);
  return safe;
}

/** In this order: what is said later counts. */
const styles = ['base', 'overview', 'lists', 'detail', 'terminal', 'sizes'];

function styleText() {
  const files = styles.map((name) => readFileSync(join(source, 'style', `${name}.css`), 'utf8'));
  const text = files.join('\n').replaceAll('\r\n', '\n');
  return text
    .replaceAll(/\/\*[^]*?\*\//g, '')
    .replaceAll(/\n\s*/g, '\n')
    .trim();
}

const digest = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function pageOf(code, style, licences) {
  // Everything is in this file: nothing is loaded from anywhere, and nothing can be sent.
  const policy = [
    "default-src 'none'",
    `script-src ${digest(code)}`,
    `style-src ${digest(style)}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
  const page = readFileSync(join(source, 'viewer.html'), 'utf8').replaceAll('\r\n', '\n');
  const parts = {
    policy,
    style: `<style>${style}</style>`,
    licences: escaped(licences.replaceAll('\r\n', '\n')),
    bundle: `${dataBegin}\n${dataEnd}`,
    script: `<script>${code}</script>`,
  };
  return page.replaceAll(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);
}

/** Writes the page to `file`, whole or not at all. */
export async function buildViewer(file) {
  const html = await viewerHtml();
  mkdirSync(dirname(file), { recursive: true });
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, html);
  renameSync(fresh, file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildViewer(join(root, 'out', 'viewer.html'));
