import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify } from 'jose';
import {
  type ConnectionDetail,
  clientId,
  demoGrant,
  deviceGrant,
  type GatewayInfo,
  paths,
  type TokenResponse,
  upgradeProtocol,
} from '../../../gateway-core/contract/api.js';
import { ThroughlineError, toProblem } from '../../../gateway-core/contract/errors.js';
import {
  type SpoolAck,
  SpoolAppend,
  saltHeader,
  sessionHeader,
  spoolHeader,
} from '../../../gateway-core/contract/local-record.js';
import { makeCertificates, type TestCertificates } from './certificates.js';

/** What a test wants to be different. All of it can be changed while the gateway runs. */
export interface FakeBehaviour {
  principal: string;
  ticketLifeMs: number;
  /** The nonce is accepted until this changes. */
  nonce: string;
  issuer: string | undefined;
  demo: boolean;
  /** Answers of the device grant, in order; then tokens. */
  deviceAnswers: string[];
  /** Between the refresh request and its answer. */
  refreshDelayMs: number;
  /** Answers for API paths, `METHOD /path` without query: a JSON value, or what a function does. */
  routes: Record<string, unknown>;
  /** What happens on an upgraded stream. A ThroughlineError is refused before the upgrade. */
  stream: ((stream: Duplex, connection: string) => void) | ThroughlineError;
  /** Bytes that follow the 101 in the same packet. */
  streamHead: string;
  /** The session that a stream with a record at the other end will be; undefined: no such thing is known here. */
  session: (() => { readonly session: string; readonly salt: string }) | undefined;
  /** What it does with a desktop's records. */
  spool: ((device: string, segment: number, body: SpoolAppend) => SpoolAck) | undefined;
  logKey: string;
  /** Refuses every connection, as if nobody listened. */
  down: boolean;
}

export type RouteHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  query: URLSearchParams,
) => void;

interface Ticket {
  readonly thumbprint: string;
  readonly principal: string;
  readonly expiresAtMs: number;
}

export interface FakeGateway {
  readonly url: string;
  readonly certificates: TestCertificates;
  /** Directory with `ca.pem` and a 0600 `demo-secret`, as a demo gateway writes it. */
  readonly directory: string;
  readonly caFile: string;
  readonly secretFile: string;
  readonly secret: string;
  readonly behaviour: FakeBehaviour;
  /** `METHOD /path?query` of every request, in order. */
  readonly requests: string[];
  readonly bodies: string[];
  readonly refreshes: { used: number; reused: number };
  readonly revoked: string[];
  /** Every token that was ever issued. */
  readonly tokens: string[];
  endTickets(): void;
  /** Tickets and refresh tokens: as when an admin ends the sign-in. */
  endSignIns(): void;
  /** Cuts every connection. */
  cut(): void;
  /** Cuts every connection and stops listening. */
  kill(): Promise<void>;
}

const defaultConnection = {
  name: 'shop-db',
  protocol: 'postgres',
  labels: { team: 'shop' },
  access: 'allowed',
  user: 'contractor',
  database: 'shop',
} as unknown as ConnectionDetail;

/** A gateway that keeps the contract of the API (DPoP, nonces, rotating refresh tokens) and nothing else. */
export async function startFakeGateway(changes: Partial<FakeBehaviour> = {}): Promise<FakeGateway> {
  const certificates = await makeCertificates(['127.0.0.1', 'localhost']);
  const directory = await mkdtemp(join(tmpdir(), 'fake-gateway-'));
  const secret = randomBytes(24).toString('base64url');
  const caFile = join(directory, 'ca.pem');
  const secretFile = join(directory, 'demo-secret');
  await writeFile(caFile, certificates.caPem);
  await writeFile(secretFile, `${secret}\n`, { mode: 0o600 });
  const server = createServer({ key: certificates.keyPem, cert: certificates.chainPem });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const behaviour: FakeBehaviour = {
    principal: 'demo/contractor',
    ticketLifeMs: 600_000,
    nonce: 'nonce-1',
    issuer: undefined,
    demo: true,
    deviceAnswers: [],
    refreshDelayMs: 0,
    routes: {},
    stream: (stream) => stream.pipe(stream),
    streamHead: '',
    session: undefined,
    spool: undefined,
    logKey: 'fake+00000000+AAAA',
    down: false,
    ...changes,
  };
  const tickets = new Map<string, Ticket>();
  const refreshTokens = new Map<string, Ticket>();
  const codes = new Map<string, { challenge: string; thumbprint: string; redirectUri: string }>();
  const usedRefreshTokens = new Set<string>();
  const proofs = new Set<string>();
  const gateway: FakeGateway = {
    url,
    certificates,
    directory,
    caFile,
    secretFile,
    secret,
    behaviour,
    requests: [],
    bodies: [],
    refreshes: { used: 0, reused: 0 },
    revoked: [],
    tokens: [],
    endTickets: () => tickets.clear(),
    endSignIns: () => {
      tickets.clear();
      refreshTokens.clear();
    },
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    kill: async () => {
      gateway.cut();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const sockets = new Set<Duplex>();
  server.on('connection', (socket: Duplex) => {
    if (behaviour.down) return void socket.destroy();
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  async function checkProof(request: IncomingMessage, accessToken?: string): Promise<string> {
    const proof = request.headers['dpop'];
    if (typeof proof !== 'string') throw new ThroughlineError('proof-invalid', 'no proof');
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
    });
    const expected = `${url}${(request.url ?? '').split('?')[0]}`;
    const ath =
      accessToken === undefined ? undefined : createHash('sha256').update(accessToken).digest('base64url');
    if (payload['nonce'] !== behaviour.nonce) throw new ThroughlineError('proof-nonce', 'another nonce');
    if (payload['htm'] !== request.method || payload['htu'] !== expected || payload['ath'] !== ath) {
      throw new ThroughlineError('proof-invalid', 'the proof is for another request');
    }
    if (payload.jti === undefined || proofs.has(payload.jti))
      throw new ThroughlineError('proof-invalid', 'replayed');
    proofs.add(payload.jti);
    if (protectedHeader.jwk === undefined || 'd' in protectedHeader.jwk) {
      throw new ThroughlineError('proof-invalid', 'no public key');
    }
    return calculateJwkThumbprint(protectedHeader.jwk);
  }

  async function authenticate(request: IncomingMessage): Promise<Ticket> {
    const token = /^DPoP (\S+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    const thumbprint = await checkProof(request, token);
    const ticket = tickets.get(token);
    if (ticket === undefined || ticket.expiresAtMs < Date.now()) {
      throw new ThroughlineError('not-signed-in', 'the ticket has ended');
    }
    if (ticket.thumbprint !== thumbprint) throw new ThroughlineError('proof-invalid', 'another device');
    return ticket;
  }

  function issue(thumbprint: string): TokenResponse {
    const access = `tkt_${randomUUID()}`;
    const refresh = `rft_${randomUUID()}`;
    const ticket = {
      thumbprint,
      principal: behaviour.principal,
      expiresAtMs: Date.now() + behaviour.ticketLifeMs,
    };
    tickets.set(access, ticket);
    refreshTokens.set(refresh, ticket);
    gateway.tokens.push(access, refresh);
    return {
      access_token: access,
      token_type: 'DPoP',
      expires_in: behaviour.ticketLifeMs / 1000,
      refresh_token: refresh,
      principal: behaviour.principal,
    };
  }

  async function grant(form: URLSearchParams, thumbprint: string): Promise<TokenResponse | string> {
    if (form.get('client_id') !== clientId) return 'invalid_client';
    switch (form.get('grant_type') ?? '') {
      case demoGrant:
        return form.get('demo_secret') === secret ? issue(thumbprint) : 'invalid_grant';
      case deviceGrant:
        return behaviour.deviceAnswers.shift() ?? issue(thumbprint);
      case 'authorization_code': {
        const code = codes.get(form.get('code') ?? '');
        codes.delete(form.get('code') ?? '');
        const challenge = createHash('sha256')
          .update(form.get('code_verifier') ?? '')
          .digest('base64url');
        const fits =
          code?.challenge === challenge &&
          code.thumbprint === thumbprint &&
          code.redirectUri === form.get('redirect_uri');
        return fits ? issue(thumbprint) : 'invalid_grant';
      }
      case 'refresh_token': {
        const token = form.get('refresh_token') ?? '';
        if (usedRefreshTokens.has(token)) gateway.refreshes.reused += 1;
        const known = refreshTokens.get(token);
        refreshTokens.delete(token);
        usedRefreshTokens.add(token);
        if (known?.thumbprint !== thumbprint) return 'invalid_grant';
        gateway.refreshes.used += 1;
        await new Promise((resolve) => setTimeout(resolve, behaviour.refreshDelayMs));
        return issue(thumbprint);
      }
      default:
        return 'unsupported_grant_type';
    }
  }

  function authorize(query: URLSearchParams, response: ServerResponse): void {
    const code = randomUUID();
    const redirectUri = query.get('redirect_uri') ?? '';
    codes.set(code, {
      challenge: query.get('code_challenge') ?? '',
      thumbprint: query.get('dpop_jkt') ?? '',
      redirectUri,
    });
    const location = new URL(redirectUri);
    location.search = new URLSearchParams({ code, state: query.get('state') ?? '', iss: url }).toString();
    response.writeHead(302, { location: location.href }).end();
  }

  const info = (): GatewayInfo => ({
    name: 'fake',
    version: '0.0.0',
    demo: behaviour.demo,
    issuer: behaviour.issuer ?? url,
    logKey: behaviour.logKey,
    listeners: { postgres: '127.0.0.1:15432' },
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '', url);
    const body = await text(request);
    gateway.bodies.push(body);
    response.setHeader('dpop-nonce', behaviour.nonce);
    if (pathname === paths.gateway) return json(response, info());
    if (pathname === paths.authorize) return authorize(searchParams, response);
    if (request.method === 'POST' && pathname === paths.revokeToken) {
      gateway.revoked.push(new URLSearchParams(body).get('token') ?? '');
      return json(response, {});
    }
    if (pathname === paths.token || pathname === paths.deviceAuthorization) {
      return oauth(request, response, pathname, body);
    }
    const ticket = await authenticate(request);
    const spooled = /^\/v1\/spool\/([^/]+)\/(\d+)$/.exec(pathname);
    if (behaviour.spool !== undefined && spooled !== null) {
      const [, device = '', segment] = spooled;
      return json(response, behaviour.spool(device, Number(segment), SpoolAppend.parse(JSON.parse(body))));
    }
    const route = { ...defaultRoutes(ticket), ...behaviour.routes }[`${request.method} ${pathname}`];
    if (typeof route === 'function') return (route as RouteHandler)(request, response, body, searchParams);
    if (route instanceof ThroughlineError) throw route;
    if (route === undefined) throw new ThroughlineError('not-found', `there is nothing at ${pathname}`);
    json(response, route);
  }

  async function oauth(
    request: IncomingMessage,
    response: ServerResponse,
    pathname: string,
    body: string,
  ): Promise<void> {
    try {
      const thumbprint = await checkProof(request);
      if (pathname === paths.deviceAuthorization) {
        return json(response, {
          device_code: 'device-code',
          user_code: 'ABCD-EFGH',
          verification_uri: `${url}/oauth/device`,
          verification_uri_complete: `${url}/oauth/device?user_code=ABCD-EFGH`,
          expires_in: 60,
          interval: 0,
        });
      }
      const granted = await grant(new URLSearchParams(body), thumbprint);
      if (typeof granted === 'string')
        return json(response, { error: granted, error_description: `said ${granted}` }, 400);
      json(response, granted);
    } catch (error) {
      const nonce = error instanceof ThroughlineError && error.code === 'proof-nonce';
      json(response, { error: nonce ? 'use_dpop_nonce' : 'invalid_dpop_proof' }, 400);
    }
  }

  const defaultRoutes = (ticket: Ticket): Record<string, unknown> => ({
    [`GET ${paths.whoami}`]: {
      principal: ticket.principal,
      groups: ['contractors'],
      expiresAt: new Date(ticket.expiresAtMs).toISOString(),
      deviceKey: ticket.thumbprint,
    },
    [`GET ${paths.connections}`]: [defaultConnection],
  });

  server.on('request', (request, response) => {
    gateway.requests.push(`${request.method} ${request.url}`);
    answer(request, response).catch((error: unknown) => problem(response, error, behaviour.nonce));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    gateway.requests.push(`${request.method} ${request.url}`);
    socket.on('error', () => undefined);
    upgrade(request, socket, head).catch((error: unknown) => refuse(socket, error, behaviour.nonce));
  });

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    await authenticate(request);
    if (request.headers.upgrade !== upgradeProtocol)
      throw new ThroughlineError('invalid-request', 'no upgrade');
    const { stream } = behaviour;
    if (stream instanceof ThroughlineError) throw stream;
    const recorded = request.headers[spoolHeader] === undefined ? undefined : behaviour.session?.();
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'connection: Upgrade',
      `upgrade: ${upgradeProtocol}`,
      ...(recorded === undefined
        ? []
        : [`${sessionHeader}: ${recorded.session}`, `${saltHeader}: ${recorded.salt}`]),
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n${behaviour.streamHead}`);
    if (head.length > 0) socket.unshift(head);
    stream(socket, decodeURIComponent((request.url ?? '').split('/')[3] ?? ''));
  }

  return gateway;
}

export function json(response: ServerResponse, value: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function problemOf(error: unknown): { status: number; body: string; challenge: string | undefined } {
  const known = error instanceof ThroughlineError ? error : new ThroughlineError('internal', String(error));
  const answer = toProblem(known);
  const word = {
    'not-signed-in': 'invalid_token',
    'proof-nonce': 'use_dpop_nonce',
    'proof-invalid': 'invalid_dpop_proof',
  }[known.code as string];
  return {
    status: answer.status,
    body: JSON.stringify(answer),
    challenge: word === undefined ? undefined : `DPoP error="${word}", algs="ES256"`,
  };
}

function problem(response: ServerResponse, error: unknown, nonce: string): void {
  const { status, body, challenge } = problemOf(error);
  response.writeHead(status, {
    'content-type': 'application/problem+json',
    'dpop-nonce': nonce,
    ...(challenge === undefined ? {} : { 'www-authenticate': challenge }),
  });
  response.end(body);
}

function refuse(socket: Duplex, error: unknown, nonce: string): void {
  const { status, body, challenge } = problemOf(error);
  const headers = [
    `HTTP/1.1 ${status} Refused`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `dpop-nonce: ${nonce}`,
    'connection: close',
    ...(challenge === undefined ? [] : [`www-authenticate: ${challenge}`]),
  ];
  socket.end(`${headers.join('\r\n')}\r\n\r\n${body}`);
}
