import { sshKeyType } from '../../contract/ssh-key.js';
import { SshFormatError, SshReader, sshBytes } from './wire.js';

/** The agent protocol (draft-ietf-sshm-ssh-agent): as much of it as it takes to hold one Ed25519 key. */
export const agentFrameBytesMax = 16 * 1024;

const types = {
  failure: 5,
  requestIdentities: 11,
  identitiesAnswer: 12,
  signRequest: 13,
  signResponse: 14,
} as const;
/** RFC 4252 7. */
const userauthRequest = 50;

/** What a client of the agent asks. `other`: nothing that this agent does. */
export type AgentRequest =
  | { readonly kind: 'identities' | 'other' }
  | { readonly kind: 'sign'; readonly key: Buffer; readonly data: Buffer };

/** Takes whole requests off the front of `bytes`. Throws SshFormatError for one that is too long. */
export function takeAgentRequests(bytes: Buffer): {
  readonly requests: readonly AgentRequest[];
  readonly rest: Buffer;
} {
  const requests: AgentRequest[] = [];
  let at = 0;
  while (bytes.length - at >= 4) {
    const length = bytes.readUInt32BE(at);
    if (length < 1 || length > agentFrameBytesMax)
      throw new SshFormatError('a request to the agent is too long');
    if (bytes.length - at - 4 < length) break;
    requests.push(requestOf(bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return { requests, rest: bytes.subarray(at) };
}

function requestOf(message: Buffer): AgentRequest {
  try {
    const reader = new SshReader(message);
    const type = reader.byte();
    if (type === types.requestIdentities && reader.done) return { kind: 'identities' };
    if (type !== types.signRequest) return { kind: 'other' };
    const [key, data] = [reader.string(), reader.string()];
    // Flags choose among RSA's hashes.
    reader.uint32();
    return reader.done ? { kind: 'sign', key, data } : { kind: 'other' };
  } catch (error) {
    if (error instanceof SshFormatError) return { kind: 'other' };
    throw error;
  }
}

const framed = (message: Buffer): Buffer => sshBytes(message);

export function writeAgentFailure(): Buffer {
  return framed(sshBytes({ byte: types.failure }));
}

export function writeAgentIdentity(key: Uint8Array, comment: string): Buffer {
  return framed(sshBytes({ byte: types.identitiesAnswer }, 1, key, comment));
}

/** `signature`: the 64 bytes of RFC 8032. */
export function writeAgentSignature(signature: Uint8Array): Buffer {
  return framed(sshBytes({ byte: types.signResponse }, sshBytes(sshKeyType, signature)));
}

/** Whose sign-in `data` is, where it is one with this key and nothing else (RFC 4252 7); undefined otherwise. */
export function signInUser(data: Buffer, key: Buffer): string | undefined {
  try {
    const reader = new SshReader(data);
    const session = reader.string();
    const isRequest = session.length > 0 && reader.byte() === userauthRequest;
    const user = reader.string().toString('utf8');
    const words = [reader.string(), reader.string()].map((word) => word.toString('latin1')).join(' ');
    const isSigned = reader.boolean();
    const type = reader.string().toString('latin1');
    const fits = words === 'ssh-connection publickey' && isSigned && type === sshKeyType;
    return isRequest && fits && reader.string().equals(key) && reader.done ? user : undefined;
  } catch (error) {
    if (error instanceof SshFormatError) return undefined;
    throw error;
  }
}
