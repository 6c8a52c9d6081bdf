import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RendererFiles } from '../renderer-files/files.js';
import { securityHeaders } from '../renderer-files/headers.js';
import type { Keys } from './keys.js';

export const httpLimits = {
  headerBytesMax: 16 * 1024,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 10_000,
  keepAliveTimeoutMs: 5000,
  /** How often overdue requests are looked for. */
  checkIntervalMs: 1000,
  /** A ticket has 43 characters. */
  ticketBytesMax: 200,
} as const;

export interface Site {
  /** `127.0.0.1:PORT`, and nothing else: any name that resolves here could belong to somebody. */
  readonly host: string;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  readonly files: RendererFiles;
  readonly keys: Keys;
  /** This ticket was exchanged: a page is open. */
  readonly opened: (ticket: string) => void;
  /**
   * Another start of the app asks for a window, with a secret from a private file of this user. Gives the path of the
   * door that was opened, or nothing for a wrong secret.
   */
  readonly reopen: (request: string) => Promise<string | undefined>;
  /**
   * The agent that stands behind a socket, if any: what a page does is done by the desktop, as its person. Absent:
   * nobody is asked.
   */
  readonly agentBehind?: ((socket: Socket) => Promise<string | undefined>) | undefined;
  /** One line for the person. */
  readonly report: (line: string) => void;
}

/** Whether whoever sent this may act as the person. INVARIANT: asked before a key is given out, and before one is taken. */
export async function isPersons(site: Site, request: IncomingMessage): Promise<boolean> {
  const agent = await site.agentBehind?.(request.socket);
  if (agent === undefined) return true;
  site.report(`refused a page to an agent (${agent}): it has ways of its own, as \`throughline exec\``);
  return false;
}

/** Whether the request names this very host (against DNS rebinding). */
export function namesHost({ host }: Site, request: IncomingMessage): boolean {
  const named = request.headersDistinct['host'];
  return named?.length === 1 && named[0] === host;
}

/** Whether the request comes from a page of this site. Browsers say so on every POST and every WebSocket. */
export function fromOwnPage({ origin }: Site, request: IncomingMessage): boolean {
  const named = request.headersDistinct['origin'];
  const site = request.headers['sec-fetch-site'];
  return named?.length === 1 && named[0] === origin && (site === undefined || site === 'same-origin');
}

export function serveRequest(site: Site, request: IncomingMessage, response: ServerResponse): void {
  if (!namesHost(site, request)) return answer(response, 421, 'this host is 127.0.0.1 only');
  const { method, url = '' } = request;
  if (method === 'GET' || method === 'HEAD') return serveFile(site, url, method, response);
  if (method === 'POST') return acceptPost(site, url, request, response);
  response.setHeader('allow', 'GET, HEAD, POST');
  answer(response, 405, 'GET, HEAD and POST only');
}

function acceptPost(site: Site, url: string, request: IncomingMessage, response: ServerResponse): void {
  if (url === '/key') return void servePost(request, response, (text) => exchange(site, request, text));
  if (url === '/open') return void servePost(request, response, (text) => reopen(site, request, text));
  answer(response, 404, 'there is nothing here');
}

type Reply = readonly [status: number, text: string];

async function exchange(site: Site, request: IncomingMessage, ticket: string): Promise<Reply> {
  if (!fromOwnPage(site, request)) return [403, 'not from this page'];
  if (!(await isPersons(site, request))) return [403, 'not for agents'];
  const key = site.keys.exchange(ticket);
  if (key === undefined) return [403, 'this ticket was used, or is too old: open the app again'];
  site.opened(ticket);
  return [200, key];
}

/** From a program, never from a page: every page that could send this names its origin. */
async function reopen(site: Site, request: IncomingMessage, text: string): Promise<Reply> {
  const page = request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined;
  const door = page ? undefined : await site.reopen(text);
  return door === undefined ? [403, 'no'] : [200, door];
}

function serveFile(site: Site, url: string, method: 'GET' | 'HEAD', response: ServerResponse): void {
  const file = site.files.find(url.split('?', 1)[0] ?? '');
  if (file === undefined) return answer(response, 404, 'there is nothing here');
  file
    .read()
    .then((bytes) => {
      response.writeHead(200, { ...file.headers, 'content-length': bytes.length });
      response.end(method === 'HEAD' ? undefined : bytes);
    })
    .catch(() => answer(response, 500, 'this file cannot be read: build the app again'));
}

async function servePost(
  request: IncomingMessage,
  response: ServerResponse,
  reply: (text: string) => Promise<Reply>,
): Promise<void> {
  try {
    const text = await smallBody(request);
    if (text === undefined) return answer(response, 413, 'too much');
    answer(response, ...(await reply(text)));
  } catch {
    // The request broke off, or the door could not be written.
    answer(response, 500, 'this did not work');
  }
}

/** Undefined when it is longer than a ticket can be. */
async function smallBody(request: IncomingMessage): Promise<string | undefined> {
  let text = '';
  for await (const chunk of request.setEncoding('latin1')) {
    text += String(chunk);
    if (text.length > httpLimits.ticketBytesMax) return undefined;
  }
  return text;
}

/** An error ends the connection: what else is in it was sent by nobody that we know. */
function answer(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) return void response.destroy();
  const headers = { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' };
  const end = status === 200 ? {} : { connection: 'close' };
  response.writeHead(status, { ...securityHeaders, ...headers, ...end }).end(text);
}
