import { rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { loadParser } from '../../gateway-core/codec/postgres/statement/index.js';
import type { Actor } from '../../gateway-core/contract/chain.js';
import { ConnectionConfig } from '../../gateway-core/contract/connection.js';
import type { SessionId } from '../../gateway-core/contract/ids.js';
import type { JournalRecord, Recorder } from '../../gateway-core/contract/recorder.js';
import { decider, loadPolicyEngine } from '../../gateway-core/policy/index.js';
import { CancelKeys } from '../../gateway-core/proxy/postgres/cancel.js';
import { CatalogCache } from '../../gateway-core/proxy/postgres/catalog.js';
import { sortParameters, startClient } from '../../gateway-core/proxy/postgres/client-startup.js';
import { sayFatal } from '../../gateway-core/proxy/postgres/farewell.js';
import { refusalOf } from '../../gateway-core/proxy/postgres/faults.js';
import { createJudge } from '../../gateway-core/proxy/postgres/judge.js';
import { PostgresSession } from '../../gateway-core/proxy/postgres/session.js';
import type { Target } from '../../gateway-core/proxy/postgres/upstream.js';
import { demoConnection, demoPolicies } from '../../gateway-core/server/demo/defaults.js';
import { demoTarget } from '../../gateway-core/server/demo/target.js';
import { openJournal } from '../../gateway-core/store/journal/journal.js';
import { openJournalSource } from '../../gateway-core/store/journal/source.js';
import { temporaryFolder } from '../folders.js';
import { packet, query, type RawSocket, rawSocket, startupPacket } from './postgres-socket.js';

/** The proxy's rooms alone, composed in this process in front of a PostgreSQL of its own or a hostile target. */
export interface Stack {
  /** Signed in at the proxy: the first ReadyForQuery is read. */
  open(groups: readonly string[], options?: { target?: string }): Promise<Client>;
  readonly socketDirectory: string;
  readonly password: string;
  /** Everything that the journal holds by now, of one session where it is named. */
  journal(session?: string): JournalRecord[];
  /** How each intent was asked to be kept, in order: `SELECT recorded`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

export interface Client {
  readonly socket: RawSocket;
  readonly stream: Socket;
  /** All bytes that the gateway has sent. */
  readonly heard: () => Buffer;
  readonly session: SessionId;
  readonly key: { processId: number; secretKey: Buffer };
  readonly port: number;
  /** Settles when the session is over; rejects with what broke it. */
  readonly over: Promise<void>;
}

const password = 'pw1';
const key = Buffer.alloc(32, 1);

export async function startStack(): Promise<Stack> {
  await loadParser();
  const directory = temporaryFolder('throughline-red-team-');
  const database = demoTarget(join(directory, 'target'));
  const socketDirectory = await database.start(password);
  const journalDirectory = join(directory, 'journal');
  const journal = await openJournal({
    directory: journalDirectory,
    key,
    node: 'test',
    nowMs: () => Date.now(),
  });
  const compiled = (await loadPolicyEngine()).compile(demoPolicies);
  if (!compiled.ok) throw new Error('the demo policies do not compile');
  const { policies } = compiled;
  const keys = new CancelKeys();
  const asked: string[] = [];
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  let sessions = 0;

  async function open(groups: readonly string[], options: { target?: string } = {}): Promise<Client> {
    const address = options.target ?? `${socketDirectory}:5432`;
    const authentication = options.target === undefined ? 'scram' : 'trust';
    const connection = ConnectionConfig.parse(demoConnection({ address, authentication, password }));
    const target: Target = {
      address: () => Promise.resolve(address),
      database: 'shop',
      tls: 'off',
      authentication,
      credential: () => Promise.resolve({ user: 'shop', password }),
    };
    const catalogTarget = {
      ...target,
      address: () => Promise.resolve(`${socketDirectory}:5432`),
      authentication: 'scram' as const,
    };
    const catalog = new CatalogCache(catalogTarget, () => Date.now());
    const actor: Actor = {
      chain: [{ id: 'demo/red', kind: 'person', name: 'Red', assurance: 'proven' }],
      scopes: [{}],
      groups: [...groups],
      signIn: 'sgn_red',
      expiresAtMs: Date.now() + 3_600_000,
    };
    const id = `ses_${String(sessions++).padStart(26, '0')}` as SessionId;
    let settle: (run: Promise<void>) => void = () => undefined;
    const over = new Promise<void>((resolve, reject) => {
      settle = (run) => {
        run.then(resolve, reject);
      };
    });
    over.catch(() => undefined);
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on('error', () => undefined);
      settle(serve(socket));
    });
    async function serve(socket: Socket): Promise<void> {
      const start = await startClient(socket, undefined, AbortSignal.timeout(30_000));
      if (start.kind === 'cancel') {
        keys.cancel(start.processId, start.secretKey, undefined);
        start.stream.end();
        return;
      }
      if (start.kind !== 'startup') throw new Error(start.reason);
      const sorted = sortParameters(start.message.parameters);
      if (sorted.kind === 'refused') {
        await sayFatal(start.stream, { code: sorted.code, message: sorted.reason, hint: undefined });
        return;
      }
      const decides = decider(policies, actor, connection);
      const judge = createJudge({
        decider: () => decides,
        policyVersion: () => policies.version,
        usesTime: () => false,
        masks: connection.masks,
        catalog,
        hashKey: Buffer.alloc(32),
        saltKey: Buffer.alloc(32),
        sessionSalt: id,
        now: () => Date.now(),
      });
      const session = new PostgresSession({
        id,
        client: start.stream,
        minor: start.minor,
        greeting: start.negotiation,
        behind: undefined,
        actor,
        connection: connection.name,
        via: 'tunnel',
        application: sorted.application,
        settings: sorted.settings,
        target,
        recorder: noted(journal, asked),
        judge,
        grounds: { policies: [], policyVersion: '' },
        durability: 'grouped',
        marks: false,
        desktop: undefined,
        keepBytesMax: 4_000_000,
        idleTimeoutMs: 3_600_000,
        cancelKeys: keys,
        nowMs: () => Date.now(),
        onLive: () => undefined,
        onMistake: () => undefined,
      });
      try {
        await session.run(AbortSignal.timeout(30_000));
      } catch (error) {
        await sayFatal(start.stream, refusalOf(error));
      }
    }
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const stream = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    sockets.push(stream);
    const heard: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => heard.push(chunk));
    const socket = rawSocket(stream);
    socket.write(startupPacket({ user: 'red', database: 'shop' }));
    const greeting = await socket.messagesUntil('Z');
    const keyData = greeting.find((each) => each.type === 'K')?.body ?? Buffer.alloc(8);
    return {
      socket,
      stream,
      heard: () => Buffer.concat(heard),
      session: id,
      port,
      key: { processId: keyData.readInt32BE(0), secretKey: keyData.subarray(4) },
      over,
    };
  }

  return {
    open,
    asked,
    socketDirectory,
    password,
    journal(session) {
      const source = openJournalSource({ directory: journalDirectory, key });
      try {
        return [...source.read(0)].filter(
          (record) =>
            session === undefined ||
            (record.kind === 'event'
              ? 'session' in record.event && record.event.session === session
              : record.session === session),
        );
      } finally {
        source.close();
      }
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      await database.stop();
      await journal.close();
      rmSync(directory, { recursive: true, force: true });
      if (database.directory.startsWith('/var/lib/throughline/demo-'))
        rmSync(database.directory, { recursive: true, force: true });
    },
  };
}

function noted(journal: Recorder, asked: string[]): Recorder {
  return {
    event: (event, durability, done) => {
      if (event.kind === 'statement.decided') asked.push(`${event.command} ${durability}`);
      journal.event(event, durability, done);
    },
    content: (session, seq, stream, bytes) => journal.content(session, seq, stream, bytes),
    flush: (done, session) => journal.flush(done, session),
    backlogBytes: () => journal.backlogBytes(),
    get failed() {
      return journal.failed;
    },
  };
}

export const parse = (name: string, text: string): Buffer =>
  packet('P', `${name}\0${text}\0`, Buffer.alloc(2));
export const bind = (portal: string, statement: string): Buffer =>
  packet('B', `${portal}\0${statement}\0`, Buffer.alloc(6));
export const execute = (portal: string, rowsMax = 0): Buffer => {
  const rows = Buffer.alloc(4);
  rows.writeInt32BE(rowsMax);
  return packet('E', `${portal}\0`, rows);
};
export const describePortal = (portal: string): Buffer => packet('D', `P${portal}\0`);
export const closeStatement = (name: string): Buffer => packet('C', `S${name}\0`);
export const closePortal = (name: string): Buffer => packet('C', `P${name}\0`);
export const sync = (): Buffer => packet('S');
export { packet, query };

/** A target that signs anyone in, then answers with what `speak` says, once for each chunk that it gets. */
export async function hostileTarget(
  directory: string,
  speak: (socket: Socket) => void,
): Promise<{ address: string; readonly spoken: Promise<void>; close(): Promise<void> }> {
  let told: () => void = () => undefined;
  const spoken = new Promise<void>((resolve) => {
    told = resolve;
  });
  const port = 7000 + hostileTargets++;
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    let started = false;
    socket.on('data', () => {
      if (started) {
        speak(socket);
        // Behind what was said, and a turn of the loop for the gateway to read it.
        socket.write('', () => setTimeout(told, 5));
        return;
      }
      started = true;
      const parameter = (name: string, value: string): Buffer => packet('S', `${name}\0${value}\0`);
      socket.write(
        Buffer.concat([
          packet('R', Buffer.alloc(4)),
          parameter('standard_conforming_strings', 'on'),
          parameter('client_encoding', 'UTF8'),
          packet('K', Buffer.alloc(8, 1)),
          packet('Z', 'I'),
        ]),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, `.s.PGSQL.${port}`), resolve));
  return {
    address: `${directory}:${port}`,
    spoken,
    close: () => {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

let hostileTargets = 0;
