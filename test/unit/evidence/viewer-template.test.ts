import { createHash, hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { viewerDataBegin, viewerDataEnd } from '../../../gateway-core/contract/evidence.js';
import { cutTemplate } from '../../../gateway-core/evidence/viewer-file.js';

const { viewerHtml } = (await import(
  new URL('../../../gateway-core/setup/build-viewer.mjs', import.meta.url).href
)) as { readonly viewerHtml: () => Promise<string> };

const html = await viewerHtml();

const digest = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
const only = (pattern: RegExp): string => {
  const found = [...html.matchAll(pattern)];
  expect(found).toHaveLength(1);
  return found[0]?.[1] ?? '';
};

describe('the viewer as it is built', () => {
  it('is the same bytes each time, so its hash can stand in a manifest', async () => {
    expect(await viewerHtml()).toBe(html);
  });

  it('is cut where a bundle puts its data, and hashed without it', () => {
    const { before, after, sha256 } = cutTemplate(html);
    expect(`${before}${viewerDataBegin}\n${viewerDataEnd}${after}`).toBe(html);
    expect(sha256).toBe(hash('sha256', html, 'hex'));
  });

  it('is no template without its marks, with two of them or with data in it', () => {
    const pair = `${viewerDataBegin}\n${viewerDataEnd}`;
    for (const wrong of [undefined, '', 'x', viewerDataBegin, viewerDataEnd, pair + pair]) {
      expect(() => cutTemplate(wrong)).toThrow('not built');
    }
    expect(() => cutTemplate(html.replace(viewerDataBegin, `${viewerDataBegin}UEsF`))).toThrow('not built');
  });

  it('runs its own script alone, and loads and sends nothing', () => {
    const policy = only(/<meta http-equiv="Content-Security-Policy" content="([^"]*)">/g);
    const script = only(/<script>([^]*?)<\/script>/g);
    const style = only(/<style>([^]*?)<\/style>/g);
    expect(policy.split('; ')).toEqual([
      "default-src 'none'",
      `script-src ${digest(script)}`,
      `style-src ${digest(style)}`,
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
    // The policy stands before everything that it is about.
    expect(html.indexOf('Content-Security-Policy')).toBeLessThan(html.indexOf('<style'));
  });

  it('has no way to make markup or code of text', () => {
    const script = only(/<script>([^]*?)<\/script>/g);
    const ways =
      /\.(innerHTML|outerHTML|insertAdjacentHTML|srcdoc)\s*=[^=]|document\.write|\beval\(|setAttribute\(["'`]on/;
    expect(ways.exec(script)?.[0]).toBeUndefined();
    expect(html.replace(script, '')).not.toMatch(/\son\w+=|javascript:|https?:\/\/[^\s"]+\.js/i);
  });

  it('is small, with a terminal emulator in it', () => {
    expect(Buffer.byteLength(html)).toBeLessThan(540 * 1024);
  });
});
