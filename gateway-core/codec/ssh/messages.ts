import { SshFormatError, SshReader, sshBytes } from './wire.js';

/** Message numbers of the connection protocol (RFC 4250 4.1.2). */
export const messageNumbers = {
  globalRequest: 80,
  requestSuccess: 81,
  requestFailure: 82,
  channelOpen: 90,
  channelOpenConfirmation: 91,
  channelOpenFailure: 92,
  windowAdjust: 93,
  data: 94,
  extendedData: 95,
  eof: 96,
  close: 97,
  channelRequest: 98,
  channelSuccess: 99,
  channelFailure: 100,
} as const;

/** RFC 4254 5.1: why a channel is not opened. */
export const openFailures = {
  prohibited: 1,
  connectFailed: 2,
  unknownType: 3,
  resourceShortage: 4,
} as const;

/** RFC 4254 5.2. */
export const stderrType = 1;

const nameBytesMax = 128;
const textBytesMax = 4096;

/** A message of the connection protocol (RFC 4254). `recipient`: the channel's number at the receiver. */
export type ConnectionMessage =
  | {
      readonly kind: 'global-request';
      readonly name: string;
      readonly wantReply: boolean;
      readonly data: Buffer;
    }
  | { readonly kind: 'request-success'; readonly data: Buffer }
  | { readonly kind: 'request-failure' }
  | {
      readonly kind: 'open';
      readonly type: string;
      readonly sender: number;
      readonly windowBytes: number;
      readonly packetBytesMax: number;
      readonly data: Buffer;
    }
  | {
      readonly kind: 'open-confirmation';
      readonly recipient: number;
      readonly sender: number;
      readonly windowBytes: number;
      readonly packetBytesMax: number;
      readonly data: Buffer;
    }
  | {
      readonly kind: 'open-failure';
      readonly recipient: number;
      readonly reason: number;
      readonly text: string;
    }
  | { readonly kind: 'window-adjust'; readonly recipient: number; readonly bytes: number }
  | { readonly kind: 'data'; readonly recipient: number; readonly data: Buffer }
  | {
      readonly kind: 'extended-data';
      readonly recipient: number;
      readonly type: number;
      readonly data: Buffer;
    }
  | { readonly kind: 'eof' | 'close' | 'success' | 'failure'; readonly recipient: number }
  | {
      readonly kind: 'request';
      readonly recipient: number;
      readonly name: string;
      readonly wantReply: boolean;
      readonly data: Buffer;
    };

export type MessageOf<K extends ConnectionMessage['kind']> = Extract<ConnectionMessage, { kind: K }>;

/** Numbers 80 to 127 are of the connection protocol: whoever is not signed in yet may send none of them. */
export function isConnectionMessage(number: number): boolean {
  return number >= 80 && number <= 127;
}

/** Throws SshFormatError for what is no such message, or is not whole. Fields are views of `payload`. */
export function readMessage(payload: Buffer): ConnectionMessage {
  const reader = new SshReader(payload);
  const message = read(reader.byte(), reader);
  if (!reader.done) throw new SshFormatError('a message goes on behind its fields');
  return message;
}

function read(number: number, reader: SshReader): ConnectionMessage {
  const numbers = messageNumbers;
  switch (number) {
    case numbers.data:
      return { kind: 'data', recipient: reader.uint32(), data: reader.string() };
    case numbers.windowAdjust:
      return { kind: 'window-adjust', recipient: reader.uint32(), bytes: reader.uint32() };
    case numbers.extendedData:
      return {
        kind: 'extended-data',
        recipient: reader.uint32(),
        type: reader.uint32(),
        data: reader.string(),
      };
    case numbers.eof:
      return { kind: 'eof', recipient: reader.uint32() };
    case numbers.close:
      return { kind: 'close', recipient: reader.uint32() };
    case numbers.channelSuccess:
      return { kind: 'success', recipient: reader.uint32() };
    case numbers.channelFailure:
      return { kind: 'failure', recipient: reader.uint32() };
    case numbers.channelRequest:
      return {
        kind: 'request',
        recipient: reader.uint32(),
        name: reader.text(nameBytesMax),
        wantReply: reader.boolean(),
        data: reader.rest(),
      };
    default:
      return readRare(number, reader);
  }
}

function readRare(number: number, reader: SshReader): ConnectionMessage {
  const numbers = messageNumbers;
  switch (number) {
    case numbers.globalRequest:
      return {
        kind: 'global-request',
        name: reader.text(nameBytesMax),
        wantReply: reader.boolean(),
        data: reader.rest(),
      };
    case numbers.requestSuccess:
      return { kind: 'request-success', data: reader.rest() };
    case numbers.requestFailure:
      return { kind: 'request-failure' };
    case numbers.channelOpen:
      return {
        kind: 'open',
        type: reader.text(nameBytesMax),
        sender: reader.uint32(),
        windowBytes: reader.uint32(),
        packetBytesMax: reader.uint32(),
        data: reader.rest(),
      };
    case numbers.channelOpenConfirmation:
      return {
        kind: 'open-confirmation',
        recipient: reader.uint32(),
        sender: reader.uint32(),
        windowBytes: reader.uint32(),
        packetBytesMax: reader.uint32(),
        data: reader.rest(),
      };
    case numbers.channelOpenFailure: {
      const failure = {
        kind: 'open-failure' as const,
        recipient: reader.uint32(),
        reason: reader.uint32(),
        text: reader.text(textBytesMax),
      };
      // The language tag: RFC 4254 has it, some servers leave it out.
      if (!reader.done) reader.string();
      return failure;
    }
    default:
      throw new SshFormatError(`${number} is no message of the connection protocol`);
  }
}

/** The bytes of a message; of one that was read, those that it was read from but for the language tag. */
export function writeMessage(message: ConnectionMessage): Buffer {
  const numbers = messageNumbers;
  switch (message.kind) {
    case 'global-request':
      return Buffer.concat([
        sshBytes({ byte: numbers.globalRequest }, message.name, message.wantReply),
        message.data,
      ]);
    case 'request-success':
      return Buffer.concat([sshBytes({ byte: numbers.requestSuccess }), message.data]);
    case 'request-failure':
      return sshBytes({ byte: numbers.requestFailure });
    case 'open':
      return Buffer.concat([
        sshBytes(
          { byte: numbers.channelOpen },
          message.type,
          message.sender,
          message.windowBytes,
          message.packetBytesMax,
        ),
        message.data,
      ]);
    case 'open-confirmation':
      return Buffer.concat([
        sshBytes(
          { byte: numbers.channelOpenConfirmation },
          message.recipient,
          message.sender,
          message.windowBytes,
          message.packetBytesMax,
        ),
        message.data,
      ]);
    case 'open-failure':
      return sshBytes(
        { byte: numbers.channelOpenFailure },
        message.recipient,
        message.reason,
        message.text,
        '',
      );
    case 'window-adjust':
      return sshBytes({ byte: numbers.windowAdjust }, message.recipient, message.bytes);
    case 'data':
      return sshBytes({ byte: numbers.data }, message.recipient, message.data);
    case 'extended-data':
      return sshBytes({ byte: numbers.extendedData }, message.recipient, message.type, message.data);
    case 'request':
      return Buffer.concat([
        sshBytes({ byte: numbers.channelRequest }, message.recipient, message.name, message.wantReply),
        message.data,
      ]);
    case 'eof':
    case 'close':
    case 'success':
    case 'failure':
      return sshBytes({ byte: bareNumbers[message.kind] }, message.recipient);
  }
}

const bareNumbers = {
  eof: messageNumbers.eof,
  close: messageNumbers.close,
  success: messageNumbers.channelSuccess,
  failure: messageNumbers.channelFailure,
} as const;

/** RFC 4254 6.2. Its modes are the client's and are handed on as they are. */
export interface PtyRequest {
  readonly term: string;
  readonly columns: number;
  readonly rows: number;
}

export function readPtyRequest(data: Buffer): PtyRequest {
  const reader = new SshReader(data);
  return { term: reader.text(nameBytesMax), columns: reader.uint32(), rows: reader.uint32() };
}

/** RFC 4254 6.7. */
export function readWindowChange(data: Buffer): Omit<PtyRequest, 'term'> {
  const reader = new SshReader(data);
  return { columns: reader.uint32(), rows: reader.uint32() };
}

/** RFC 4254 6.4: name and value of `env`. */
export function readEnvironment(data: Buffer): { readonly name: string; readonly value: Buffer } {
  const reader = new SshReader(data);
  return { name: reader.text(textBytesMax), value: reader.string() };
}

/** RFC 4254 6.5: the command of `exec`, the name of `subsystem`. */
export function readSingle(data: Buffer): Buffer {
  const reader = new SshReader(data);
  const bytes = reader.string();
  if (!reader.done) throw new SshFormatError('a request goes on behind its fields');
  return bytes;
}

/** RFC 4254 7.2: what `direct-tcpip` and `forwarded-tcpip` begin with. */
export function readTcpip(data: Buffer): { readonly host: string; readonly port: number } {
  const reader = new SshReader(data);
  return { host: reader.text(textBytesMax), port: reader.uint32() };
}

/** OpenSSH's PROTOCOL, 2.4: the path of direct-streamlocal@openssh.com and its kin. */
export function readStreamlocal(data: Buffer): string {
  return new SshReader(data).text(textBytesMax);
}

/** RFC 4254 6.10: how a program ended. Undefined: the request says something else. */
export function readExit(
  name: string,
  data: Buffer,
): { readonly status: number } | { readonly signal: string } | undefined {
  if (name === 'exit-status') return { status: new SshReader(data).uint32() };
  if (name === 'exit-signal') return { signal: new SshReader(data).text(nameBytesMax) };
  return undefined;
}

/** SSH_MSG_DISCONNECT (RFC 4253 11.1), reason BY_APPLICATION: the payload of a packet. */
export function writeDisconnect(text: string): Buffer {
  return sshBytes({ byte: 1 }, 11, text, '');
}

/**
 * All that a server says that turns a client away before any key exchange: version line and one packet (RFC 4253 4.2,
 * 6), which OpenSSH shows as `Received disconnect from ...: TEXT`.
 */
export function writeRefusal(text: string): Buffer {
  const payload = writeDisconnect(text);
  const padding = 8 - ((5 + payload.length) % 8) + (8 - ((5 + payload.length) % 8) < 4 ? 8 : 0);
  return Buffer.concat([
    Buffer.from('SSH-2.0-Throughline\r\n'),
    sshBytes(1 + payload.length + padding, { byte: padding }),
    payload,
    Buffer.alloc(padding),
  ]);
}
