import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Session, WebContents } from 'electron';
import { describe, expect, it } from 'vitest';
import { guardContents, guardSession } from '../../../main/window/guard.js';
import { FakeContents, FakeSession, preventable } from './electron-fakes.js';

function guarded() {
  const contents = new FakeContents();
  const opened: string[] = [];
  guardContents(contents as unknown as WebContents, (url) => opened.push(url));
  return { contents, opened };
}

function guardedSession(packaged = true) {
  const session = new FakeSession();
  guardSession(session as unknown as Session, packaged);
  const asks = (permission: string, requestingUrl: string): boolean => {
    const answers: boolean[] = [];
    session.request(undefined, permission, (allowed) => answers.push(allowed), { requestingUrl });
    expect(answers).toHaveLength(1);
    return answers[0] === true;
  };
  const cancelled = (url: string): boolean => {
    const answers: boolean[] = [];
    session.before({ url }, ({ cancel }) => answers.push(cancel));
    expect(answers).toHaveLength(1);
    return answers[0] === true;
  };
  return { session, asks, cancelled };
}

describe('what is shown stays the app’s own page', () => {
  it.each(['will-navigate', 'will-frame-navigate', 'will-redirect', 'will-attach-webview'])(
    '%s is denied, wherever it leads',
    (name) => {
      const { contents } = guarded();
      for (const url of ['https://example.com/', 'app://throughline/', 'file:///etc/passwd', 'about:blank']) {
        const event = Object.assign(preventable(), { url });
        contents.emit(name, event);
        expect([url, event.prevented]).toEqual([url, true]);
      }
    },
  );

  it('no second window is opened; a link to the web goes to the system’s browser', () => {
    const { contents, opened } = guarded();
    const outward = ['https://example.com/a?b#c', 'http://127.0.0.1:7443/login'];
    for (const url of outward) expect(contents.openWindow({ url })).toEqual({ action: 'deny' });
    expect(opened).toEqual(outward);
  });

  it.each([
    'http://example.com/',
    'file:///etc/passwd',
    'app://throughline/',
    'javascript:alert(1)',
    'data:text/html,x',
    'smb://host/share',
    'ms-settings:',
    'vscode://file/x',
    'mailto:a@example.com',
    'https://user:password@example.com/',
    'about:blank',
    'no address',
    '',
  ])('a window for %j opens nothing at all', (url) => {
    const { contents, opened } = guarded();
    expect(contents.openWindow({ url })).toEqual({ action: 'deny' });
    expect(opened).toEqual([]);
  });
});

/** Every permission that Electron's types name, and names that it does not know. */
const types = readFileSync(join(import.meta.dirname, '../../../node_modules/electron/electron.d.ts'), 'utf8');
const signature = /setPermissionRequestHandler\(handler: .*?permission: ([^,]*),/.exec(types)?.[1] ?? '';
const known = [...signature.matchAll(/'([\w-]+)'/g)].map((match) => match[1] ?? '');
const denied = [...known.filter((name) => name !== 'clipboard-sanitized-write'), '', '__proto__', 'new'];

describe('what the page may ask of the browser around it', () => {
  it('no permission that Electron knows is given, or said to be given, to anyone', () => {
    expect(known).toContain('clipboard-sanitized-write');
    expect(known.length).toBeGreaterThan(20);
    const { session, asks } = guardedSession();
    const given = denied.filter(
      (name) => asks(name, 'app://throughline/') || session.check(undefined, name, 'app://throughline/'),
    );
    expect(given).toEqual([]);
  });

  it('the app’s own page may put text on the clipboard, and no other page may', () => {
    const { session, asks } = guardedSession();
    const write = 'clipboard-sanitized-write';
    const origins = [
      'app://throughline/',
      'app://other/',
      'https://example.com/',
      'app://throughline.x/',
      'null',
      '',
    ];
    expect(origins.map((origin) => asks(write, origin))).toEqual([true, false, false, false, false, false]);
    expect(origins.map((origin) => session.check(undefined, write, origin))).toEqual([
      true,
      false,
      false,
      false,
      false,
      false,
    ]);
  });

  it('no device is given, and nothing is downloaded', () => {
    const { session } = guardedSession();
    expect(session.device()).toBe(false);
    const event = preventable();
    session.emit('will-download', event);
    expect(event.prevented).toBe(true);
  });

  it('nothing is fetched but the app’s own files', () => {
    const { cancelled } = guardedSession();
    expect(cancelled('app://throughline/assets/x.js')).toBe(false);
    for (const url of [
      'https://example.com/',
      'http://127.0.0.1:7443/',
      'ws://127.0.0.1/',
      'file:///etc/passwd',
      'app://other/',
      'devtools://devtools/x',
      'chrome-extension://x/y',
      'no address',
    ])
      expect([url, cancelled(url)]).toEqual([url, true]);
  });

  it('developer tools load their own page, and only where the app is not packed', () => {
    expect(guardedSession(false).cancelled('devtools://devtools/bundled/x.html')).toBe(false);
    expect(guardedSession(true).cancelled('devtools://devtools/bundled/x.html')).toBe(true);
    expect(guardedSession(false).cancelled('https://example.com/')).toBe(true);
  });
});
