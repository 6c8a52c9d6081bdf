import type { CustomScheme } from 'electron';
import type { RendererFiles } from '../renderer-files/files.js';
import { securityHeaders } from '../renderer-files/headers.js';

const scheme = 'app';
const host = 'throughline';
export const appOrigin = `${scheme}://${host}`;

/** To be registered before the app is ready: a standard, secure origin of its own, so that CSP and storage work. */
export const appScheme: CustomScheme = {
  scheme,
  privileges: { standard: true, secure: true, supportFetchAPI: true, codeCache: true },
};

/** Whether an address is the app's own. */
export function isAppUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  // `origin` of a scheme that the URL standard does not know is the word null.
  return url.protocol === `${scheme}:` && url.host === host && url.username === '' && url.password === '';
}

/** Answers `app://throughline/...` with the built renderer, and everything else of the scheme with nothing. */
export function appProtocol(files: RendererFiles): (request: Request) => Promise<Response> {
  return async (request) => {
    if (!isAppUrl(request.url)) return nothing(404);
    if (request.method !== 'GET' && request.method !== 'HEAD') return nothing(405);
    const file = files.find(new URL(request.url).pathname || '/');
    if (file === undefined) return nothing(404);
    if (request.method === 'HEAD') return new Response(null, { headers: file.headers });
    try {
      return new Response(new Uint8Array(await file.read()), { headers: file.headers });
    } catch {
      return nothing(500);
    }
  };
}

function nothing(status: number): Response {
  return new Response(null, { status, headers: securityHeaders });
}
