import { spawn } from 'node:child_process';
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { clientId, paths } from '../../contract/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { lookUpPeer, type Peer } from '../tunnel/peer.js';
import { signInAction } from './answers.js';
import { sha256 } from './dpop.js';
import { clientLimits } from './limits.js';
import type { Grant } from './oauth.js';
import { resultPage } from './result-page.js';

/** A sign-in that waits for the person's browser (RFC 8252 7.3, RFC 7636). */
export interface BrowserSignIn {
  /** For the person to open; also what a browser elsewhere needs. */
  readonly authorizeUrl: string;
  /** A loopback address that leads there once: the only thing that a program's arguments may show. */
  readonly startUrl: string;
  /**
   * Waits for the one answer, has it exchanged, and shows the browser how that ended.
   * @throws ThroughlineError sign-in-refused
   */
  finish(exchange: (grant: Grant) => Promise<{ principal: string }>): Promise<void>;
  readonly close: () => void;
}

type Answer = { readonly code: string } | { readonly refused: string };

interface Pending {
  readonly origin: string;
  readonly issuer: string;
  readonly state: string;
  readonly startToken: string;
  readonly authorizeUrl: () => string;
  started: boolean;
  answered: boolean;
  readonly answer: (answer: Answer, respond: (page: string) => void) => void;
}

/** Listens on 127.0.0.1, any port, for the redirect of one authorization. `keyThumbprint` binds the code to the device. */
export async function startBrowserSignIn(
  gateway: string,
  issuer: string,
  keyThumbprint: string,
): Promise<BrowserSignIn> {
  const verifier = token();
  const state = token();
  const startToken = token();
  let settle: (value: [Answer, (page: string) => void]) => void = () => undefined;
  const answered = new Promise<[Answer, (page: string) => void]>((resolve) => {
    settle = resolve;
  });
  const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 10_000 });
  const origin = await listenOnLoopback(server);
  const redirectUri = `${origin}/callback`;
  const authorizeUrl = authorizationUrl(gateway, { redirectUri, state, verifier, keyThumbprint });
  const pending: Pending = {
    origin,
    issuer,
    state,
    startToken,
    authorizeUrl: () => authorizeUrl,
    started: false,
    answered: false,
    answer: (answer, respond) => settle([answer, respond]),
  };
  server.on('request', (request, response) => void admit(pending, request, response));
  const close = (): void => {
    server.close();
    // Browsers open sockets ahead and keep them: they would hold the process. The last page gets its moment.
    setTimeout(() => server.closeAllConnections(), lastPageMs).unref();
  };
  return {
    authorizeUrl,
    startUrl: `${origin}/start?${startToken}`,
    close,
    finish: async (exchange) => {
      try {
        const [answer, respond] = await inTime(answered);
        await conclude(answer, respond, (code) => exchange({ kind: 'code', code, redirectUri, verifier }));
      } finally {
        close();
      }
    },
  };
}

const lastPageMs = 500;

function token(): string {
  return randomBytes(32).toString('base64url');
}

async function listenOnLoopback(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
  return `http://127.0.0.1:${address.port}`;
}

/** Other users of the machine have no business here. Root may relay for a browser elsewhere (WSL, sshd). */
async function admit(pending: Pending, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const peer = await lookUpPeer(request.socket).catch((): Peer => ({ kind: 'unknown' }));
  const mine = peer.kind === 'user' && (peer.uid === 0 || peer.uid === process.geteuid?.());
  // Where the platform cannot tell, state, PKCE and the device key still bind the answer to this sign-in.
  if (mine || peer.kind === 'unsupported') handle(pending, request, response);
  else request.socket.destroy();
}

function authorizationUrl(
  gateway: string,
  values: { redirectUri: string; state: string; verifier: string; keyThumbprint: string },
): string {
  const url = new URL(paths.authorize, gateway);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: values.redirectUri,
    state: values.state,
    code_challenge: sha256(values.verifier),
    code_challenge_method: 'S256',
    // RFC 9449 10: the code is worth nothing without this device's key.
    dpop_jkt: values.keyThumbprint,
  }).toString();
  return url.href;
}

async function inTime<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const message = 'the browser did not come back in time';
      reject(new ThroughlineError('sign-in-refused', message, { action: signInAction }));
    }, clientLimits.browserSignInTimeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

async function conclude(
  answer: Answer,
  respond: (page: string) => void,
  exchange: (code: string) => Promise<{ principal: string }>,
): Promise<void> {
  try {
    if ('refused' in answer) {
      const message = `the sign-in was refused (${answer.refused})`;
      throw new ThroughlineError('sign-in-refused', message, { action: signInAction });
    }
    const { principal } = await exchange(answer.code);
    respond(resultPage('Signed in', `You are signed in as ${principal}. You can close this page.`));
  } catch (error) {
    const reason = error instanceof ThroughlineError ? error.message : 'something went wrong';
    respond(resultPage('Not signed in', `${reason}. The terminal says more.`));
    throw error;
  }
}

/** INVARIANT: exactly this host, these two paths, GET, and the state that only the asked gateway was told. */
function handle(pending: Pending, request: IncomingMessage, response: ServerResponse): void {
  const host = new URL(pending.origin).host;
  if (request.headers.host !== host) return reply(response, 421, 'This is not the host you asked for.');
  if (request.method !== 'GET') return reply(response, 405, 'Only GET is answered here.');
  const url = URL.canParse(request.url ?? '', pending.origin)
    ? new URL(request.url ?? '', pending.origin)
    : undefined;
  if (url?.origin === pending.origin && url.pathname === '/start') return start(pending, url, response);
  if (url?.origin === pending.origin && url.pathname === '/callback') return callback(pending, url, response);
  reply(response, 404, 'There is nothing here.');
}

function start(pending: Pending, url: URL, response: ServerResponse): void {
  if (pending.started || !same(url.search, `?${pending.startToken}`)) {
    return reply(response, 403, 'This address worked once. The terminal shows the one to open.');
  }
  pending.started = true;
  response.writeHead(302, { ...headers, location: pending.authorizeUrl() }).end();
}

function callback(pending: Pending, url: URL, response: ServerResponse): void {
  const one = (name: string): string | undefined => {
    const values = url.searchParams.getAll(name);
    return values.length === 1 ? values[0] : undefined;
  };
  // An answer that is not for this sign-in changes nothing: it goes on waiting for its own.
  if (!same(one('state') ?? '', pending.state)) {
    return reply(response, 400, 'This answer does not belong to the sign-in that is waiting here.');
  }
  if (pending.answered) return reply(response, 400, 'This sign-in was answered already.');
  const refused = one('error_description') ?? one('error');
  const answer = readAnswer(one('code'), refused, one('iss') === pending.issuer);
  if (answer === undefined) return reply(response, 400, 'This is not a complete answer.');
  pending.answered = true;
  pending.answer(answer, (page) => response.writeHead(200, headers).end(page));
}

/** RFC 9207 2.4: an answer that another issuer gave is refused, whatever else it holds. */
function readAnswer(
  code: string | undefined,
  refused: string | undefined,
  fromIssuer: boolean,
): Answer | undefined {
  if (!fromIssuer) return { refused: 'the answer came from another issuer' };
  if (refused !== undefined) return { refused: refused.slice(0, 500) };
  return code === undefined || code === '' ? undefined : { code };
}

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  connection: 'close',
};

function reply(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, headers).end(resultPage('Throughline', text));
}

/** Opens a page in the system's browser, without a shell. Silent when there is none: the address is printed too. */
export function openInBrowser(url: string): void {
  const [program, ...before] = openers[process.platform] ?? ['xdg-open'];
  if (program === undefined) return;
  const child = spawn(program, [...before, url], { stdio: 'ignore', detached: true, shell: false });
  child.on('error', () => undefined);
  child.unref();
}

const openers: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: ['open'],
  // `start` is a word of cmd.exe, which would read the address as a command line.
  win32: ['rundll32.exe', 'url.dll,FileProtocolHandler'],
};
