import { type FileAttributes, readAttributes, readExtensions } from './attributes.js';
import { FieldReader, type Malformed, malformed } from './bytes.js';
import { type ExtendedRequest, readExtended } from './extensions.js';
import { type SftpEvent, SftpFramer } from './framer.js';
import { packetTypes } from './protocol.js';

/** What a client asks (sections 4 and 6). Paths are as they were sent; see `paths.ts` for what is judged. */
export type SftpRequest =
  | {
      readonly kind: 'init';
      readonly version: number;
      readonly extensions: readonly { readonly name: string; readonly value: string }[];
    }
  | {
      readonly kind: 'open';
      readonly id: number;
      readonly path: string;
      readonly flags: number;
      readonly attributes: FileAttributes;
    }
  | { readonly kind: 'close' | 'fstat' | 'readdir'; readonly id: number; readonly handle: string }
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly handle: string;
      readonly offset: number;
      readonly lengthBytes: number;
    }
  /** Its data follows in pieces. */
  | {
      readonly kind: 'write';
      readonly id: number;
      readonly handle: string;
      readonly offset: number;
      readonly lengthBytes: number;
    }
  | { readonly kind: PathRequest; readonly id: number; readonly path: string }
  | {
      readonly kind: 'setstat' | 'mkdir';
      readonly id: number;
      readonly path: string;
      readonly attributes: FileAttributes;
    }
  | {
      readonly kind: 'fsetstat';
      readonly id: number;
      readonly handle: string;
      readonly attributes: FileAttributes;
    }
  /** symlink: in the order in which they stand there, which servers disagree about. */
  | { readonly kind: 'rename' | 'symlink'; readonly id: number; readonly path: string; readonly to: string }
  | ExtendedRequest;

export type PathRequest = 'lstat' | 'stat' | 'opendir' | 'remove' | 'rmdir' | 'realpath' | 'readlink';

/** Requests of one channel, cut anywhere. WRITE comes as a packet with its head and pieces of its data. */
export class SftpRequests {
  readonly #framer = new SftpFramer({ streamed: packetTypes.write, handle: true, read: readRequest });

  /** Everything that the chunk completes. `raw` and `data` are views of the chunk, or of memory made for them alone. */
  push(chunk: Uint8Array): readonly SftpEvent<SftpRequest>[] {
    return this.#framer.push(chunk);
  }

  /** Bytes of a packet that has begun and not ended: at the end of a channel there should be none. */
  get heldBytes(): number {
    return this.#framer.heldBytes;
  }
}

const pathRequests: Readonly<Record<number, PathRequest>> = {
  [packetTypes.lstat]: 'lstat',
  [packetTypes.stat]: 'stat',
  [packetTypes.opendir]: 'opendir',
  [packetTypes.remove]: 'remove',
  [packetTypes.rmdir]: 'rmdir',
  [packetTypes.realpath]: 'realpath',
  [packetTypes.readlink]: 'readlink',
};

/** `bytes`: from the length field on; of a WRITE all that stands before its data. */
function readRequest(bytes: Uint8Array): SftpRequest | Malformed {
  const type = bytes[4] ?? 0;
  const reader = new FieldReader(bytes, 5);
  const request = readFields(type, reader);
  if (request === undefined) return malformed(`a request of type ${type}, which version 3 does not have`);
  return reader.complete ? request : malformed(`a malformed request of type ${type}`);
}

function readFields(type: number, reader: FieldReader): SftpRequest | undefined {
  if (type === packetTypes.init) {
    return { kind: 'init', version: reader.uint32(), extensions: readExtensions(reader) };
  }
  const id = reader.uint32();
  const byPath = pathRequests[type];
  if (byPath !== undefined) return { kind: byPath, id, path: reader.path() };
  switch (type) {
    case packetTypes.open:
      return {
        kind: 'open',
        id,
        path: reader.path(),
        flags: reader.uint32(),
        attributes: readAttributes(reader),
      };
    case packetTypes.close:
      return { kind: 'close', id, handle: reader.handle() };
    case packetTypes.fstat:
      return { kind: 'fstat', id, handle: reader.handle() };
    case packetTypes.readdir:
      return { kind: 'readdir', id, handle: reader.handle() };
    case packetTypes.read:
      return {
        kind: 'read',
        id,
        handle: reader.handle(),
        offset: reader.uint53(),
        lengthBytes: reader.uint32(),
      };
    case packetTypes.write:
      return {
        kind: 'write',
        id,
        handle: reader.handle(),
        offset: reader.uint53(),
        lengthBytes: reader.uint32(),
      };
    case packetTypes.setstat:
      return { kind: 'setstat', id, path: reader.path(), attributes: readAttributes(reader) };
    case packetTypes.mkdir:
      return { kind: 'mkdir', id, path: reader.path(), attributes: readAttributes(reader) };
    case packetTypes.fsetstat:
      return { kind: 'fsetstat', id, handle: reader.handle(), attributes: readAttributes(reader) };
    case packetTypes.rename:
      return { kind: 'rename', id, path: reader.path(), to: reader.path() };
    case packetTypes.symlink:
      return { kind: 'symlink', id, path: reader.path(), to: reader.path() };
    case packetTypes.extended:
      return readExtended(id, reader);
    default:
      return undefined;
  }
}
