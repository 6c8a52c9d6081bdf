import { randomInt } from 'node:crypto';
import { endianness } from 'node:os';
import type { Native } from './native.js';

/** One end of a TCP connection: an address as Node writes it. */
export interface End {
  readonly address: string;
  readonly port: number;
}

/** What the kernel says about one socket. */
export interface SocketEntry {
  readonly uid: number;
  /** `0`: no process has it open any more. */
  readonly inode: string;
  /** As in `enum` of tcp_states.h; 1 is established. */
  readonly state: number;
}

const netlinkSockDiag = 4;
const sockDiagByFamily = 20;
const flagRequest = 1;
const families = { v4: 2, v6: 10 } as const;
const protocolTcp = 6;
const headerBytes = 16;
const requestBytes = headerBytes + 56;
/** nlmsghdr and inet_diag_msg. */
const answerBytesMin = headerBytes + 72;

/**
 * The socket whose own end is `local` and whose other end is `remote`, by one exact look-up: sock_diag(7). Undefined
 * if there is none or the kernel cannot be asked, which look the same here.
 */
export function lookUpSocket(native: Native, local: End, remote: End): SocketEntry | undefined {
  const from = addressBytes(local.address);
  const to = addressBytes(remote.address);
  if (from === undefined || to === undefined || from.length !== to.length) return undefined;
  const sequence = randomInt(1, 2 ** 31);
  const request = Buffer.alloc(requestBytes);
  const words = wordsOf(request);
  words.write(0, requestBytes);
  words.writeShort(4, sockDiagByFamily);
  words.writeShort(6, flagRequest);
  words.write(8, sequence);
  // inet_diag_req_v2
  request[headerBytes] = from.length === 4 ? families.v4 : families.v6;
  request[headerBytes + 1] = protocolTcp;
  request.fill(0xff, headerBytes + 4, headerBytes + 8); // any state
  request.writeUInt16BE(local.port, headerBytes + 8);
  request.writeUInt16BE(remote.port, headerBytes + 10);
  from.copy(request, headerBytes + 12);
  to.copy(request, headerBytes + 28);
  request.fill(0xff, headerBytes + 48, headerBytes + 56); // no cookie
  const answer = native.netlink(netlinkSockDiag, request);
  return answer === undefined ? undefined : entryOf(answer, sequence, { from, to, local, remote });
}

interface Asked {
  readonly from: Buffer;
  readonly to: Buffer;
  readonly local: End;
  readonly remote: End;
}

/** INVARIANT: a listener on the same port, which the kernel falls back to, is not taken for the connection. */
function entryOf(answer: Buffer, sequence: number, asked: Asked): SocketEntry | undefined {
  if (answer.length < answerBytesMin) return undefined;
  const words = wordsOf(answer);
  if (words.readShort(4) !== sockDiagByFamily || words.read(8) !== sequence) return undefined;
  const ports = [answer.readUInt16BE(headerBytes + 4), answer.readUInt16BE(headerBytes + 6)];
  if (ports[0] !== asked.local.port || ports[1] !== asked.remote.port) return undefined;
  if (!sameAddress(answer.subarray(headerBytes + 8, headerBytes + 24), asked.from)) return undefined;
  if (!sameAddress(answer.subarray(headerBytes + 24, headerBytes + 40), asked.to)) return undefined;
  return {
    state: answer[headerBytes + 1] ?? 0,
    uid: words.read(headerBytes + 64),
    inode: String(words.read(headerBytes + 68)),
  };
}

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex');

/** An IPv6 socket that talks IPv4 is found by its IPv4 addresses and shown with mapped ones. */
function sameAddress(shown: Buffer, asked: Buffer): boolean {
  if (asked.length === 16) return shown.equals(asked);
  const bare = shown.subarray(0, 12).equals(mappedPrefix) ? shown.subarray(12) : shown.subarray(0, 4);
  return bare.equals(asked);
}

function addressBytes(address: string): Buffer | undefined {
  const v4 = /^(?:::ffff:)?(\d+)\.(\d+)\.(\d+)\.(\d+)$/i.exec(address);
  if (v4 !== null) return Buffer.from(v4.slice(1).map(Number));
  return address === '::1' ? Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]) : undefined;
}

/** Netlink's own numbers are in the machine's byte order. */
function wordsOf(bytes: Buffer): {
  read(at: number): number;
  write(at: number, value: number): void;
  readShort(at: number): number;
  writeShort(at: number, value: number): void;
} {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const little = endianness() === 'LE';
  return {
    read: (at) => view.getUint32(at, little),
    write: (at, value) => view.setUint32(at, value, little),
    readShort: (at) => view.getUint16(at, little),
    writeShort: (at, value) => view.setUint16(at, value, little),
  };
}
