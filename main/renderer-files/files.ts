import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import { securityHeaders } from './headers.js';

/** What the build makes; other files are not served, whatever stands in the folder. */
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.woff': 'font/woff',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain; charset=utf-8',
};

/** vite puts eight characters of the content's hash into every name below assets/. */
const hashedName = /^assets\/[^/]+-[\w-]{8}\.[a-z0-9]+$/;
const filesMax = 5000;

export interface RendererFile {
  readonly headers: Readonly<Record<string, string>>;
  read(): Promise<Buffer>;
}

export interface RendererFiles {
  /** By the path of a request, `/` for the page itself. Undefined: there is nothing there. */
  find(pathname: string): RendererFile | undefined;
}

/**
 * The built renderer below `directory`, listed once.
 * INVARIANT: a request's path is only ever looked up among the names that were listed; none becomes a path of the
 * file system, so no spelling of one leads out of the folder.
 * @throws ThroughlineError invalid-config when it is not built
 */
export function rendererFiles(directory: string): RendererFiles {
  const files = new Map<string, RendererFile>();
  for (const name of namesBelow(directory)) {
    const type = types[extname(name)];
    if (type !== undefined) files.set(`/${name}`, rendererFile(directory, name, type));
  }
  const page = files.get('/index.html');
  if (page === undefined) {
    throw new ThroughlineError('invalid-config', 'the renderer is not built', { action: 'run `npm start`' });
  }
  files.set('/', page);
  return { find: (pathname) => files.get(pathname) };
}

/** Regular files only: a link could lead anywhere. */
function namesBelow(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .slice(0, filesMax)
      .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, sep).length))
      .map((name) => name.split(sep).join('/'));
  } catch {
    return [];
  }
}

function rendererFile(directory: string, name: string, type: string): RendererFile {
  return {
    headers: {
      ...securityHeaders,
      'content-type': type,
      'cache-control': hashedName.test(name) ? 'public, max-age=31536000, immutable' : 'no-store',
    },
    read: () => readFile(join(directory, name)),
  };
}
