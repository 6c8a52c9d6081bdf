import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import {
  signInUser,
  takeAgentRequests,
  writeAgentFailure,
  writeAgentIdentity,
  writeAgentSignature,
} from '../../codec/ssh/agent.js';
import { sshBytes } from '../../codec/ssh/wire.js';
import { ThroughlineError } from '../../contract/errors.js';
import { type SshKeyResponse, sshKeyStatement, sshKeyType } from '../../contract/ssh-key.js';
import { api } from './api.js';
import type { Gateway } from './gateway.js';

/** An SSH key of this device for one connection. The private half is in this process only: no file ever holds it. */
export interface DeviceSshKey {
  readonly connection: string;
  /** As in authorized_keys. */
  readonly publicKey: string;
  readonly registered: SshKeyResponse;
  /**
   * An agent that signs in at the gateway, to be named as IdentityAgent, until `close`. `mayUse` is told of each
   * program that connects, and what it returns is asked whenever that wants a signature.
   */
  serve(path: string, mayUse: MayUse): Promise<void>;
  /** The gateway forgets the key, as far as it can be reached, and the agent is gone. */
  close(): Promise<void>;
}

type MayUse = (socket: Socket) => () => Promise<boolean>;

/** Longer ones do not fit into an address (unix(7)). */
const socketPathBytesMax = 104;
/** ssh asks one thing after the other. */
const clientsMax = 64;

/** Makes a key, and registers it. Throws what the API does: `denied`, `not-signed-in`, `gateway-unreachable`. */
export async function registerSshKey(gateway: Gateway, connection: string): Promise<DeviceSshKey> {
  const { publicKey: open, privateKey } = generateKeyPairSync('ed25519');
  const x = Buffer.from(open.export({ format: 'jwk' }).x ?? '', 'base64url');
  const blob = sshBytes(sshKeyType, x);
  const publicKey = `${sshKeyType} ${blob.toString('base64')}`;
  const { issuer } = await api.gateway(gateway);
  const statement = sshKeyStatement({ issuer, deviceKey: gateway.deviceKey, connection, publicKey });
  const proof = sign(null, Buffer.from(statement), privateKey).toString('base64');
  const registered = await api.registerSshKey(gateway, { connection, publicKey, proof });
  let stop = (): void => undefined;
  return {
    connection,
    publicKey,
    registered,
    serve: async (path, mayUse) => {
      stop = await serveAgent(path, { blob, privateKey, user: connection, mayUse });
    },
    close: async () => {
      stop();
      // It is over with the sign-in at the latest.
      await api.removeSshKey(gateway, registered.id).catch(() => undefined);
    },
  };
}

interface Held {
  readonly blob: Buffer;
  readonly privateKey: KeyObject;
  readonly user: string;
  readonly mayUse: MayUse;
}

/** An agent at a unix socket, in a folder that nobody else may enter, that signs sign-ins of one user with one key. */
async function serveAgent(path: string, held: Held): Promise<() => void> {
  if (process.platform === 'win32' || Buffer.byteLength(path) > socketPathBytesMax)
    throw new ThroughlineError('usage', `no socket can be made at ${path}`, {
      action: 'use a tunnel (leave --native out), or set THROUGHLINE_HOME to a shorter path',
    });
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    if (clients.size >= clientsMax) return socket.destroy();
    clients.add(socket);
    socket.once('close', () => clients.delete(socket));
    socket.on('error', () => undefined);
    return void answer(socket, held).catch(() => socket.destroy());
  });
  await listening(server, path);
  chmodSync(path, 0o600);
  return () => {
    server.close();
    for (const each of clients) each.destroy();
  };
}

function listening(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

async function answer(socket: Socket, { blob, privateKey, user, mayUse }: Held): Promise<void> {
  let waiting: Buffer = Buffer.alloc(0);
  const mayNow = mayUse(socket);
  for await (const data of socket as AsyncIterable<Buffer>) {
    const { requests, rest } = takeAgentRequests(Buffer.concat([waiting, data]));
    waiting = rest;
    for (const request of requests) {
      if (request.kind === 'identities') socket.write(writeAgentIdentity(blob, `throughline ${user}`));
      else if (
        request.kind === 'sign' &&
        request.key.equals(blob) &&
        signInUser(request.data, blob) === user &&
        (await mayNow())
      )
        socket.write(writeAgentSignature(sign(null, request.data, privateKey)));
      else socket.write(writeAgentFailure());
    }
  }
}
