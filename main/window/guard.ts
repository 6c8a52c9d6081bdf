import type { Event, Session, WebContents } from 'electron';
import { externalUrl } from '../ipc/host-handlers.js';
import { isAppUrl } from './protocol.js';

/** The only thing that the page may do beyond what every page may: put text that it chose on the clipboard. */
const permissionsAllowed: ReadonlySet<string> = new Set(['clipboard-sanitized-write']);

/**
 * Whatever is shown stays the app's own page: no navigation, no frame, no webview, no second window. A link to the web
 * goes to the system's browser, under the same rule as the call that opens one.
 */
export function guardContents(contents: WebContents, openExternal: (url: string) => void): void {
  const deny = (event: Pick<Event, 'preventDefault'>): void => event.preventDefault();
  contents.on('will-navigate', deny);
  contents.on('will-frame-navigate', deny);
  contents.on('will-redirect', deny);
  contents.on('will-attach-webview', deny);
  contents.setWindowOpenHandler(({ url }) => {
    try {
      openExternal(externalUrl(url));
    } catch {
      // Neither https nor this machine: nothing is opened at all.
    }
    return { action: 'deny' };
  });
}

/** What the page may ask of the browser around it: nearly nothing; and nothing is fetched from anywhere else. */
export function guardSession(session: Session, packaged: boolean): void {
  // An origin that is opaque is told as an empty one, which is not the app's.
  const allowed = (permission: string, asker: string): boolean =>
    permissionsAllowed.has(permission) && isAppUrl(asker);
  session.setPermissionRequestHandler((_contents, permission, decide, { requestingUrl }) => {
    decide(allowed(permission, requestingUrl));
  });
  session.setPermissionCheckHandler((_contents, permission, origin) => allowed(permission, origin));
  session.setDevicePermissionHandler(() => false);
  session.on('will-download', (event) => event.preventDefault());
  session.webRequest.onBeforeRequest((details, decide) => {
    decide({ cancel: !isAppUrl(details.url) && !isDevTools(details.url, packaged) });
  });
}

function isDevTools(url: string, packaged: boolean): boolean {
  return !packaged && /^(devtools|chrome-extension):/.test(url);
}
