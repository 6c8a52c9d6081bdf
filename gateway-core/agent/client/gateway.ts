import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import { paths } from '../../contract/api.js';
import { type Lineage, lineageHeader, tokensHeader } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { SessionId } from '../../contract/ids.js';
import { saltHeader, sessionHeader, spoolHeader, wireSaltBytes } from '../../contract/local-record.js';
import { header, isSuccess, parseAnswer, readBytes, readLines, readProblem, readText } from './answers.js';
import { type DeviceKey, deviceKey } from './dpop.js';
import type { InheritedDelegation } from './inherited.js';
import { createNonce, type Session } from './oauth.js';
import { type ClientState, openState, type SignIn } from './state.js';
import { createTickets, notSignedIn, type Tickets } from './tickets.js';
import { createTransport, type UpgradeAnswer } from './transport.js';
import { gatewayOrigin, type Trust, trustAuthority } from './trust.js';

/** One request to the API. */
export interface ApiCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | undefined>>;
  readonly body?: unknown;
  /** Of the process that it is about, where that is not this one. */
  readonly lineage?: Lineage | undefined;
}

/** A gateway as the person who is signed in on this device. Every method throws ThroughlineError. */
export interface Gateway {
  readonly url: string;
  readonly trust: Trust;
  /** RFC 7638 thumbprint. */
  readonly deviceKey: string;
  /** The root of every chain that starts here. */
  readonly principal: string;
  /** A JSON answer, checked against the contract. */
  json<T>(call: ApiCall, schema: z.ZodType<T>): Promise<T>;
  /** An answer of any kind as text: empty ones, signed notes. */
  text(call: ApiCall): Promise<string>;
  /** A streamed answer, each line checked. */
  lines<T>(call: ApiCall, schema: z.ZodType<T>): AsyncGenerator<T>;
  /** The answer's bytes, as they come. */
  bytes(call: ApiCall): AsyncGenerator<Uint8Array>;
  /** A streamed answer that goes on until `abort`, which also ends a read that waits. */
  follow<T>(call: ApiCall, schema: z.ZodType<T>): Following<T>;
  /**
   * One session on a connection: the raw protocol stream (`Upgrade: throughline/1`). `lineage`: the program that it is
   * for, where the operating system tells.
   */
  openStream(connection: string, lineage?: Lineage, by?: StreamFacts['by']): Promise<Duplex>;
  /** The same gateway, as a delegation that is held by `key`. To be closed by itself. */
  as(delegation: string, key: DeviceKey): Gateway;
  close(): void;
}

export interface Following<T> {
  readonly items: AsyncIterable<T>;
  abort(): void;
}

/** A stream that has just been opened, for the record of this side. */
export interface StreamFacts {
  readonly session: SessionId;
  /** Of the session's block hashes, 32 bytes. */
  readonly salt: Buffer;
  /** The stream's first bytes, which came with the answer. */
  readonly head: Buffer;
  readonly connection: string;
  /** tunnel: a program of the person; built-in: the SQL editor and the like. */
  readonly by: 'tunnel' | 'built-in';
  readonly lineage: Lineage | undefined;
}

/** Keeps this side's record of sessions (agent/recording). */
export interface StreamRecorder {
  /** Of the spool that will hold the next session's records; undefined while nothing can be kept. */
  segment(): Promise<number | undefined>;
  /**
   * Listens from the moment that it is called; nobody has read or written the stream. Resolves once the session's
   * beginning is durable. @throws ThroughlineError not-recordable
   */
  begin(stream: Duplex, facts: StreamFacts): Promise<void>;
  /** The gateway opened a stream and takes no records of it. */
  unwanted(): void;
}

export interface GatewayOptions {
  /** PEM text of the gateway's certificate authority, instead of what the sign-in pinned. */
  readonly ca?: string;
  readonly state?: ClientState;
  /** Who stands behind requests that this process makes on its own. Asked for each. */
  readonly lineage?: () => Lineage | undefined;
  /** Records this side of each stream. */
  readonly recorder?: StreamRecorder | undefined;
  /** Speaks as this delegation of the person who is signed in. */
  readonly delegation?: InheritedDelegation | undefined;
}

/**
 * Opens a gateway with the sign-in that `login` kept. No request is made yet.
 * @throws ThroughlineError not-signed-in, usage
 */
export async function openGateway(url: string, options: GatewayOptions = {}): Promise<Gateway> {
  const origin = gatewayOrigin(url);
  const state = options.state ?? openState();
  const signIn = await state.signIn(origin);
  if (signIn?.tokens === undefined) throw notSignedIn(origin);
  const trust = options.ca === undefined ? await keptTrust(state, origin) : trustAuthority(options.ca, 'ca');
  const session: Session = {
    transport: createTransport(origin, trust),
    key: deviceKey(signIn.deviceKey),
    nonce: createNonce(),
  };
  const { delegation } = options;
  const tickets =
    delegation === undefined
      ? createTickets(state, session, signIn.tokens)
      : fixed(`${delegation.id}.${delegation.handle}`);
  const { lineage, recorder } = options;
  return gatewayOf({ ...session, lineage, recorder, tokens: [] }, trust, tickets, signIn.tokens);
}

/** A delegation that is held by its own key, with the offline-minted hops that lead to it. */
export interface HeldCredential {
  readonly url: string;
  readonly trust: Trust;
  readonly principal: string;
  readonly delegation: string;
  readonly key: DeviceKey;
  readonly tokens: readonly string[];
  readonly lineage?: (() => Lineage | undefined) | undefined;
  readonly recorder?: StreamRecorder | undefined;
}

/** A gateway as a delegation, without any sign-in on this device. No request is made yet. */
export function openHeld(held: HeldCredential): Gateway {
  const origin = gatewayOrigin(held.url);
  const { key, lineage, recorder, tokens, trust, principal } = held;
  const transport = createTransport(origin, trust);
  const speaker = { transport, key, nonce: createNonce(), lineage, recorder, tokens };
  return gatewayOf(speaker, trust, fixed(held.delegation), { principal });
}

/** A credential that nothing renews. */
function fixed(credential: string): Tickets {
  return {
    current: () => Promise.resolve(credential),
    replace: () => {
      throw new ThroughlineError('not-signed-in', 'the delegation has ended: it expired, or it was revoked', {
        action: 'ask whoever started this for a new one',
      });
    },
  };
}

interface Speaker extends Session {
  readonly lineage: (() => Lineage | undefined) | undefined;
  readonly recorder: StreamRecorder | undefined;
  readonly tokens: readonly string[];
}

async function keptTrust(state: ClientState, origin: string): Promise<Trust> {
  const settings = await state.settings();
  const trust = settings.gateways[origin]?.trust;
  if (trust === undefined) throw notSignedIn(origin);
  return trust;
}

function gatewayOf(
  session: Speaker,
  trust: Trust,
  tickets: Tickets,
  { principal }: Pick<NonNullable<SignIn['tokens']>, 'principal'>,
): Gateway {
  const { origin } = session.transport;
  const answer = (call: ApiCall): Promise<IncomingMessage> =>
    checked(origin, sendCall(session, tickets, call));
  return {
    url: origin,
    trust,
    deviceKey: session.key.thumbprint,
    principal,
    json: async (call, schema) => parseAnswer(origin, await readText(origin, await answer(call)), schema),
    text: async (call) => readText(origin, await answer(call)),
    lines: async function* (call, schema) {
      for await (const line of readLines(origin, await answer(call))) yield parseAnswer(origin, line, schema);
    },
    bytes: async function* (call) {
      yield* readBytes(origin, await answer(call));
    },
    follow: (call, schema) => follow(origin, () => answer(call), schema),
    openStream: (connection, lineage, by = 'tunnel') =>
      openStream(session, tickets, { connection, by, lineage: lineage ?? session.lineage?.() }),
    as: (delegation, key) => {
      const { lineage, recorder } = session;
      return openHeld({ url: origin, trust, principal, delegation, key, tokens: [], lineage, recorder });
    },
    close: () => session.transport.close(),
  };
}

function follow<T>(origin: string, open: () => Promise<IncomingMessage>, schema: z.ZodType<T>): Following<T> {
  let message: IncomingMessage | undefined;
  let aborted = false;
  async function* items(): AsyncGenerator<T> {
    message = await open();
    if (aborted) return void message.destroy();
    try {
      for await (const line of readLines(origin, message)) yield parseAnswer(origin, line, schema);
    } catch (error) {
      if (!aborted) throw error;
    }
  }
  return {
    items: items(),
    abort: () => {
      aborted = true;
      message?.destroy();
    },
  };
}

async function checked(origin: string, sent: Promise<IncomingMessage>): Promise<IncomingMessage> {
  const message = await sent;
  if (isSuccess(message)) return message;
  throw await readProblem(origin, message);
}

function target(call: ApiCall): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(call.query ?? {})) {
    if (value !== undefined) query.set(name, value);
  }
  return query.size === 0 ? call.path : `${call.path}?${query.toString()}`;
}

function sendCall(session: Speaker, tickets: Tickets, call: ApiCall): Promise<IncomingMessage> {
  const path = target(call);
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const content: Record<string, string> =
    body === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
  return withTicket(session, tickets, call.method, path, (headers) =>
    session.transport.send({
      method: call.method,
      path,
      headers: {
        accept: 'application/json',
        ...content,
        ...placeOf(session, call.lineage ?? session.lineage?.()),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    }),
  );
}

/** Which processes are behind a request, and the hops that the gateway may not have seen. */
function placeOf({ tokens }: Speaker, lineage: Lineage | undefined): Record<string, string> {
  return {
    ...(lineage === undefined
      ? {}
      : { [lineageHeader]: Buffer.from(JSON.stringify(lineage)).toString('base64url') }),
    ...(tokens.length === 0 ? {} : { [tokensHeader]: tokens.join(',') }),
  };
}

type WantedStream = Pick<StreamFacts, 'connection' | 'by' | 'lineage'>;

/** A desktop that cannot record asks for the session without: whether it may run so is the gateway's to say. */
async function openStream(session: Speaker, tickets: Tickets, wanted: WantedStream): Promise<Duplex> {
  const { recorder } = session;
  const segment = await recorder?.segment();
  const { stream, head, message } = await upgraded(session, tickets, wanted, segment);
  if (recorder === undefined || segment === undefined) return withHead(stream, head);
  const facts = recordable(message);
  if (facts === undefined) {
    recorder.unwanted();
    return withHead(stream, head);
  }
  try {
    const begun = recorder.begin(stream, { ...wanted, ...facts, head });
    stream.on('error', () => undefined);
    await begun;
  } catch (error) {
    stream.destroy();
    if (!(error instanceof ThroughlineError) || error.code !== 'not-recordable') throw error;
    const unrecorded = await upgraded(session, tickets, wanted, undefined);
    return withHead(unrecorded.stream, unrecorded.head);
  }
  return withHead(stream, head);
}

function withHead(stream: Duplex, head: Buffer): Duplex {
  if (head.length > 0) stream.unshift(head);
  return stream;
}

/** What the gateway says of the session, when it takes records of it. */
function recordable(message: IncomingMessage): Pick<StreamFacts, 'session' | 'salt'> | undefined {
  const id = SessionId.safeParse(header(message, sessionHeader));
  const salt = Buffer.from(header(message, saltHeader) ?? '', 'hex');
  return id.success && salt.length === wireSaltBytes ? { session: id.data, salt } : undefined;
}

type Upgraded = Extract<UpgradeAnswer, { kind: 'stream' }>;

/** @throws ThroughlineError also for an answer that is no stream */
async function upgraded(
  session: Speaker,
  tickets: Tickets,
  { connection, lineage }: WantedStream,
  segment: number | undefined,
): Promise<Upgraded> {
  const { origin } = session.transport;
  const path = paths.stream(connection);
  let opened: Upgraded | undefined;
  const message = await withTicket(session, tickets, 'GET', path, async (headers) => {
    const answered = await session.transport.upgrade(path, {
      ...placeOf(session, lineage),
      ...(segment === undefined ? {} : { [spoolHeader]: String(segment) }),
      ...headers,
    });
    if (answered.kind === 'stream') opened = answered;
    return answered.message;
  });
  if (opened !== undefined) return opened;
  if (!isSuccess(message)) throw await readProblem(origin, message);
  message.destroy();
  throw new ThroughlineError('internal', `the gateway at ${origin} did not open a stream`, {
    action: 'check that nothing between here and the gateway removes HTTP upgrades',
  });
}

const attemptsMax = 3;

/**
 * Sends a request with ticket and proof. A 401 is answered with the new nonce once, and with a new ticket once;
 * any other answer, and the last one, is the caller's.
 */
async function withTicket(
  session: Session,
  tickets: Tickets,
  method: string,
  path: string,
  send: (headers: Record<string, string>) => Promise<IncomingMessage>,
): Promise<IncomingMessage> {
  const url = `${session.transport.origin}${path}`;
  let ticket = await tickets.current();
  let renonced = false;
  let replaced = false;
  for (let attempt = 1; ; attempt++) {
    const proof = session.key.prove({ method, url, accessToken: ticket, ...session.nonce.forProof() });
    const message = await send({ authorization: `DPoP ${ticket}`, dpop: proof });
    session.nonce.learn(message);
    const wants = message.statusCode === 401 && attempt < attemptsMax ? refusedFor(message) : 'other';
    if (wants === 'nonce' && !renonced) renonced = true;
    else if (wants === 'ticket' && !replaced) {
      replaced = true;
      ticket = await tickets.replace(ticket);
    } else return message;
    message.resume();
  }
}

/** RFC 9449 7.1 and 9: why a 401 came, by its challenge. A wrong proof is not mended by a new ticket. */
function refusedFor(message: IncomingMessage): 'nonce' | 'ticket' | 'other' {
  const challenge = header(message, 'www-authenticate') ?? '';
  if (/error="?use_dpop_nonce/.test(challenge)) return 'nonce';
  return /error="?invalid_dpop_proof/.test(challenge) ? 'other' : 'ticket';
}
