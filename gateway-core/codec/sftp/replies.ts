import { type FileAttributes, readAttributes, readExtensions } from './attributes.js';
import { FieldReader, type Malformed, malformed } from './bytes.js';
import { type SftpEvent, SftpFramer } from './framer.js';
import { sftpLimits } from './limits.js';
import { packetTypes } from './protocol.js';

/** What a server answers (sections 4 and 7). */
export type SftpReply =
  | {
      readonly kind: 'version';
      readonly version: number;
      readonly extensions: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly kind: 'status'; readonly id: number; readonly code: number; readonly message: string }
  | { readonly kind: 'handle'; readonly id: number; readonly handle: string }
  /** Its data follows in pieces. */
  | { readonly kind: 'data'; readonly id: number; readonly lengthBytes: number }
  | { readonly kind: 'name'; readonly id: number; readonly entries: readonly NameEntry[] }
  | { readonly kind: 'attrs'; readonly id: number; readonly attributes: FileAttributes }
  /** `data`: a view. */
  | { readonly kind: 'extended-reply'; readonly id: number; readonly data: Uint8Array };

export interface NameEntry {
  readonly name: string;
  /** As `ls -l` would show it, for people. */
  readonly long: string;
  readonly attributes: FileAttributes;
}

/** Answers of one channel, cut anywhere. DATA comes as a packet with its head and pieces. */
export class SftpReplies {
  readonly #framer = new SftpFramer({ streamed: packetTypes.data, handle: false, read: readReply });

  /** Everything that the chunk completes. `raw` and `data` are views of the chunk, or of memory made for them alone. */
  push(chunk: Uint8Array): readonly SftpEvent<SftpReply>[] {
    return this.#framer.push(chunk);
  }

  get heldBytes(): number {
    return this.#framer.heldBytes;
  }
}

function readReply(bytes: Uint8Array): SftpReply | Malformed {
  const type = bytes[4] ?? 0;
  const reader = new FieldReader(bytes, 5);
  const reply = readFields(type, reader);
  if (reply === undefined) return malformed(`an answer of type ${type}, which version 3 does not have`);
  return reader.complete ? reply : malformed(`a malformed answer of type ${type}`);
}

function readFields(type: number, reader: FieldReader): SftpReply | undefined {
  if (type === packetTypes.version) {
    return { kind: 'version', version: reader.uint32(), extensions: readExtensions(reader) };
  }
  const id = reader.uint32();
  switch (type) {
    case packetTypes.status:
      return readStatus(id, reader);
    case packetTypes.handle:
      return { kind: 'handle', id, handle: reader.handle() };
    case packetTypes.data:
      return { kind: 'data', id, lengthBytes: reader.uint32() };
    case packetTypes.name:
      return { kind: 'name', id, entries: readNames(reader) };
    case packetTypes.attrs:
      return { kind: 'attrs', id, attributes: readAttributes(reader) };
    case packetTypes.extendedReply:
      return { kind: 'extended-reply', id, data: reader.rest() };
    default:
      return undefined;
  }
}

/** Message and language came with version 3; servers that were written before leave them out. */
function readStatus(id: number, reader: FieldReader): SftpReply {
  const code = reader.uint32();
  if (reader.left === 0) return { kind: 'status', id, code, message: '' };
  const message = reader.text(sftpLimits.packetBytesMax);
  if (reader.left > 0) reader.bytes(sftpLimits.packetBytesMax);
  return { kind: 'status', id, code, message };
}

function readNames(reader: FieldReader): NameEntry[] {
  const entries: NameEntry[] = [];
  const count = reader.uint32();
  if (count > sftpLimits.namesMax) reader.failed = true;
  for (let index = 0; index < count && !reader.failed; index += 1) {
    entries.push({
      name: reader.path(),
      long: reader.text(sftpLimits.packetBytesMax),
      attributes: readAttributes(reader),
    });
  }
  return entries;
}
