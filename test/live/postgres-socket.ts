import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import type { Place } from './harness.js';
import type { Scope } from './processes.js';

/**
 * The PostgreSQL protocol by hand, for clients that no library would be: packets in the wrong order, with lengths
 * that lie, or half of them. Written from the manual's chapter "Frontend/Backend Protocol", not from the product.
 */
export interface BackendMessage {
  readonly type: string;
  readonly body: Buffer;
}

export interface RawSocket {
  write(bytes: Uint8Array | string): void;
  /** Ends our side; the other may go on talking. */
  end(): void;
  /** Waits for so many bytes. Fails when the other side ends before. */
  bytes(count: number): Promise<Buffer>;
  message(): Promise<BackendMessage>;
  /** Messages up to and including one of this type. */
  messagesUntil(type: string): Promise<BackendMessage[]>;
  /** Everything that still comes, until the other side has closed. */
  rest(): Promise<Buffer>;
  readonly isOver: () => boolean;
}

export const sslRequest = int32s(8, 80_877_103);
export const gssRequest = int32s(8, 80_877_104);

export function int32s(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [at, value] of values.entries()) buffer.writeInt32BE(value, at * 4);
  return buffer;
}

export function startupPacket(parameters: Readonly<Record<string, string>>, version = 196_608): Buffer {
  const text = Object.entries(parameters).map(([name, value]) => `${name}\0${value}\0`);
  const body = Buffer.from(`${text.join('')}\0`);
  return Buffer.concat([int32s(8 + body.length, version), body]);
}

/** A message with a true length. */
export function packet(type: string, ...parts: readonly (Uint8Array | string)[]): Buffer {
  const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([Buffer.from(type), int32s(4 + body.length), body]);
}

/** A message whose length says what `length` says, whatever follows. */
export function lyingPacket(type: string, length: number, body: Uint8Array | string = ''): Buffer {
  return Buffer.concat([Buffer.from(type), int32s(length), Buffer.from(body)]);
}

export const query = (text: string): Buffer => packet('Q', `${text}\0`);

/** Fields of an ErrorResponse or NoticeResponse by their letter. */
export function fieldsOf(message: BackendMessage): Record<string, string> {
  const fields = message.body.toString('utf8').split('\0');
  return Object.fromEntries(
    fields.filter((field) => field !== '').map((field) => [field[0] ?? '', field.slice(1)]),
  );
}

/** All messages in `bytes`; a rest that is none is left out. */
export function messagesIn(bytes: Buffer): BackendMessage[] {
  const messages: BackendMessage[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    if (end > bytes.length || end < at + 5) break;
    messages.push({ type: String.fromCharCode(bytes[at] ?? 0), body: bytes.subarray(at + 5, end) });
    at = end;
  }
  return messages;
}

export function rawSocket(stream: Duplex): RawSocket {
  let held: Buffer = Buffer.alloc(0);
  let over = false;
  let wake = (): void => undefined;
  const told = (): void => wake();
  stream.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk]);
    told();
  });
  for (const event of ['end', 'close', 'error']) {
    stream.on(event, () => {
      over = true;
      told();
    });
  }
  const more = async (): Promise<void> => {
    if (over)
      throw new Error(`the other side is gone; it had said ${JSON.stringify(held.toString('latin1'))}`);
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  };
  const bytes = async (count: number): Promise<Buffer> => {
    while (held.length < count) await more();
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    return taken;
  };
  const message = async (): Promise<BackendMessage> => {
    const head = await bytes(5);
    return { type: String.fromCharCode(head[0] ?? 0), body: await bytes(head.readInt32BE(1) - 4) };
  };
  return {
    write: (data) => {
      if (!stream.destroyed && stream.writable) stream.write(data);
    },
    end: () => stream.end(),
    bytes,
    message,
    messagesUntil: async (type) => {
      const messages: BackendMessage[] = [];
      for (;;) {
        const next = await message();
        messages.push(next);
        if (next.type === type) return messages;
      }
    },
    rest: async () => {
      for (;;) {
        if (over) return held;
        await more();
      }
    },
    isOver: () => over,
  };
}

/** A socket to the native listener, encrypted when `tls` says so. */
export async function openNative(
  scope: Scope,
  place: Place,
  tls?: { readonly ca: Buffer },
): Promise<RawSocket> {
  const socket = connect({ host: place.host, port: place.port, allowHalfOpen: true });
  scope.onClose(() => {
    socket.destroy();
  });
  await once(socket, 'connect');
  // Errors end the socket; `rest` and `bytes` tell.
  socket.on('error', () => undefined);
  if (tls === undefined) return rawSocket(socket);
  socket.write(sslRequest);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (answer.toString() !== 'S') throw new Error(`the listener does not encrypt: ${answer.toString()}`);
  socket.removeAllListeners('data');
  const secured = connectTls({ socket, ca: tls.ca, host: place.host });
  await once(secured, 'secureConnect');
  secured.on('error', () => undefined);
  return rawSocket(secured);
}
