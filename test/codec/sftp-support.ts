import type { SftpEvent } from '../../gateway-core/codec/sftp/framer.js';
import { SftpReplies } from '../../gateway-core/codec/sftp/replies.js';
import { SftpRequests } from '../../gateway-core/codec/sftp/requests.js';

/** Fields of a packet, written by hand and not by the codec: numbers are uint32, bigints uint64, texts and bytes strings. */
export type Field = number | bigint | string | Uint8Array | { readonly raw: Uint8Array };

export function packet(type: number, ...fields: readonly Field[]): Buffer {
  const body = Buffer.concat([Buffer.of(type), ...fields.map(bytesOf)]);
  return Buffer.concat([bytesOf(body.length), body]);
}

export function fieldsOf(...fields: readonly Field[]): { readonly raw: Uint8Array } {
  return { raw: Buffer.concat(fields.map(bytesOf)) };
}

function bytesOf(field: Field): Buffer {
  if (typeof field === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(field);
    return bytes;
  }
  if (typeof field === 'bigint') {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(field);
    return bytes;
  }
  if (typeof field === 'string') return bytesOf(Buffer.from(field, 'utf8'));
  if ('raw' in field) return Buffer.from(field.raw);
  return Buffer.concat([bytesOf(field.length), field]);
}

/** No attributes. */
export const noAttributes = fieldsOf(0);

/** One text for each packet, its pieces joined; what a reader sees wherever the stream is cut. */
export function requestsIn(chunks: readonly Uint8Array[]): string[] {
  const parser = new SftpRequests();
  return shown(chunks.flatMap((chunk) => parser.push(chunk)));
}

export function repliesIn(chunks: readonly Uint8Array[]): string[] {
  const parser = new SftpReplies();
  // Views of a Buffer are Buffers, which show themselves in another way.
  return shown(chunks.flatMap((chunk) => parser.push(Uint8Array.from(chunk))));
}

/** Everything, malformed only once: it is said again at each push. */
export function shown(events: readonly SftpEvent<object>[]): string[] {
  const lines: string[] = [];
  let data: Buffer[] = [];
  for (const event of events) {
    if (event.kind === 'piece') {
      data.push(Buffer.from(event.data));
      if (!event.last) continue;
      lines.push(`data ${Buffer.concat(data).toString('hex')}`);
      data = [];
    } else if (event.kind === 'malformed') {
      if (data.length > 0) lines.push(`data ${Buffer.concat(data).toString('hex')}…`);
      return [...lines, `malformed: ${event.reason}`];
    } else {
      lines.push(JSON.stringify(event.packet, bigints));
    }
  }
  if (data.length > 0) lines.push(`data ${Buffer.concat(data).toString('hex')}…`);
  return lines;
}

function bigints(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return `${value}n`;
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}
