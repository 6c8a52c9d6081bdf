import { type FileReader, type FileTally, SftpChannel } from '../../codec/sftp/channel.js';
import type { SftpEvent } from '../../codec/sftp/framer.js';
import { withPlainPaths } from '../../codec/sftp/plain-paths.js';
import { statusCodes } from '../../codec/sftp/protocol.js';
import { SftpReplies, type SftpReply } from '../../codec/sftp/replies.js';
import { type SftpRequest, SftpRequests } from '../../codec/sftp/requests.js';
import type { FileUse } from '../../codec/sftp/uses.js';
import { writeInit, writeRealpath, writeStatus } from '../../codec/sftp/writers.js';
import { writeMessage } from '../../codec/ssh/messages.js';
import type { Appended, Permit } from '../../contract/decision.js';
import { limits } from '../../contract/limits.js';
import type { FileOperation } from '../../contract/ssh.js';
import { permitOf } from '../../policy/index.js';
import type { Channel, ChannelFiles } from './channel.js';
import { FileKeeper } from './file-keeper.js';
import { asked, judged } from './judged.js';
import { sshLimits } from './limits.js';
import type { Hold, Parts } from './parts.js';
import type { Use } from './use.js';

/** Looking is judged, and told when it is refused; where it is allowed it changes and reveals no content. */
const quiet: ReadonlySet<FileOperation> = new Set(['stat', 'read-link']);

/**
 * One SFTP channel: each request is judged before the target sees it, each file that moves is counted and hashed.
 * INVARIANT: bytes reach the target in whole requests that were allowed, in order; refused ones are answered here.
 */
export class SftpWatch implements ChannelFiles {
  readonly #parts: Parts;
  readonly #channel: Channel;
  readonly #hold: Hold;
  readonly #state = new SftpChannel(undefined, (id) => this.#keeperOf(id));
  readonly #requests = new SftpRequests();
  readonly #replies = new SftpReplies();
  /** What runs: by its request's number until that is answered, then files by their handle. */
  readonly #asked = new Map<number, Use>();
  readonly #open = new Map<string, Use>();
  /** Of files whose content policy wants kept. */
  readonly #keepers = new Map<Use, FileKeeper>();
  /** Content that was handed to the journal, and may not go on before it is in there. */
  #unrecorded = false;
  #keptRead = false;
  #events: SftpEvent<SftpRequest>[] = [];
  #done: (() => void) | undefined;
  /** Allowed bytes on their way to the target. */
  #out: Uint8Array[] = [];
  /** The data of a refused WRITE is dropped. */
  #dropping = false;
  #droppedBytes = 0;
  /** The gateway asks where relative paths begin: soon, once the target owes nothing, or now. */
  #asking: { readonly id: number; readonly state: 'soon' | 'now' } | undefined;
  /** Answers of ours that wait for a place between two of the target's, and for room at the client. */
  readonly #own: Uint8Array[] = [];

  constructor(parts: Parts, channel: Channel, hold: Hold) {
    this.#parts = parts;
    this.#channel = channel;
    this.#hold = hold;
  }

  /** A piece of the client's side. `data` is copied. */
  fromClient(data: Buffer): void {
    this.#events.push(...this.#requests.push(Buffer.from(data)));
    if (!this.#waits()) return;
    this.#hold((done) => {
      this.#done = done;
    });
  }

  /** Works through events; true: one of them is being judged, and `#judgedNow` goes on behind it. */
  #waits(): boolean {
    for (let event = this.#events[0]; event !== undefined; event = this.#events[0]) {
      if (this.#parts.context.isOver()) return false;
      if (event.kind === 'packet' && this.#unrecorded) return this.#record();
      this.#events.shift();
      if (event.kind === 'malformed') {
        this.#parts.context.fail('client-protocol', `SFTP: ${event.reason}`);
        return false;
      }
      if (event.kind === 'piece') this.#piece(event.data, event.last);
      else if (this.#packet(event.packet, event.raw)) return true;
    }
    if (this.#unrecorded) return this.#record();
    this.#flush();
    return false;
  }

  /** What is kept of a file is in the journal before the target has it. */
  #record(): true {
    const { context } = this.#parts;
    this.#unrecorded = false;
    context.recorder.flush((failure) => {
      if (failure !== undefined) return context.fail('not-recordable', failure.message);
      this.#recorded();
    }, context.id);
    return true;
  }

  #recorded(): void {
    const { context } = this.#parts;
    if (context.isOver()) return;
    // A full journal holds who writes, as it holds who reads.
    if (context.recorder.backlogBytes() > limits.backlogBytesMax) {
      setTimeout(() => this.#recorded(), sshLimits.backlogWaitMs).unref();
      return;
    }
    context.guarded(() => {
      this.#flush();
      this.#judgedNow();
    });
  }

  /** Everything of this chunk is through before anything behind it is read. */
  #judgedNow(): void {
    if (this.#waits()) return;
    const done = this.#done;
    this.#done = undefined;
    done?.();
  }

  #piece(data: Uint8Array, last: boolean): void {
    if (this.#dropping) {
      this.#droppedBytes += data.length;
      if (last) this.#dropping = false;
      return;
    }
    this.#state.written(data);
    this.#out.push(data);
  }

  /** True: it is being judged, and what follows waits. */
  #packet(request: SftpRequest, sent: Uint8Array): boolean {
    const raw = withPlainPaths(request, sent) ?? sent;
    this.#droppedBytes += sent.length - raw.length;
    const verdict = this.#state.request(request);
    if (verdict.kind === 'malformed') {
      this.#parts.context.fail('client-protocol', `SFTP: ${verdict.reason}`);
      return false;
    }
    if (verdict.kind === 'refuse') {
      this.#refuse(request, raw, verdict.code, verdict.reason);
      return false;
    }
    if (verdict.kind === 'home') {
      if (!('id' in request)) return false;
      this.#events.unshift({ kind: 'packet', packet: request, raw });
      this.#asking = { id: request.id, state: 'soon' };
      this.#askHome();
      return true;
    }
    if (request.kind === 'init') {
      const init = writeInit();
      this.#droppedBytes += raw.length - init.length;
      this.#out.push(init);
      return false;
    }
    if (verdict.uses.length === 0) {
      this.#out.push(raw);
      return false;
    }
    return this.#judge(request, raw, verdict.uses);
  }

  #judge(request: SftpRequest, raw: Uint8Array, uses: readonly FileUse[]): boolean {
    const { context } = this.#parts;
    // What was allowed before it goes first.
    this.#flush();
    const verdicts = uses.map((file) => ({ file, ...asked(context, { action: 'ssh:sftp', file }) }));
    // Each of them must be allowed: the first that is not speaks for all.
    const refused = verdicts.find(({ decision }) => decision.kind !== 'allow');
    const verdict = refused ?? verdicts[0];
    if (verdict === undefined) return false;
    if (refused === undefined && uses.every(({ operation }) => quiet.has(operation))) {
      this.#out.push(raw);
      return false;
    }
    const [file = verdict.file] = uses;
    const operations = uses.map(({ operation }) => operation).join(' ');
    judged(context, {
      ...verdict,
      command: `sftp ${operations}`,
      text: file.to === undefined ? file.path : `${file.path} -> ${file.to}`,
      allowed: (decision, appended, begun) => {
        if ('id' in request) this.#asked.set(request.id, begun);
        if (request.kind === 'open') this.#keep(begun, decision.keepBytes);
        this.#begin(raw, permitOf(decision), appended);
        this.#judgedNow();
      },
      denied: (line) => {
        if ('id' in request) this.#state.refused(request.id);
        this.#refuse(request, raw, statusCodes.permissionDenied, line);
        this.#judgedNow();
      },
    });
    return true;
  }

  #keep(use: Use, keepBytes = 0): void {
    const { judge } = this.#parts.context;
    if (keepBytes > 0) this.#keepers.set(use, new FileKeeper(use, keepBytes, () => judge.newFileMasker()));
  }

  #keeperOf(id: number): FileReader | undefined {
    const use = this.#asked.get(id);
    const keeper = use === undefined ? undefined : this.#keepers.get(use);
    if (keeper === undefined) return undefined;
    return {
      read: (data) => {
        this.#keptRead = keeper.take('file-read', data) || this.#keptRead;
      },
      written: (data) => {
        this.#unrecorded = keeper.take('file-written', data) || this.#unrecorded;
      },
    };
  }

  #begin(raw: Uint8Array, permit: Permit, appended: Appended): void {
    for (const message of this.#messages(raw)) this.#parts.upstream.begin(message, permit, appended);
  }

  #flush(): void {
    const out = this.#out.length === 1 ? this.#out[0] : Buffer.concat(this.#out);
    this.#out = [];
    if (out !== undefined) for (const message of this.#messages(out)) this.#parts.upstream.pass(message);
    const dropped = this.#droppedBytes;
    const { clientId } = this.#channel;
    if (dropped <= 0 || clientId === undefined) return;
    // The target never sees these bytes, so it will not make room for them again.
    this.#droppedBytes = 0;
    this.#parts.outbox.push(
      writeMessage({ kind: 'window-adjust', recipient: clientId, bytes: dropped }),
      false,
    );
  }

  *#messages(bytes: Uint8Array): Generator<Buffer> {
    const { targetId: recipient } = this.#channel;
    if (recipient === undefined) return;
    const step = Math.min(sshLimits.packetBytesMax, this.#channel.targetPacketBytes);
    for (let at = 0; at < bytes.length; at += step) {
      const length = Math.min(step, bytes.length - at);
      yield writeMessage({
        kind: 'data',
        recipient,
        data: Buffer.from(bytes.buffer, bytes.byteOffset + at, length),
      });
    }
  }

  #refuse(request: SftpRequest, raw: Uint8Array, code: number, reason: string): void {
    this.#droppedBytes += raw.length;
    if (request.kind === 'write') this.#dropping = true;
    if (!('id' in request)) return;
    this.#own.push(writeStatus(request.id, code, reason));
    this.answer();
  }

  /** What was asked before must be answered first: from here on the target says nothing but its answer to this. */
  #askHome(): void {
    this.#flush();
    if (this.#asking?.state !== 'soon' || !this.#state.isQuiet || this.#replies.heldBytes > 0) return;
    const { id } = this.#asking;
    if (this.#state.home !== undefined) return this.#knowsHome();
    this.#asking = { id, state: 'now' };
    this.#state.askHome(id);
    const question = writeRealpath(id, '.');
    this.#channel.borrowedBytes += question.length;
    for (const message of this.#messages(question)) this.#parts.upstream.pass(message);
  }

  #knowsHome(): void {
    this.#asking = undefined;
    this.#judgedNow();
  }

  ownAnswer(data: Buffer): boolean {
    const { targetId } = this.#channel;
    if (this.#asking?.state !== 'now' || targetId === undefined) return false;
    this.fromTarget(data);
    // The client never sees these bytes, so it will not make room for them again.
    this.#parts.upstream.pass(
      writeMessage({ kind: 'window-adjust', recipient: targetId, bytes: data.length }),
    );
    const isThrough = this.#state.isQuiet && this.#replies.heldBytes === 0;
    if (isThrough && !this.#parts.context.isOver()) this.#knowsHome();
    return true;
  }

  answer(): void {
    if (this.#asking !== undefined) this.#askHome();
    const { clientId } = this.#channel;
    if (clientId === undefined) return;
    while (this.#replies.heldBytes === 0) {
      const [own] = this.#own;
      if (own === undefined || own.length > this.#channel.clientWindowBytes) return;
      this.#own.shift();
      this.#channel.clientWindowBytes -= own.length;
      this.#channel.injectedBytes += own.length;
      const data = Buffer.from(own);
      this.#parts.outbox.push(writeMessage({ kind: 'data', recipient: clientId, data }), true);
    }
  }

  /** A piece of the target's side, before it is handed on. True: some of it is kept, and has to be first. */
  fromTarget(data: Buffer): boolean {
    this.#keptRead = false;
    for (const event of this.#replies.push(data)) {
      if (event.kind === 'malformed') {
        this.#parts.context.fail('target-protocol', `SFTP: ${event.reason}`);
        return false;
      }
      if (event.kind === 'piece') this.#state.received(event.data);
      else this.#reply(event.packet);
    }
    return this.#keptRead;
  }

  #reply(reply: SftpReply): void {
    const answered = this.#state.reply(reply);
    if (answered.kind === 'malformed') {
      this.#parts.context.fail('target-protocol', `SFTP: ${answered.reason}`);
      return;
    }
    const { request, file } = answered;
    if (request === undefined || !('id' in request)) return;
    const use = this.#asked.get(request.id);
    this.#asked.delete(request.id);
    if (request.kind === 'close') {
      this.#closed(request.handle, file);
      return;
    }
    if (use === undefined) return;
    const failed = reply.kind === 'status' && reply.code !== statusCodes.ok;
    if (failed) use.end({ state: 'error', code: `sftp-${reply.code}`, message: reply.message });
    else if (reply.kind === 'handle' && request.kind === 'open') this.#open.set(reply.handle, use);
    else use.end({ state: 'ok' });
    if (use.ended) this.#keepers.delete(use);
  }

  #closed(handle: string, file: FileTally | undefined): void {
    const use = this.#open.get(handle);
    this.#open.delete(handle);
    if (use !== undefined && file !== undefined) this.#end(use, file, 'ok');
  }

  #end(use: Use, file: FileTally, state: 'ok' | 'interrupted'): void {
    const kept = this.#keepers.get(use)?.end();
    this.#keepers.delete(use);
    endFile(use, file, state, kept);
  }

  /** The channel is over: what was still open was not finished. */
  end(): void {
    const byPath = new Map(this.#state.end().map((file) => [file.path, file]));
    for (const use of this.#open.values()) {
      const file = byPath.get(use.text);
      if (file === undefined) use.end({ state: 'interrupted' });
      else this.#end(use, file, 'interrupted');
    }
    for (const use of this.#asked.values()) use.end({ state: 'interrupted' });
    this.#open.clear();
    this.#asked.clear();
    this.#keepers.clear();
  }
}

/** Bytes and hash of what moved stand in the outcome, and how much of it the recording holds. */
function endFile(use: Use, { read, written }: FileTally, state: 'ok' | 'interrupted', keptBytes = 0): void {
  use.down(read.bytes);
  use.up(written.bytes);
  const moved = written.bytes > 0 ? written : read;
  const way = written.bytes > 0 ? 'written' : 'read';
  const hash = moved.sha256 === undefined ? '' : `, sha256 ${moved.sha256}${moved.whole ? '' : ' of a part'}`;
  const kept = keptBytes === 0 ? '' : `, ${keptBytes} bytes kept`;
  use.end({ state, tag: `${moved.bytes} bytes ${way}${hash}${kept}` });
}
