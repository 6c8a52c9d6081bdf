import { PassThrough } from 'node:stream';
import { readMessage, readSingle } from '../../../gateway-core/codec/ssh/messages.js';
import type { Actor } from '../../../gateway-core/contract/chain.js';
import type { Appended, Decision } from '../../../gateway-core/contract/decision.js';
import type { AuditEventInput } from '../../../gateway-core/contract/events.js';
import type { ConnectionName, SessionId } from '../../../gateway-core/contract/ids.js';
import type { Recorder } from '../../../gateway-core/contract/recorder.js';
import type { SshUse } from '../../../gateway-core/contract/ssh.js';
import type { Decider } from '../../../gateway-core/policy/index.js';
import type { ClientLeg } from '../../../gateway-core/proxy/ssh/client.js';
import { createSshJudge } from '../../../gateway-core/proxy/ssh/judge.js';
import { SshSession } from '../../../gateway-core/proxy/ssh/session.js';
import type { TargetLeg } from '../../../gateway-core/proxy/ssh/target.js';

/** One session between two ends that are played by a test, with a journal that keeps everything a little later. */

/** Stands in everything that policy refuses, and in nothing else that a client says. */
export const forbidden = 'forbidden';
/** What programs print, and nothing else that a target sends as data. */
export const outputByte = 0x6f;

/** One end: what the session sends there, and how messages come from it. */
export class FakeEnd {
  readonly stream = new PassThrough();
  readonly sent: Buffer[] = [];
  sentBytes = 0;
  said: string | undefined;
  #handler: ((payload: Buffer) => void) | undefined;
  readonly #onSend: (payload: Buffer) => void;

  constructor(onSend: (payload: Buffer) => void) {
    this.#onSend = onSend;
    this.stream.on('error', () => undefined);
  }

  /** A message from this end. As with the real one, the bytes are not good any more afterwards. */
  says(payload: Buffer): void {
    const bytes = Buffer.from(payload);
    this.#handler?.(bytes);
    bytes.fill(0xee);
  }

  get reads(): boolean {
    return !this.stream.isPaused();
  }

  readonly leg = {
    stream: this.stream,
    listen: (handler: (payload: Buffer) => void) => {
      this.#handler = handler;
    },
    authenticated: () => undefined,
    send: (payload: Uint8Array) => {
      if (this.stream.writableEnded) return;
      const copy = Buffer.from(payload);
      this.sentBytes += copy.length;
      this.sent.push(copy);
      this.#onSend(copy);
    },
    disconnect: (text: string) => {
      this.said = text;
      this.stream.destroy();
    },
  };

  asClient(): ClientLeg {
    return { leg: this.leg, destroy: () => this.stream.destroy() } as unknown as ClientLeg;
  }

  asTarget(): TargetLeg {
    return { leg: this.leg, destroy: () => this.stream.destroy() } as unknown as TargetLeg;
  }
}

/** Calls back in order, in a later turn; a law that is broken throws where the message is sent. */
class FakeJournal implements Recorder {
  readonly failed = undefined;
  readonly events: AuditEventInput[] = [];
  /** Uses that were allowed, are kept, and have not begun yet. */
  readonly begun = new Map<string, number>();
  keptOutputBytes = 0;
  #waiting: (() => void)[] = [];

  event(event: AuditEventInput, _durability: unknown, done: (appended: Appended) => void): void {
    const position = this.events.push(event);
    this.#later(() => {
      if (event.kind === 'statement.decided' && event.decision === 'allowed') {
        const key = keyOf(event.command ?? '', event.payload?.text ?? '');
        this.begun.set(key, (this.begun.get(key) ?? 0) + 1);
      }
      done({ position } as Appended);
    });
  }

  content(_session: SessionId, _seq: number, stream: string, bytes: Uint8Array): void {
    if (stream !== 'stdout' && stream !== 'stderr' && stream !== 'terminal') return;
    const count = bytes.reduce((sum, byte) => sum + (byte === outputByte ? 1 : 0), 0);
    this.#later(() => {
      this.keptOutputBytes += count;
    });
  }

  flush(done: () => void): void {
    this.#later(done);
  }

  backlogBytes(): number {
    return 0;
  }

  /** Everything that was asked for before this call, and what comes of it, is kept. */
  keepAll(): void {
    while (this.#waiting.length > 0) {
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const each of waiting) each();
    }
  }

  #later(work: () => void): void {
    this.#waiting.push(work);
  }
}

const keyOf = (command: string, text: string): string =>
  command === 'exec' || command === 'subsystem' ? `${command} ${text}` : command;

/** What a message makes the target begin, as the journal names it; undefined: nothing. */
function beginningOf(payload: Buffer): string | undefined {
  const message = readMessage(payload);
  if (message.kind === 'open') return message.type === 'session' ? undefined : 'forward local';
  if (message.kind === 'global-request')
    return /^(tcpip|streamlocal)-forward/.test(message.name) ? 'forward remote' : undefined;
  if (message.kind !== 'request') return undefined;
  switch (message.name) {
    case 'shell':
      return 'shell';
    case 'exec':
      return keyOf('exec', readSingle(message.data).toString());
    case 'subsystem': {
      const name = readSingle(message.data).toString();
      return name === 'sftp' ? 'sftp' : keyOf('subsystem', name);
    }
    case 'auth-agent-req@openssh.com':
      return 'forward agent';
    case 'x11-req':
      return 'forward x11';
    default:
      return undefined;
  }
}

export interface World {
  readonly client: FakeEnd;
  readonly target: FakeEnd;
  readonly journal: FakeJournal;
  /** Mistakes of the session's own: none is right. */
  readonly mistakes: unknown[];
  /** Laws that were broken. */
  readonly broken: string[];
  readonly over: Promise<void>;
  isOver(): boolean;
}

export function openWorld(judgesLines = false): World {
  const journal = new FakeJournal();
  const mistakes: unknown[] = [];
  const broken: string[] = [];
  let over = false;
  let outputSent = 0;
  const sftp = new Set<number>();
  /** What programs read is theirs to judge. */
  const isJudged = (payload: Buffer): boolean => {
    const message = readMessage(payload);
    return message.kind !== 'data' || sftp.has(message.recipient);
  };
  const target = new FakeEnd((payload) => {
    const message = readMessage(payload);
    const key = beginningOf(payload);
    if (payload.includes(forbidden) && isJudged(payload)) broken.push('what is refused reached the target');
    if (over) broken.push('something reached the target behind the end');
    if (message.kind === 'close') sftp.delete(message.recipient);
    if (key === undefined) return;
    if (message.kind === 'request' && key === 'sftp') sftp.add(message.recipient);
    const left = (journal.begun.get(key) ?? 0) - 1;
    journal.begun.set(key, left);
    if (left < 0) broken.push(`${key} reached the target and is not in the journal as allowed`);
  });
  const client = new FakeEnd((payload) => {
    const message = readMessage(payload);
    if (message.kind !== 'data' && message.kind !== 'extended-data') return;
    if (message.data.some((byte) => byte !== outputByte)) return;
    outputSent += message.data.length;
    if (outputSent > journal.keptOutputBytes)
      broken.push('output reached the client before the journal had it');
  });
  const session = new SshSession({
    id: 'ses_1' as SessionId,
    connection: 'host' as ConnectionName,
    actor: { chain: [{ id: 'usr_1' }], expiresAtMs: Number.MAX_SAFE_INTEGER } as unknown as Actor,
    behind: undefined,
    via: 'tunnel',
    durability: 'strict',
    grounds: { policies: [], policyVersion: 'v' },
    recorder: journal,
    desktop: undefined,
    idleTimeoutMs: Number.MAX_SAFE_INTEGER,
    nowMs: Date.now,
    application: undefined,
    judge: createSshJudge({
      decider: () => ({ ssh: decide }) as unknown as Decider,
      rules: [],
      hashKey: Buffer.alloc(32),
      saltKey: Buffer.alloc(32),
      session: 'ses_1',
      judgesLines: () => judgesLines,
      now: Date.now,
    }),
    keepBytesMax: Number.POSITIVE_INFINITY,
    newMasker: undefined,
    gatewayHosts: [],
    onLive: () => undefined,
    onMistake: (error) => mistakes.push(error),
  });
  const ended = session.run(client.asClient(), target.asTarget()).then(() => {
    over = true;
  });
  return { client, target, journal, mistakes, broken, over: ended, isOver: () => over };
}

function decide(use: SshUse): Decision {
  const grounds = { policies: ['p'], policyVersion: 'v' };
  if (!JSON.stringify(use).includes(forbidden)) return { kind: 'allow', grounds, masks: [] };
  return { kind: 'deny', grounds, message: 'no', action: 'ask' };
}
