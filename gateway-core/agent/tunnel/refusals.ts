import type { Socket } from 'node:net';
import { writeRefusal } from '../../codec/ssh/messages.js';
import type { ErrorCode, ThroughlineError } from '../../contract/errors.js';
import { limits } from '../../contract/limits.js';

/** PostgreSQL protocol 3, "Message Formats": request codes that come before a StartupMessage. */
const codes = { ssl: 80_877_103, gssapi: 80_877_104, cancel: 80_877_102 } as const;
const headBytes = 8;
const negotiationsMax = 4;

/** Appendix A, "PostgreSQL Error Codes". */
const sqlStates: Partial<Record<ErrorCode, string>> = {
  denied: '42501',
  'not-signed-in': '28000',
  'sign-in-refused': '28000',
  'proof-invalid': '28000',
  'not-found': '3D000',
  busy: '53300',
  'rate-limited': '53300',
};
const connectionFailure = '08006';
const fieldBytesMax = 2000;

/**
 * Tells a PostgreSQL client why there is no session: reads its start-up packet, answers requests for encryption
 * with "no", writes one FATAL ErrorResponse, and ends the socket. Whatever else the client sends is dropped.
 * Resolves when the socket is done with, in any case; bounded by `startupBytesMax` and `timeoutMs`.
 */
export function refusePostgres(
  socket: Socket,
  error: ThroughlineError,
  timeoutMs: number = limits.startupTimeoutMs,
): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    let held: Buffer = Buffer.alloc(0);
    let negotiations = 0;
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    const finish = (bytes?: Buffer): void => {
      socket.off('data', take);
      socket.resume();
      if (bytes === undefined) socket.destroy();
      else socket.end(bytes, () => socket.destroySoon());
    };
    const take = (chunk: Buffer): void => {
      held = Buffer.concat([held, chunk]);
      for (let next = readRequest(held); next !== 'more'; next = readRequest(held)) {
        if (next.kind === 'startup') return finish(errorResponse(error));
        negotiations += 1;
        if (next.kind === 'other' || negotiations > negotiationsMax) return finish();
        held = held.subarray(next.length);
        socket.write('N');
      }
    };
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('data', take);
    socket.resume();
  });
}

type Request = 'more' | { readonly kind: 'startup' | 'negotiation' | 'other'; readonly length: number };

/** The packet at the start of `bytes`: Int32 length (itself included), Int32 code, rest. */
function readRequest(bytes: Buffer): Request {
  if (bytes.length < headBytes) return 'more';
  const length = bytes.readInt32BE(0);
  const code = bytes.readInt32BE(4);
  if (length < headBytes || length > limits.startupBytesMax) return { kind: 'other', length };
  if (code === codes.ssl || code === codes.gssapi) {
    return { kind: length === headBytes ? 'negotiation' : 'other', length };
  }
  // A cancel request is never answered, and its connection is only closed.
  if (code === codes.cancel || code >>> 16 !== 3) return { kind: 'other', length };
  return bytes.length < length ? 'more' : { kind: 'startup', length };
}

/** ErrorResponse: 'E', Int32 length, then fields of one letter and a zero-terminated text, then a zero. */
export function errorResponse(error: ThroughlineError): Buffer {
  const texts: [string, string][] = [
    ['S', 'FATAL'],
    ['V', 'FATAL'],
    ['C', sqlStates[error.code] ?? connectionFailure],
    ['M', `throughline: ${error.message}`],
  ];
  if (error.action !== undefined) texts.push(['H', error.action]);
  const fields = Buffer.concat(texts.map(([letter, text]) => field(letter, text)));
  const message = Buffer.alloc(1 + 4 + fields.length + 1);
  message.write('E');
  message.writeInt32BE(message.length - 1, 1);
  fields.copy(message, 5);
  return message;
}

/** The text comes from the gateway and ends up on somebody's terminal: no control characters, bounded. */
function field(letter: string, text: string): Buffer {
  const clean = text.replaceAll(/\p{Cc}+/gu, ' ');
  return Buffer.from(`${letter}${Buffer.from(clean).subarray(0, fieldBytesMax).toString('utf8')}\0`);
}

/** Tells an SSH client why there is no session: version line and SSH_MSG_DISCONNECT, which OpenSSH shows. */
export function refuseSsh(socket: Socket, error: ThroughlineError): void {
  const action = error.action === undefined ? '' : `; ${error.action}`;
  const text = `throughline: ${error.message}${action}`.replaceAll(/\p{Cc}+/gu, ' ').slice(0, fieldBytesMax);
  // Unread bytes at close would make the kernel send a reset, which can overtake the message.
  socket.resume();
  socket.end(writeRefusal(text), () => socket.destroySoon());
}
