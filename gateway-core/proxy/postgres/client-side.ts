import type { Duplex } from 'node:stream';
import { MessageFramer } from '../../codec/postgres/framer.js';
import {
  readBind,
  readClose,
  readDescribe,
  readExecute,
  readParse,
  readQuery,
  writeDescribe,
  writeParse,
} from '../../codec/postgres/frontend.js';
import { frontendTypes } from '../../codec/postgres/messages.js';
import { MessageWriter } from '../../codec/postgres/writer.js';
import type { Appended, Permit } from '../../contract/decision.js';
import { limits } from '../../contract/limits.js';
import { decideStatement, expectReply, isFailure, type SessionContext } from './context.js';
import { intend, keptParameters, recordCopy, refuse } from './intents.js';
import type { Judgement } from './judged.js';
import type { Prepared, Sent } from './prepared.js';
import { Running } from './running.js';

/** Statements and portals that one session may keep open. */
const namesMax = 10_000;
/** A longer Query or Parse ends the session; what lies between this and what is judged is read and thrown away. */
const skippedTextBytesMax = 1024 * 1024 * 1024;
/** Bytes that may wait for the journal or the target before the client is read on. */
const waitingBytesMax = 1024 * 1024;

/** Reads the client: judges every text before a byte of it goes on. */
export class ClientSide {
  readonly #context: SessionContext;
  readonly #client: Duplex;
  readonly #framer: MessageFramer;
  readonly #writer = new MessageWriter();
  /** Bytes that arrived while a message was waiting: for the catalog, or for what the target says to earlier ones. */
  #held: Buffer[] = [];
  #waiting = false;
  #terminated = false;
  /** The pieces at hand are of COPY data that no COPY reads. */
  #droppingPieces = false;
  /** Syncs so far: what follows an error is skipped up to the next one. */
  #segment = 0;

  constructor(context: SessionContext, client: Duplex) {
    this.#context = context;
    this.#client = client;
    this.#framer = new MessageFramer('frontend', {
      messageBytesMax: (type) =>
        type === frontendTypes.query || type === frontendTypes.parse
          ? skippedTextBytesMax
          : limits.frontendMessageBytesMax,
      pieceAboveBytes: (type) => {
        if (type === frontendTypes.query || type === frontendTypes.parse)
          return limits.statementBytesMax + 64 * 1024;
        return type === frontendTypes.copyData ? 64 * 1024 : undefined;
      },
    });
  }

  /** True once the client said goodbye in good order. */
  get terminated(): boolean {
    return this.#terminated;
  }

  get atBoundary(): boolean {
    return this.#framer.atBoundary && this.#held.length === 0;
  }

  /** True while nothing more should be read from the client. */
  get waiting(): boolean {
    return this.#waiting;
  }

  push(chunk: Buffer): void {
    this.#context.bytesFromClient += chunk.length;
    if (this.#waiting) {
      this.#held.push(chunk);
      this.#client.pause();
      return;
    }
    this.#framer.push(chunk);
    this.#pump();
  }

  #pump(): void {
    const framer = this.#framer;
    for (;;) {
      const event = framer.nextRun();
      if (event === 'more') break;
      if (event === 'malformed') {
        this.#context.fail('client-protocol', framer.malformed?.reason ?? 'malformed');
        return;
      }
      if (!(event === 'piece' ? this.#piece() : this.#message())) return;
    }
    if (this.#context.queue.waitingBytes > waitingBytesMax) this.#client.pause();
  }

  /** False: stop here, the rest is read later or never. */
  #message(): boolean {
    const framer = this.#framer;
    switch (framer.type) {
      case frontendTypes.query: {
        const query = readQuery(framer);
        if (query.kind === 'malformed') return this.#malformed(query.reason);
        return this.#judge(query.text, framer.buffer.subarray(framer.start, framer.end), (judgement, bytes) =>
          this.#query(query.text, bytes, judgement),
        );
      }
      case frontendTypes.parse: {
        const parse = readParse(framer);
        if (parse.kind === 'malformed') return this.#malformed(parse.reason);
        if (parse.statement !== '' && this.#unsettled(this.#context.prepared.get(parse.statement)?.sent))
          return this.#later(() => this.#message());
        return this.#judge(parse.text, framer.buffer.subarray(framer.start, framer.end), (judgement, bytes) =>
          this.#parse(parse.statement, parse.text, parse.parameterTypes, bytes, judgement),
        );
      }
      case frontendTypes.bind:
        return this.#bind();
      case frontendTypes.execute:
        return this.#execute();
      case frontendTypes.describe:
        return this.#describe();
      case frontendTypes.close:
        return this.#close();
      case frontendTypes.sync:
        this.#segment += 1;
        // The target reads COPY data now, and passes over a Sync.
        if (this.#context.copyIn === undefined) expectReply(this.#context, { kind: 'sync' });
        this.#context.queue.upkeep(this.#bytes());
        return true;
      case frontendTypes.flush:
        this.#context.queue.upkeep(this.#bytes());
        return true;
      case frontendTypes.copyData:
        return this.#copyData();
      case frontendTypes.copyDone:
      case frontendTypes.copyFail:
        return this.#copyEnd();
      case frontendTypes.functionCall:
        this.#functionCall();
        return true;
      case frontendTypes.terminate:
        this.#terminated = true;
        this.#context.queue.upkeep(this.#bytes());
        return true;
      default:
        // A password message after start-up, or a type that the framer lets through and nobody knows.
        return this.#malformed('an unexpected message from the client');
    }
  }

  #malformed(reason: string): false {
    this.#context.fail('client-protocol', reason);
    return false;
  }

  #bytes(): Uint8Array {
    return this.#framer.buffer.subarray(this.#framer.start, this.#framer.end);
  }

  /** Calls `then` with the judgement: at once, or when the catalog has been read, with the client held meanwhile. */
  #judge(text: string, bytes: Uint8Array, then: (judgement: Judgement, bytes: Uint8Array) => void): boolean {
    const { judge } = this.#context;
    const judgement = judge.judge(text);
    if (judgement !== 'needs-catalog') {
      then(judgement, bytes);
      return true;
    }
    this.#waiting = true;
    this.#client.pause();
    void judge.refresh().then(() =>
      this.#goOn(() => {
        then(judge.judgeNow(text), bytes);
        return true;
      }),
    );
    return false;
  }

  /**
   * Takes the message at hand up again once the target has said something. Nothing is asked of the target for that:
   * what is waited for has been sent.
   */
  #later(again: () => boolean): false {
    this.#waiting = true;
    this.#client.pause();
    this.#context.waiters.push(() => this.#goOn(again));
    return false;
  }

  #goOn(again: () => boolean): void {
    this.#waiting = false;
    this.#context.guarded(() => {
      if (this.#context.isOver() || !again()) return;
      this.#pump();
      while (this.#mayRead()) {
        const chunk = this.#held.shift();
        if (chunk === undefined) break;
        this.#framer.push(chunk);
        this.#pump();
      }
      if (this.#mayRead()) this.#client.resume();
    });
  }

  #mayRead(): boolean {
    return !this.#waiting && !this.#context.isOver();
  }

  /** True: what the name means is settled by what the target has still to say. */
  #unsettled(sent: Sent | undefined): boolean {
    return sent !== undefined && !sent.confirmed && sent.segment !== this.#segment;
  }

  #query(text: string, bytes: Uint8Array, judgement: Judgement): void {
    const context = this.#context;
    // A simple query ends the unnamed statement and portal (protocol page, "Extended Query").
    context.prepared.delete('');
    context.portals.delete('');
    if (judgement.kind === 'refused') {
      refuse(this.#context, this.#writer, text, judgement, undefined, true);
      return;
    }
    const slot = context.queue.reserve((judgement.replacement ?? bytes).length);
    const running: Running[] = [];
    const { statements } = judgement;
    if (statements.length === 0) {
      // Nothing to run: an empty text, or comments. It still is a text that the target is given, so it is kept.
      this.#sendEmpty(text, bytes, judgement, slot.send);
      return;
    }
    let last: Appended | undefined;
    let left = statements.length;
    const done = (appended: Parameters<Parameters<typeof decideStatement>[1]['done']>[0]) => {
      if (isFailure(appended)) {
        slot.drop();
        context.fail('not-recordable', appended.message);
        return;
      }
      last = appended;
      left -= 1;
      if (left === 0) slot.send([judgement.replacement ?? bytes], judgement.permit, last);
    };
    for (const judged of statements) running.push(intend(context, judged, undefined, done));
    expectReply(context, { kind: 'query', statements: running, at: 0 });
  }

  #sendEmpty(
    text: string,
    bytes: Uint8Array,
    judgement: Extract<Judgement, { kind: 'allowed' }>,
    send: (pieces: readonly Uint8Array[], permit: Permit, appended: Appended) => void,
  ): void {
    const context = this.#context;
    const judged = judgement.empty(text);
    const statement = intend(context, judged, undefined, (appended) => {
      if (isFailure(appended)) context.fail('not-recordable', appended.message);
      else send([bytes], judgement.permit, appended);
    });
    expectReply(context, { kind: 'query', statements: [statement], at: 0 });
  }

  #parse(
    name: string,
    text: string,
    parameterTypes: readonly number[],
    bytes: Uint8Array,
    judgement: Judgement,
  ): void {
    const context = this.#context;
    if (judgement.kind === 'refused') {
      refuse(this.#context, this.#writer, text, judgement, undefined, false);
      return;
    }
    if (context.prepared.size >= namesMax && !context.prepared.has(name)) {
      this.#malformed('too many prepared statements');
      return;
    }
    const judged = judgement.statements[0] ?? judgement.empty(text);
    const prepared: Prepared = {
      name,
      text,
      judged,
      epoch: context.judge.epoch,
      parameterTypes,
      columns: undefined,
      sent: { segment: this.#segment, confirmed: false },
      taken: name !== '' && context.prepared.has(name),
    };
    // A name that is taken stays what it is: the target refuses the message, and skips what follows.
    if (!prepared.taken) context.prepared.set(name, prepared);
    if (name !== '') context.judge.parsed(name, judged);
    expectReply(context, { kind: 'parse', prepared });
    let message = bytes;
    if (judgement.replacementText !== undefined) {
      writeParse(this.#writer, { statement: name, text: judgement.replacementText, parameterTypes });
      message = this.#writer.take();
    }
    context.queue.prepare(message, judgement.permit);
  }

  #bind(): boolean {
    const context = this.#context;
    const bind = readBind(this.#framer);
    if (bind.kind === 'malformed') return this.#malformed(bind.reason);
    const prepared = context.prepared.get(bind.statement);
    if (this.#unsettled(prepared?.sent)) return this.#later(() => this.#message());
    if (context.portals.size >= namesMax && !context.portals.has(bind.portal)) {
      return this.#malformed('too many portals');
    }
    const portal = prepared && {
      prepared,
      parameters: keptParameters(this.#framer.buffer, bind, prepared.parameterTypes, prepared.judged),
      resultFormats: bind.resultFormats,
      columns: undefined,
      sent: { segment: this.#segment, confirmed: false },
    };
    if (portal !== undefined) context.portals.set(bind.portal, portal);
    // A statement made by SQL's PREPARE, or none: what would run is not known here, so its Execute is refused.
    else context.portals.delete(bind.portal);
    if (bind.portal !== '') context.judge.bound(bind.portal, prepared?.judged);
    expectReply(context, { kind: 'bind', name: bind.portal, portal });
    context.queue.upkeep(this.#bytes());
    return true;
  }

  #execute(): boolean {
    const context = this.#context;
    const execute = readExecute(this.#framer);
    if (execute.kind === 'malformed') return this.#malformed(execute.reason);
    const portal = context.portals.get(execute.portal);
    if (portal === undefined) return this.#refuseUnknown();
    if (this.#unsettled(portal.sent)) return this.#later(() => this.#message());
    const { prepared } = portal;
    if (prepared.judged !== undefined && prepared.epoch !== context.judge.epoch) {
      const bytes = this.#bytes();
      return this.#judge(prepared.text, bytes, (judgement) => {
        if (judgement.kind === 'refused') {
          refuse(this.#context, this.#writer, prepared.text, judgement, portal.parameters, false);
          return;
        }
        prepared.judged = judgement.statements[0] ?? judgement.empty(prepared.text);
        prepared.epoch = context.judge.epoch;
        // What changed may be what its names mean: the target is asked again what it returns.
        prepared.columns = undefined;
        this.#run(execute.portal, bytes);
      });
    }
    this.#run(execute.portal, this.#bytes());
    return true;
  }

  /** No such portal, or one that SQL made under this name: the target must not run what was not judged. */
  #refuseUnknown(): boolean {
    const refusal = this.#context.judge.refusal('(unknown portal)', 'there is no such portal', '34000');
    refuse(this.#context, this.#writer, '', refusal, undefined, false);
    return true;
  }

  #run(portalName: string, bytes: Uint8Array): void {
    const context = this.#context;
    const portal = context.portals.get(portalName);
    const judged = portal?.prepared.judged;
    if (portal === undefined || judged === undefined) {
      this.#refuseUnknown();
      return;
    }
    // Rows cannot be masked before their columns are known: ask, unless the client or an earlier run did.
    if (portal.columns === undefined && portal.prepared.columns === undefined && judged.returnsRows) {
      writeDescribe(this.#writer, 'portal', portalName);
      const { prepared } = portal;
      expectReply(context, { kind: 'describe', prepared, portal, ours: true, epoch: prepared.epoch });
      context.queue.upkeep(this.#writer.take());
    }
    const slot = context.queue.reserve(bytes.length);
    const statement = intend(context, judged, portal.parameters, (appended) => {
      if (isFailure(appended)) {
        slot.drop();
        context.fail('not-recordable', appended.message);
      } else slot.send([bytes], judged.permit, appended);
    });
    expectReply(context, { kind: 'execute', statement, portal });
  }

  #describe(): boolean {
    const context = this.#context;
    const describe = readDescribe(this.#framer);
    if (describe.kind === 'malformed') return this.#malformed(describe.reason);
    const portal = describe.target === 'portal' ? context.portals.get(describe.name) : undefined;
    const prepared = describe.target === 'statement' ? context.prepared.get(describe.name) : portal?.prepared;
    const described = prepared ?? unknownPrepared();
    expectReply(context, {
      kind: 'describe',
      prepared: described,
      portal,
      ours: false,
      epoch: described.epoch,
    });
    context.queue.upkeep(this.#bytes());
    return true;
  }

  #close(): boolean {
    const context = this.#context;
    const close = readClose(this.#framer);
    if (close.kind === 'malformed') return this.#malformed(close.reason);
    if (close.target === 'statement') context.prepared.delete(close.name);
    else context.portals.delete(close.name);
    expectReply(context, { kind: 'close', statement: close.target === 'statement' ? close.name : undefined });
    context.queue.upkeep(this.#bytes());
    return true;
  }

  /** FunctionCall names an oid, not a text: there is nothing to judge. Protocol page: "a legacy feature". */
  #functionCall(): void {
    const refusal = this.#context.judge.refusal(
      '(function call)',
      'function calls by oid are not available through the gateway',
      '0A000',
    );
    refuse(this.#context, this.#writer, '', refusal, undefined, true);
  }

  #copyData(): boolean {
    const framer = this.#framer;
    const statement = this.#context.copyIn;
    if (statement === undefined) return this.#noCopy(() => this.#copyData());
    let at = framer.start;
    while (at < framer.end) {
      const length = Buffer.from(framer.buffer.buffer, framer.buffer.byteOffset + at + 1, 4).readInt32BE(0);
      recordCopy(this.#context, statement, framer.buffer.subarray(at + 5, at + 1 + length));
      at += 1 + length;
    }
    this.#context.queue.upkeep(this.#bytes());
    return true;
  }

  /** A message too large to hold: COPY data goes on in pieces, a text that nobody can judge is passed over and refused. */
  #piece(): boolean {
    const { type, pieceLast } = this.#framer;
    if (type === frontendTypes.copyData) return this.#copyPiece();
    if (!pieceLast) return true;
    const what = '(a text beyond what is judged)';
    const refusal = this.#context.judge.refusal(what, 'the statement is too long to be judged', '54000');
    refuse(this.#context, this.#writer, '', refusal, undefined, type === frontendTypes.query);
    return true;
  }

  #copyPiece(): boolean {
    const framer = this.#framer;
    const statement = this.#context.copyIn;
    // The first piece says where the message belongs. A COPY that failed since is over for the target too, but the
    // message must come to its end.
    if (framer.pieceOffset === 0) {
      if (statement === undefined) {
        if (this.#context.copies.size > 0) return this.#later(() => this.#copyPiece());
        this.#droppingPieces = true;
      } else this.#droppingPieces = false;
    }
    if (this.#droppingPieces) return true;
    if (statement !== undefined)
      recordCopy(this.#context, statement, framer.buffer.subarray(framer.bodyStart, framer.end));
    this.#context.queue.upkeep(framer.buffer.subarray(framer.start, framer.end));
    return true;
  }

  #copyEnd(): boolean {
    if (this.#context.copyIn === undefined) return this.#noCopy(() => this.#copyEnd());
    this.#context.copyIn = undefined;
    this.#context.queue.upkeep(this.#bytes());
    return true;
  }

  /**
   * COPY data while the target reads none. A COPY that is under way may be about to: its data is held until the
   * target asks for it, so that it is recorded with the statement that gets it. Else the target would pass over it
   * (protocol page, "COPY Operations"), so it does not get it.
   */
  #noCopy(again: () => boolean): boolean {
    return this.#context.copies.size === 0 || this.#later(again);
  }
}

/** Stands for what a Describe names and nobody here knows. */
function unknownPrepared(): Prepared {
  return {
    name: '',
    text: '',
    judged: undefined,
    epoch: 0,
    parameterTypes: [],
    columns: undefined,
    sent: { segment: 0, confirmed: true },
    taken: false,
  };
}
