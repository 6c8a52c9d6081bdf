import type { Duplex } from 'node:stream';
import ssh2, { type Client } from 'ssh2';
import { ThroughlineError } from '../../contract/errors.js';
import { hostKeyAlgorithms, offeredAlgorithms, versionLine } from '../../contract/ssh-algorithms.js';
import { sshLimits } from './limits.js';
import { refusal } from './reasons.js';

export interface SshConnection {
  readonly client: Client;
  /** Called once, when the connection is over: with the reason that the other side gave, where it gave one. */
  onEnd: ((reason: ThroughlineError | undefined) => void) | undefined;
  readonly ended: boolean;
  close(): void;
}

/**
 * An SSH connection to the gateway over a stream that is authenticated already: nothing is proved again (RFC 4252 5.2,
 * method `none`). INVARIANT: nothing is sent before the other side has proved one of `hostKeys`.
 * @throws ThroughlineError verification-failed, denied, target-unreachable, gateway-unreachable
 */
export async function connectSsh(
  stream: Duplex,
  wanted: { readonly user: string; readonly hostKeys: readonly string[] },
): Promise<SshConnection> {
  const client = new ssh2.Client();
  const known = new Set(wanted.hostKeys.map(keyOfLine).filter((key) => key !== undefined));
  const connection = new Connection(client, stream);
  let wrongKey = false;
  let banner = '';
  client.on('banner', (text) => {
    banner = text;
  });
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve);
      connection.onEnd = (reason) => reject(reason ?? lost());
      client.connect({
        sock: stream,
        ident: versionLine,
        username: wanted.user,
        authHandler: ['none'],
        algorithms: { ...offeredAlgorithms(), serverHostKey: [...hostKeyAlgorithms] },
        hostVerifier: (key: Buffer) => {
          wrongKey = !known.has(key.toString('base64'));
          return !wrongKey;
        },
        readyTimeout: sshLimits.connectTimeoutMs,
        // The stream's own end tells, and the gateway watches it, too.
        keepaliveInterval: 0,
      });
      connection.hearGoodbye();
    });
  } catch (cause) {
    connection.close();
    if (wrongKey) throw notTheGateway(known.size);
    throw banner === '' ? cause : refusal('denied', banner, cause);
  }
  connection.onEnd = undefined;
  if (connection.ended) throw lost();
  return connection;
}

/** RFC 4253 11.1: SSH_DISCONNECT_BY_APPLICATION. */
const byApplication = 11;

type HearDisconnect = (self: unknown, reason: number, text: string) => void;
interface Internals {
  readonly _protocol?: { readonly _handlers?: { DISCONNECT?: HearDisconnect } };
}

class Connection implements SshConnection {
  readonly client: Client;
  readonly #stream: Duplex;
  #reason: ThroughlineError | undefined;
  #ended = false;
  onEnd: SshConnection['onEnd'];

  constructor(client: Client, stream: Duplex) {
    this.client = client;
    this.#stream = stream;
    client.on('error', (error) => {
      this.#reason ??= reasonOf(error);
      // After an error nothing more is read: some of them leave the stream open.
      stream.destroy();
    });
    client.on('close', () => this.#end());
    stream.on('error', () => undefined);
    stream.on('close', () => this.#end());
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The gateway ends a session with reason 11, whose text ssh2 keeps to itself (its version is pinned). */
  hearGoodbye(): void {
    const { _protocol: protocol } = this.client as unknown as Internals;
    const { _handlers: handlers } = protocol ?? {};
    const usual = handlers?.DISCONNECT;
    if (handlers === undefined || usual === undefined)
      throw new Error('this is another ssh2 than the pinned one');
    handlers.DISCONNECT = (self, reason, text) => {
      if (reason === byApplication && text !== '') this.#reason ??= refusal('denied', text);
      usual(self, reason, text);
    };
  }

  close(): void {
    if (this.#ended) return;
    this.client.end();
    // A gateway that does not take the goodbye must not hold the session.
    const timer = setTimeout(() => this.#stream.destroy(), 2000);
    timer.unref();
    this.#stream.once('close', () => clearTimeout(timer));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnd?.(this.#reason);
  }
}

/** RFC 4253 11.1: what the other side said as it went, or what went wrong here. */
function reasonOf(error: Error & { readonly level?: string; readonly code?: unknown }): ThroughlineError {
  if (typeof error.code === 'number') return refusal('denied', error.message, error);
  if (error.level === 'client-authentication') {
    return new ThroughlineError('denied', 'the gateway did not let this connection in', { cause: error });
  }
  if (error.level === 'client-timeout') {
    return new ThroughlineError('target-unreachable', 'the target did not answer in time', {
      action: 'try again, or ask an admin whether it runs',
      cause: error,
    });
  }
  return new ThroughlineError('gateway-unreachable', 'the connection to the gateway broke', {
    action: 'connect again',
    cause: error,
  });
}

/** `ssh-ed25519 AAAA... comment` -> the key alone; nothing for another kind of line. */
function keyOfLine(line: string): string | undefined {
  const [, key] = line.trim().split(/\s+/);
  if (key === undefined || !/^[A-Za-z0-9+/]{40,}={0,2}$/.test(key)) return undefined;
  return Buffer.from(key, 'base64').toString('base64');
}

export function lost(): ThroughlineError {
  return new ThroughlineError('gateway-unreachable', 'the connection to the gateway was lost', {
    action: 'connect again',
  });
}

function notTheGateway(known: number): ThroughlineError {
  return new ThroughlineError(
    'verification-failed',
    known === 0
      ? 'this gateway does not say which SSH host key is its own'
      : 'the SSH host key that was shown is not the gateway’s',
    { action: 'tell an admin: nothing was sent' },
  );
}
