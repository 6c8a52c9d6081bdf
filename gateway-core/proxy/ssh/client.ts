import type { Duplex } from 'node:stream';
import ssh2, { type AuthContext, type AuthenticationType, type Connection, type Server } from 'ssh2';
import { offeredAlgorithms, versionLine } from '../../contract/ssh-algorithms.js';
import { isDeviceKey, isQuestion, signedKey } from './device-key.js';
import type { HostIdentity } from './host-identity.js';
import { Leg, loadLibrary, streamOf } from './library.js';

/** Attempts to sign in, in one connection. */
const attemptsMax = 20;

/** How somebody wants to sign in. `none` is for those whose stream is authenticated already. */
export type Attempt =
  | { readonly method: 'none' | 'other'; readonly user: string }
  | { readonly method: 'password'; readonly user: string; readonly password: string }
  /** The key's owner signed for this very connection and user: as in authorized_keys. */
  | { readonly method: 'key'; readonly user: string; readonly publicKey: string };

export interface Guard {
  /**
   * Whether it is worth signing with a key; `fits`: it is of the kind that devices have. Whose key it is must make no
   * difference: who asks has proved nothing yet.
   */
  takesKey(user: string, fits: boolean): boolean;
  /** Asked for every attempt. What it throws is told to the client, and ends it. */
  decide(attempt: Attempt): Promise<boolean>;
  /** Somebody is in, who hears so when this resolves; what it throws is told. `software`: as the version line says. */
  accepted(software: string): Promise<void>;
  readonly violated: (reason: string) => void;
}

export interface ClientLeg {
  readonly leg: Leg;
  destroy(): void;
}

/** What a client meets: transport, then signing in as `decide` says. */
export class SshDoor {
  readonly #server: Server;
  readonly #waiting = new WeakMap<Duplex, (client: Connection, software: string) => void>();

  constructor(identity: HostIdentity) {
    loadLibrary();
    // The package would send keep-alives of its own, whose answers it could not tell from the target's.
    (ssh2.Server as unknown as { KEEPALIVE_CLIENT_INTERVAL: number }).KEEPALIVE_CLIENT_INTERVAL = 0;
    this.#server = new ssh2.Server({
      hostKeys: [identity.privateKey],
      ident: versionLine,
      algorithms: offeredAlgorithms(),
    });
    this.#server.on('connection', (client, info) => {
      const stream = streamOf(client);
      const take = this.#waiting.get(stream);
      if (take === undefined) stream.destroy();
      else take(client, info.header.versions.software);
    });
  }

  /**
   * Serves one stream up to the end of its authentication. Undefined: the client left, broke the protocol, could not
   * sign in, or was told why it may not.
   */
  async admit(stream: Duplex, guard: Guard, signal: AbortSignal): Promise<ClientLeg | undefined> {
    return new Promise((resolve) => {
      let attempts = 0;
      const leave = (): void => {
        stream.destroy();
        resolve(undefined);
      };
      signal.addEventListener('abort', leave, { once: true });
      stream.once('close', leave);
      this.#waiting.set(stream, (client, software) => {
        const leg = new Leg(client, stream, guard.violated);
        client.on('error', leave);
        client.on('authentication', (context) => {
          attempts += 1;
          if (attempts > attemptsMax) return leave();
          // INVARIANT: nobody is in by asking whether a key would do (RFC 4252 7): only what is signed is judged.
          if (isQuestion(context)) {
            if (guard.takesKey(context.username, isDeviceKey(context.key))) return context.accept();
            return context.reject(methods);
          }
          void judge(context, guard, software).then((verdict) => {
            if (verdict.kind === 'refused') return context.reject(methods);
            signal.removeEventListener('abort', leave);
            if (verdict.kind === 'told') {
              leg.disconnect(verdict.text);
              return resolve(undefined);
            }
            stream.off('close', leave);
            client.off('error', leave);
            client.on('error', () => undefined);
            leg.authenticated();
            context.accept();
            resolve({ leg, destroy: () => stream.destroy() });
          });
        });
      });
      this.#server.injectSocket(stream as Parameters<Server['injectSocket']>[0]);
    });
  }
}

/** What a client may go on with. */
const methods: AuthenticationType[] = ['publickey', 'password'];

type Verdict = { readonly kind: 'in' | 'refused' } | { readonly kind: 'told'; readonly text: string };

async function judge(context: AuthContext, guard: Guard, software: string): Promise<Verdict> {
  try {
    if (!(await guard.decide(attemptOf(context)))) return { kind: 'refused' };
    await guard.accepted(software);
    return { kind: 'in' };
  } catch (error) {
    return { kind: 'told', text: error instanceof Error ? error.message : 'the session could not start' };
  }
}

function attemptOf(context: AuthContext): Attempt {
  const { username: user, method } = context;
  if (method === 'password') return { method, user, password: context.password };
  if (method === 'none') return { method, user };
  const publicKey = method === 'publickey' ? signedKey(context) : undefined;
  return publicKey === undefined ? { method: 'other', user } : { method: 'key', user, publicKey };
}
