import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import ssh2, { type AnyAuthMethod, type Client } from 'ssh2';
import { ThroughlineError } from '../../contract/errors.js';
import { hostKeyAlgorithms, offeredAlgorithms, versionLine } from '../../contract/ssh-algorithms.js';
import { dialSocket, unreachable } from '../dial.js';
import { Leg } from './library.js';

/** From dialling to signed in. */
const dialTimeoutMs = 15_000;
const promptsMax = 1;

/** Where a session goes, and with what. */
export interface SshTarget {
  address(): Promise<string>;
  /** Given to nobody but the target, and only once it has proved a pinned host key. */
  credential(): Promise<SshCredential>;
  readonly hostKeys: HostKeys;
}

export interface SshCredential {
  readonly user: string;
  readonly password: string | undefined;
  readonly privateKey: string | undefined;
  readonly passphrase: string | undefined;
}

/** What is known of the keys that the target may prove itself with. */
export interface HostKeys {
  /** Algorithms of the known keys, to be asked for; undefined: any. */
  readonly types: readonly string[] | undefined;
  /** Whether this is the target. Resolves once that is decided and, for a first contact, kept. */
  accepts(key: PresentedKey): Promise<boolean>;
}

export interface PresentedKey {
  /** `ssh-ed25519`, ... */
  readonly type: string;
  /** `SHA256:` and base64 without padding, as ssh-keygen -l shows it. */
  readonly fingerprint: string;
  /** As it stands in known_hosts behind the name. */
  readonly line: string;
}

export interface TargetLeg {
  readonly leg: Leg;
  destroy(): void;
}

/**
 * Dials the target, checks its host key and signs in. Resolves when messages of the connection protocol may be sent.
 * Errors: ThroughlineError target-unreachable, target-refused. Nothing that the target said is in them: nobody has
 * authenticated it.
 */
export async function connectTarget(
  target: SshTarget,
  signal: AbortSignal,
  violated: (reason: string) => void,
): Promise<TargetLeg> {
  const address = endpointOf(await target.address());
  const credential = await target.credential();
  const timeout = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)]);
  const socket = await dialSocket(address, timeout);
  const client = new ssh2.Client();
  try {
    return await signIn(client, socket, target.hostKeys, credential, timeout, violated);
  } catch (error) {
    client.destroy();
    socket.destroy();
    throw error;
  }
}

function signIn(
  client: Client,
  socket: Socket,
  hostKeys: HostKeys,
  credential: SshCredential,
  signal: AbortSignal,
  violated: (reason: string) => void,
): Promise<TargetLeg> {
  return new Promise((resolve, reject) => {
    let refused: ThroughlineError | undefined;
    let leg: Leg | undefined;
    const fail = (error: ThroughlineError): void => reject(refused ?? error);
    signal.addEventListener('abort', () => fail(unreachable('the target did not answer in time')), {
      once: true,
    });
    client.on('error', (error: Error & { level?: string }) => fail(errorOf(error)));
    client.once('close', () => fail(unreachable('the target left before the session was open')));
    client.once('ready', () => {
      if (leg === undefined) return fail(unreachable('the target could not be understood'));
      leg.authenticated();
      resolve({ leg, destroy: () => client.destroy() });
    });
    const methods = methodsOf(credential);
    try {
      client.connect({
        sock: socket,
        ident: versionLine,
        username: credential.user,
        algorithms: { ...offeredAlgorithms(), serverHostKey: offered(hostKeys.types) },
        keepaliveInterval: 0,
        readyTimeout: 0,
        hostVerifier: (key: Buffer, verify: (ok: boolean) => void) => {
          const presented = presentedKey(key);
          hostKeys.accepts(presented).then(
            (known) => {
              if (!known) refused = notTheTarget(presented);
              verify(known);
            },
            () => {
              refused = unreachable('the host key of the target could not be checked');
              verify(false);
            },
          );
        },
        authHandler: (_left: unknown, _partial: unknown, next: (method: AnyAuthMethod) => void) => {
          // False, as the package documents it and its types forget: nothing is left to try.
          next(methods.shift() ?? (false as never));
        },
      });
      leg = new Leg(client, socket, violated);
    } catch {
      fail(
        new ThroughlineError(
          'target-refused',
          'the private key that is held for this target cannot be used',
          {
            action: 'an admin has to put the connection again: is the key whole, and its passphrase right?',
          },
        ),
      );
    }
  });
}

function methodsOf({ user: username, password, privateKey, passphrase }: SshCredential): AnyAuthMethod[] {
  const methods: AnyAuthMethod[] = [];
  if (privateKey !== undefined)
    methods.push({
      type: 'publickey',
      username,
      key: privateKey,
      ...(passphrase === undefined ? {} : { passphrase }),
    });
  if (password === undefined) return methods;
  methods.push({ type: 'password', username, password });
  // A target that asks in its own words (PAM): one question that is not echoed is the password's.
  methods.push({
    type: 'keyboard-interactive',
    username,
    prompt: (_name, _instructions, _language, prompts, finish) => {
      const fits = prompts.length <= promptsMax && prompts.every((prompt) => prompt.echo !== true);
      finish(fits ? prompts.map(() => password) : []);
    },
  });
  return methods;
}

/** Keys that are known only by their fingerprint may be of any type. RSA keys sign with SHA-2. */
function offered(types: readonly string[] | undefined): (typeof hostKeyAlgorithms)[number][] {
  const known = hostKeyAlgorithms.filter(
    (name) =>
      types === undefined || types.includes(name) || (name.startsWith('rsa-') && types.includes('ssh-rsa')),
  );
  return known.length === 0 ? [...hostKeyAlgorithms] : known;
}

/** RFC 4253 6.6: a key's blob begins with the name of its type. */
export function presentedKey(blob: Buffer): PresentedKey {
  const length = blob.length < 4 ? 0 : blob.readUInt32BE(0);
  const type = blob.subarray(4, 4 + Math.min(length, 64)).toString('latin1');
  return {
    type,
    fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
    line: `${type} ${blob.toString('base64')}`,
  };
}

function notTheTarget({ type, fingerprint }: PresentedKey): ThroughlineError {
  return new ThroughlineError(
    'target-refused',
    `the target has a host key that is not known (${type} ${fingerprint})`,
    {
      action:
        'an admin has to find out whether the target was set up anew, and then put its key into hostKeys',
    },
  );
}

function errorOf(error: Error & { level?: string }): ThroughlineError {
  if (error.level === 'client-authentication')
    return new ThroughlineError('target-refused', 'the target refused the credential that is held for it', {
      action: 'an admin has to put the connection again with a credential that the target takes',
    });
  if (error.level === 'handshake' || error.level === 'protocol')
    return new ThroughlineError('target-refused', 'no key exchange with the target came about', {
      action: 'the target has to offer curve25519 or ecdh, AES-GCM, AES-CTR or chacha20, and HMAC-SHA-2',
    });
  return unreachable('the connection to the target broke');
}

const sshPort = 22;

function endpointOf(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(address);
  const port = Number(match?.[3] ?? sshPort);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || port < 1 || port > 65_535)
    throw new ThroughlineError('target-unreachable', 'the connection’s address is not HOST:PORT', {
      action: 'an admin has to correct the address',
    });
  return { host, port };
}
