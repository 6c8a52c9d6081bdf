import { packetTypes, sftpVersion } from './protocol.js';

/** Section 7: the answer that the gateway gives itself, to a request that it does not pass on. */
export function writeStatus(id: number, code: number, message: string): Uint8Array {
  return packet(packetTypes.status, [uint32(id), uint32(code), text(message), text('')]);
}

/** Section 4: asks for version 3, whatever the client asked for: later ones cannot be judged. */
export function writeInit(): Uint8Array {
  return packet(packetTypes.init, [uint32(sftpVersion)]);
}

/** Section 6.11. `path`: '.' asks for the home directory. */
export function writeRealpath(id: number, path: string): Uint8Array {
  return packet(packetTypes.realpath, [uint32(id), text(path)]);
}

function packet(type: number, fields: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat([Uint8Array.of(type), ...fields]);
  return Buffer.concat([uint32(body.length), body]);
}

function uint32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function text(value: string): Uint8Array {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([uint32(bytes.length), bytes]);
}
