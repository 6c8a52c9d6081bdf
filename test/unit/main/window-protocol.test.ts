import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rendererFiles } from '../../../main/renderer-files/files.js';
import { contentSecurityPolicy } from '../../../main/renderer-files/headers.js';
import { appProtocol, appScheme, isAppUrl } from '../../../main/window/protocol.js';

let directory = '';
let answer: (request: Request) => Promise<Response>;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'throughline-protocol-'));
  const renderer = join(directory, 'renderer');
  mkdirSync(join(renderer, 'assets'), { recursive: true });
  writeFileSync(join(renderer, 'index.html'), '<!doctype html>page');
  writeFileSync(join(renderer, 'assets', 'main-abcd1234.js'), 'export const one = 1;');
  writeFileSync(join(renderer, 'assets', 'gone-abcd1234.js'), '');
  writeFileSync(join(renderer, 'notes.ts'), 'source');
  writeFileSync(join(directory, 'secret.txt'), 'secret');
  symlinkSync(join(directory, 'secret.txt'), join(renderer, 'link.txt'));
  answer = appProtocol(rendererFiles(renderer));
  rmSync(join(renderer, 'assets', 'gone-abcd1234.js'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Node's Request takes the address apart as Chromium does for a standard scheme; these are handed on untouched. */
const asked = (url: string, method = 'GET'): Promise<Response> => answer({ url, method } as Request);

describe('app://', () => {
  it('is a standard and secure scheme of its own, and may do nothing more', () => {
    expect(appScheme).toEqual({
      scheme: 'app',
      privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
    });
  });

  it.each([
    'app://throughline/',
    'app://throughline',
    'app://throughline/index.html',
    'app://throughline/?a#b',
  ])('%s is the page', async (url) => {
    const response = await asked(url);
    expect([response.status, await response.text()]).toEqual([200, '<!doctype html>page']);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
  });

  it('a file of the build is served with its own type', async () => {
    const response = await asked('app://throughline/assets/main-abcd1234.js');
    expect([response.status, await response.text()]).toEqual([200, 'export const one = 1;']);
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  });

  it('asking for the head of a file gets no body', async () => {
    const response = await asked('app://throughline/', 'HEAD');
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  });

  it.each([
    '/../secret.txt',
    '/assets/../../secret.txt',
    '/%2e%2e/secret.txt',
    '/%2e%2e%2fsecret.txt',
    '/..%2fsecret.txt',
    '/..%5csecret.txt',
    '/..\\secret.txt',
    '//etc/passwd',
    '/etc/passwd',
    '/assets/',
    '/assets',
    '/index.html/',
    '/index.html%00.js',
    '/./assets//main-abcd1234.js',
    '/notes.ts',
    '/link.txt',
    '/toString',
    '/__proto__',
  ])('%s is nothing, and reads nothing', async (path) => {
    const response = await asked(`app://throughline${path}`);
    expect([response.status, await response.text()]).toEqual([404, '']);
  });

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('%s is not answered with a file', async (method) => {
    const response = await asked('app://throughline/', method);
    expect([response.status, await response.text()]).toEqual([405, '']);
  });

  it('every answer carries the content security policy, whatever was asked', async () => {
    const answers = await Promise.all([
      asked('app://throughline/'),
      asked('app://throughline/', 'HEAD'),
      asked('app://throughline/assets/main-abcd1234.js'),
      asked('app://throughline/missing'),
      asked('app://throughline/', 'POST'),
      asked('app://throughline/assets/gone-abcd1234.js'),
      asked('app://other/'),
      asked('no address'),
    ]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404, 405, 500, 404, 404]);
    for (const { headers } of answers) {
      expect(headers.get('content-security-policy')).toBe(contentSecurityPolicy);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('access-control-allow-origin')).toBeNull();
    }
  });

  it('the policy lets a page run its own files and nothing that came as text', () => {
    const rules = contentSecurityPolicy.split('; ').map((rule) => rule.split(' '));
    expect(rules).toContainEqual(['default-src', "'none'"]);
    expect(rules).toContainEqual(['script-src', "'self'"]);
    expect(contentSecurityPolicy).not.toMatch(/unsafe-eval|https?:|\*/);
  });

  it('only its one host, without a name before it or a port after it, is the app’s', () => {
    const urls = ['app://throughline/x', 'app://throughline', 'APP://throughline/'];
    expect(urls.filter((url) => !isAppUrl(url))).toEqual([]);
    const others = [
      'app://throughline@example.com/',
      'app://person@throughline/',
      'app://:secret@throughline/',
      'app://throughline:1/',
      'app://throughline.example.com/',
      'app:throughline',
      'app:///throughline',
      'https://throughline/',
      'null',
      '',
    ];
    expect(others.filter((url) => isAppUrl(url))).toEqual([]);
  });
});
