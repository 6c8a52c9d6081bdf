import { type Malformed, malformed } from './bytes.js';
import { sftpLimits } from './limits.js';
import { absolutePath } from './paths.js';
import { sftpVersion, statusCodes } from './protocol.js';
import type { SftpReply } from './replies.js';
import type { SftpRequest } from './requests.js';
import { DirectionTally, type InOrder, type Moved, type ReorderBudget } from './tally.js';
import { type FileUse, fileUses, type OpenRights, openRights } from './uses.js';

/**
 * use: ask policy for each, then pass the request on, or answer it and call `refused`. No uses: nothing to ask.
 * refuse: it cannot be judged; answer it with this STATUS code, do not pass it on. malformed: end the channel.
 * home: it hangs below the home directory, which nobody asked for yet: call `askHome`, and bring it again afterwards.
 */
export type SftpVerdict =
  | { readonly kind: 'use'; readonly uses: readonly FileUse[] }
  | { readonly kind: 'home' }
  | { readonly kind: 'refuse'; readonly code: number; readonly reason: string }
  | Malformed;

/** What was moved through a handle, from OPEN to CLOSE or the channel's end. */
export interface FileTally {
  readonly path: string;
  readonly read: Moved;
  readonly written: Moved;
}

/** answered: the request that it answers, and the file that this closed. */
export type SftpAnswered =
  | {
      readonly kind: 'answered';
      readonly request: SftpRequest | undefined;
      readonly file: FileTally | undefined;
    }
  | Malformed;

export interface FileReader {
  readonly read: InOrder;
  readonly written: InOrder;
}

interface OpenFile {
  readonly path: string;
  /** undefined: a directory. */
  readonly rights: OpenRights | undefined;
  readonly read: DirectionTally;
  readonly written: DirectionTally;
  closing: boolean;
}

interface Flow {
  readonly file: OpenFile;
  offset: number;
}

/**
 * The state of one SFTP channel: requests on their way, open handles and what moved through them. Every packet of both
 * directions goes through it, in order: requests before they are passed on, answers before they are.
 * INVARIANT: a handle is known exactly from the answer that gave it until CLOSE is asked; its path was judged at OPEN.
 */
export class SftpChannel {
  #home: string | undefined;
  #homeAsked = false;
  #begun = false;
  #versionSeen = false;
  readonly #pending = new Map<number, SftpRequest>();
  readonly #files = new Map<string, OpenFile>();
  #opening = 0;
  readonly #budget: ReorderBudget = { heldBytes: 0 };
  readonly #reader: ((id: number) => FileReader | undefined) | undefined;
  #writing: Flow | undefined;
  #reading: Flow | undefined;

  /**
   * `home`: where the target's relative paths begin, if an earlier channel of the same account learned it.
   * `reader`: who is given what moves through the file that the request of this id opens, from its first byte on.
   */
  constructor(home?: string, reader?: (id: number) => FileReader | undefined) {
    this.#home = home;
    this.#reader = reader;
  }

  /** Absolute, once it is known: what REALPATH "." answered. */
  get home(): string | undefined {
    return this.#home;
  }

  /** Nothing is owed: what comes next from the target answers what is asked next. */
  get isQuiet(): boolean {
    return this.#versionSeen && this.#pending.size === 0;
  }

  /**
   * The gateway asks for REALPATH "." itself, once, under the number of the request that waits for it: scp names
   * relative paths without ever asking. The answer goes through `reply`. To be called while `isQuiet`.
   */
  askHome(id: number): void {
    this.#homeAsked = true;
    this.#pending.set(id, { kind: 'realpath', id, path: '.' });
  }

  request(request: SftpRequest): SftpVerdict {
    if (request.kind === 'init') return this.#init();
    if (!this.#begun) return malformed('a request before INIT');
    if (this.#pending.has(request.id)) return malformed('two requests of the same id');
    if (this.#pending.size >= sftpLimits.pendingMax) return malformed('too many requests without an answer');
    const refusal = this.#refusal(request);
    if (request.kind === 'write') this.#writing = undefined;
    if (refusal !== undefined) return refusal;
    const pathOf = (handle: string): string | undefined => this.#files.get(handle)?.path;
    const uses = fileUses(request, this.#home, pathOf);
    if (uses === undefined) {
      const isHomeless = this.#home === undefined && fileUses(request, '/', pathOf) !== undefined;
      return isHomeless && !this.#homeAsked ? { kind: 'home' } : refuse(request);
    }
    this.#pending.set(request.id, request);
    this.#begin(request);
    return { kind: 'use', uses };
  }

  /** The request is answered by the gateway and never reaches the target. */
  refused(id: number): void {
    const request = this.#pending.get(id);
    if (request === undefined) return;
    this.#pending.delete(id);
    if (request.kind === 'open' || request.kind === 'opendir') this.#opening -= 1;
    if (request.kind === 'write') this.#writing = undefined;
    // Nothing of it arrives, so what was hashed of it is of no file.
    if (request.kind === 'write') this.#files.get(request.handle)?.written.lose();
    const file = request.kind === 'close' ? this.#files.get(request.handle) : undefined;
    if (file !== undefined) file.closing = false;
  }

  /** The next piece of the latest WRITE's data. */
  written(data: Uint8Array): void {
    if (this.#writing === undefined) return;
    this.#writing.file.written.add(this.#writing.offset, data);
    this.#writing.offset += data.length;
  }

  reply(reply: SftpReply): SftpAnswered {
    if (reply.kind === 'version') return this.#version(reply.version);
    const request = this.#pending.get(reply.id);
    if (request === undefined || !answers(request, reply)) return malformed('an answer to no such request');
    this.#pending.delete(reply.id);
    return this.#answer(request, reply);
  }

  /** The next piece of the latest DATA. */
  received(data: Uint8Array): void {
    if (this.#reading === undefined) return;
    this.#reading.file.read.add(this.#reading.offset, data);
    this.#reading.offset += data.length;
  }

  /** The channel is over: what was still open. */
  end(): readonly FileTally[] {
    const files = [...this.#files.values()].filter((file) => file.rights !== undefined);
    this.#files.clear();
    // Writes without an answer may not have arrived.
    for (const file of files) file.written.lose();
    return files.map(tallyOf);
  }

  #init(): SftpVerdict {
    if (this.#begun) return malformed('INIT comes once');
    this.#begun = true;
    return { kind: 'use', uses: [] };
  }

  #version(version: number): SftpAnswered {
    if (!this.#begun || this.#versionSeen) return malformed('VERSION answers INIT, once');
    this.#versionSeen = true;
    if (version !== sftpVersion) return malformed('the target speaks another version of SFTP than 3');
    return { kind: 'answered', request: undefined, file: undefined };
  }

  /** What its handles do not allow. */
  #refusal(request: SftpRequest): SftpVerdict | undefined {
    const opens = request.kind === 'open' || request.kind === 'opendir';
    if (opens && this.#files.size + this.#opening >= sftpLimits.handlesMax) {
      return { kind: 'refuse', code: statusCodes.failure, reason: 'too many open files' };
    }
    if (!('handle' in request)) return undefined;
    const file = this.#known(request.handle);
    const other = request.kind === 'copy-data' ? this.#known(request.toHandle) : file;
    if (file === undefined || other === undefined) {
      return { kind: 'refuse', code: statusCodes.failure, reason: 'a handle that is not open' };
    }
    const reads = request.kind === 'read' || request.kind === 'copy-data';
    const writes = request.kind === 'write' || request.kind === 'copy-data';
    if ((reads && file.rights?.read !== true) || (writes && other.rights?.write !== true)) {
      return {
        kind: 'refuse',
        code: statusCodes.permissionDenied,
        reason: 'the file was not opened for that',
      };
    }
    return undefined;
  }

  #known(handle: string): OpenFile | undefined {
    const file = this.#files.get(handle);
    return file?.closing === false ? file : undefined;
  }

  #begin(request: SftpRequest): void {
    if (request.kind === 'open' || request.kind === 'opendir') this.#opening += 1;
    const file = 'handle' in request ? this.#files.get(request.handle) : undefined;
    if (file === undefined) return;
    if (request.kind === 'write') this.#writing = { file, offset: request.offset };
    if (request.kind === 'close') file.closing = true;
    if (request.kind === 'fsetstat' && request.attributes.sizeBytes !== undefined) file.written.lose();
    if (request.kind === 'copy-data') this.#files.get(request.toHandle)?.written.lose();
  }

  #answer(request: SftpRequest, reply: SftpReply): SftpAnswered {
    let file: FileTally | undefined;
    if (request.kind === 'open' || request.kind === 'opendir') {
      this.#opening -= 1;
      if (reply.kind === 'handle' && !this.#opened(request, reply.handle)) {
        return malformed('a handle that is already open');
      }
    }
    if (request.kind === 'close') file = this.#closed(request.handle);
    if (request.kind === 'read') this.#read(request, reply);
    const failed = reply.kind !== 'status' || reply.code !== statusCodes.ok;
    if (request.kind === 'write' && failed) this.#files.get(request.handle)?.written.lose();
    if (request.kind === 'realpath' && (request.path === '.' || request.path === '')) this.#learnHome(reply);
    return { kind: 'answered', request, file };
  }

  #opened(
    request: { readonly id: number; readonly path: string; readonly flags?: number },
    handle: string,
  ): boolean {
    const path = absolutePath(request.path, this.#home);
    if (this.#files.has(handle) || path === undefined) return false;
    const reader = request.flags === undefined ? undefined : this.#reader?.(request.id);
    this.#files.set(handle, {
      path,
      rights: request.flags === undefined ? undefined : openRights(request.flags),
      read: new DirectionTally(this.#budget, reader?.read),
      written: new DirectionTally(this.#budget, reader?.written),
      closing: false,
    });
    return true;
  }

  #closed(handle: string): FileTally | undefined {
    const file = this.#files.get(handle);
    this.#files.delete(handle);
    return file?.rights === undefined ? undefined : tallyOf(file);
  }

  #read(request: Extract<SftpRequest, { kind: 'read' }>, reply: SftpReply): void {
    const file = this.#files.get(request.handle);
    this.#reading = undefined;
    if (file === undefined) return;
    if (reply.kind === 'status') {
      if (reply.code === statusCodes.eof) file.read.end(request.offset);
      return;
    }
    if (reply.kind !== 'data') return;
    this.#reading = { file, offset: request.offset };
    // More than was asked for: what follows would be counted twice.
    if (reply.lengthBytes > request.lengthBytes) file.read.lose();
  }

  /** Said once: a second answer cannot move what was judged below the first. */
  #learnHome(reply: SftpReply): void {
    const name = reply.kind === 'name' && reply.entries.length === 1 ? reply.entries[0]?.name : undefined;
    if (name?.startsWith('/') === true) this.#home ??= absolutePath(name, undefined);
  }
}

function refuse(request: SftpRequest): SftpVerdict {
  return request.kind === 'extension'
    ? { kind: 'refuse', code: statusCodes.unsupported, reason: 'an extension that is not known here' }
    : { kind: 'refuse', code: statusCodes.permissionDenied, reason: 'what it would do cannot be known' };
}

function tallyOf(file: OpenFile): FileTally {
  return {
    path: file.path,
    read: file.read.result(),
    written: file.written.result(file.rights?.fresh === true),
  };
}

/** Whether an answer of this kind can be one to such a request. STATUS always can. */
function answers(request: SftpRequest, reply: SftpReply): boolean {
  switch (reply.kind) {
    case 'version':
      return false;
    case 'status':
      return true;
    case 'handle':
      return request.kind === 'open' || request.kind === 'opendir';
    case 'data':
      return request.kind === 'read';
    case 'attrs':
      return request.kind === 'stat' || request.kind === 'lstat' || request.kind === 'fstat';
    case 'name':
      return namesAnswer.has(request.kind);
    case 'extended-reply':
      return extendedAnswer.has(request.kind);
  }
}

const namesAnswer: ReadonlySet<string> = new Set([
  'readdir',
  'realpath',
  'readlink',
  'expand-path',
  'home-directory',
]);
const extendedAnswer: ReadonlySet<string> = new Set(['statvfs', 'fstatvfs', 'limits', 'users-groups-by-id']);
