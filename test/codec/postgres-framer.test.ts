import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  writeAuthenticationOk,
  writeBackendKeyData,
  writeBareBackend,
  writeCommandComplete,
  writeCopyResponse,
  writeDataRow,
  writeParameterStatus,
  writeReadyForQuery,
  writeReport,
  writeRowDescription,
} from '../../gateway-core/codec/postgres/backend-writers.js';
import { MessageFramer } from '../../gateway-core/codec/postgres/framer.js';
import {
  writeBareFrontend,
  writeBind,
  writeCopyData,
  writeDescribe,
  writeExecute,
  writeParse,
  writeQuery,
} from '../../gateway-core/codec/postgres/frontend.js';
import { codecLimits } from '../../gateway-core/codec/postgres/limits.js';
import { backendTypes, frontendTypes } from '../../gateway-core/codec/postgres/messages.js';
import { MessageWriter } from '../../gateway-core/codec/postgres/writer.js';
import { cutAt, framed, fuzzer, mutate, wide } from './postgres-support.js';

/** A session's answers: start-up, a query with rows of many sizes, COPY, an error. */
function backendConversation(): Buffer {
  const writer = new MessageWriter();
  writeAuthenticationOk(writer);
  writeParameterStatus(writer, 'client_encoding', 'UTF8');
  writeBackendKeyData(writer, 4711, Buffer.alloc(32, 7));
  writeReadyForQuery(writer, 'I');
  const column = {
    tableOid: 1,
    columnNumber: 1,
    typeOid: 25,
    typeSize: -1,
    typeModifier: -1,
    format: 0,
  } as const;
  writeRowDescription(writer, [
    { name: 'a', ...column },
    { name: 'ü', ...column },
  ]);
  for (let row = 0; row < 12; row += 1) writeDataRow(writer, [Buffer.alloc(row * 3, 0x61), null]);
  writeCommandComplete(writer, 'SELECT 12');
  writeBareBackend(writer, 'emptyQueryResponse');
  writeCopyResponse(writer, 'out', { format: 0, columnFormats: [0, 0] });
  for (let line = 0; line < 5; line += 1) writeCopyData(writer, Buffer.from(`${line}\tx\n`));
  writeBareBackend(writer, 'copyDone');
  writeReport(writer, { severity: 'ERROR', code: '42501', message: 'denied', hint: 'ask' });
  writeReadyForQuery(writer, 'E');
  return writer.take();
}

function frontendConversation(): Buffer {
  const writer = new MessageWriter();
  writeQuery(writer, 'select 1');
  writeParse(writer, { statement: 's', text: 'select $1', parameterTypes: [23] });
  writeBind(writer, { portal: '', statement: 's', values: [Buffer.from('1'), null], resultFormats: [1] });
  writeDescribe(writer, 'portal', '');
  writeExecute(writer, '');
  writeBareFrontend(writer, 'sync');
  for (let line = 0; line < 5; line += 1) writeCopyData(writer, Buffer.alloc(line * 9, 0x62));
  writeBareFrontend(writer, 'copyDone');
  writeBareFrontend(writer, 'terminate');
  return writer.take();
}

const streams = { frontend: frontendConversation(), backend: backendConversation() } as const;
const directions = ['frontend', 'backend'] as const;

/** Holds nothing but small messages whole: the others come in pieces. */
const piecewise = {
  messageBytesMax: () => 1 << 30,
  pieceAboveBytes: (type: number) => (type === 0x44 || type === 0x64 ? 8 : undefined),
};

describe('framer', () => {
  it('gives the same messages however the stream is cut', () => {
    for (const direction of directions) {
      const stream = streams[direction];
      const whole = framed(direction, [stream]);
      expect(whole.join('')).toBe(stream.toString('hex'));
      for (let at = 0; at <= stream.length; at += 1) {
        expect(framed(direction, cutAt(stream, [at]))).toEqual(whole);
      }
      for (let size = 1; size < 40; size += 1) {
        const places = Array.from({ length: Math.ceil(stream.length / size) }, (_, index) => index * size);
        for (const runs of [false, true]) {
          expect(framed(direction, cutAt(stream, places), { runs })).toEqual(whole);
          expect(framed(direction, cutAt(stream, places), { runs, bounds: piecewise })).toEqual(whole);
        }
      }
    }
  });

  it('gives the same messages at random cuts, in runs and in pieces', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...directions),
        fc.array(fc.nat(600)),
        fc.boolean(),
        fc.boolean(),
        (direction, places, runs, pieces) => {
          const stream = streams[direction];
          const options = { runs, bounds: pieces ? piecewise : wide };
          expect(framed(direction, cutAt(stream, places), options)).toEqual(framed(direction, [stream]));
        },
      ),
    );
  });

  it('hands the rows of one chunk on as one region', () => {
    const framer = new MessageFramer('backend', wide);
    framer.push(streams.backend);
    const counts: [number, number][] = [];
    while (framer.nextRun() === 'message') counts.push([framer.type, framer.count]);
    expect(counts).toContainEqual([backendTypes.dataRow, 12]);
    expect(counts).toContainEqual([backendTypes.copyData, 5]);
    expect(counts.filter(([type, count]) => count > 1 && type !== 0x44 && type !== 0x64)).toEqual([]);
  });

  it('gives views of the chunk itself, without a copy', () => {
    const framer = new MessageFramer('backend', wide);
    framer.push(streams.backend);
    while (framer.next() === 'message') expect(framer.buffer).toBe(streams.backend);
  });

  it('never writes again to bytes that it has given out', () => {
    const chunks = cutAt(
      streams.backend,
      Array.from({ length: 200 }, (_, index) => index * 7),
    );
    const framer = new MessageFramer('backend', piecewise);
    const views: { view: Uint8Array; copy: string }[] = [];
    for (const chunk of chunks) {
      framer.push(chunk);
      for (let event = framer.next(); event !== 'more'; event = framer.next()) {
        const view = framer.buffer.subarray(framer.start, framer.end);
        views.push({ view, copy: Buffer.from(view).toString('hex') });
      }
    }
    for (const { view, copy } of views) expect(Buffer.from(view).toString('hex')).toBe(copy);
  });

  it('says of a piece where it lies in its message', () => {
    const writer = new MessageWriter();
    writeCopyData(writer, Buffer.alloc(100, 1));
    const stream = writer.take();
    const framer = new MessageFramer('backend', piecewise);
    const pieces: unknown[] = [];
    for (const chunk of cutAt(stream, [3, 10, 50])) {
      framer.push(chunk);
      while (framer.next() === 'piece') {
        const body = framer.end - framer.bodyStart;
        pieces.push([
          framer.type,
          framer.messageBytes,
          framer.pieceOffset,
          framer.end - framer.start,
          body,
          framer.pieceLast,
        ]);
      }
    }
    expect(pieces).toEqual([
      [0x64, 105, 0, 5, 0, false],
      [0x64, 105, 5, 5, 5, false],
      [0x64, 105, 10, 40, 40, false],
      [0x64, 105, 50, 55, 55, true],
    ]);
  });

  it('a truncated message is never given, and is told from a clean end', () => {
    for (const direction of directions) {
      const stream = streams[direction];
      const ends = new Set([0]);
      for (let at = 0; at < stream.length; ) ends.add((at += 1 + stream.readInt32BE(at + 1)));
      for (let at = 0; at <= stream.length; at += 1) {
        const seen = framed(direction, [stream.subarray(0, at)]);
        expect(seen.at(-1) === 'truncated').toBe(!ends.has(at));
      }
    }
  });

  it('refuses types of the other direction, and bytes that are no type, at the first byte', () => {
    for (const direction of directions) {
      const types: readonly number[] = Object.values(direction === 'frontend' ? frontendTypes : backendTypes);
      for (let type = 0; type < 256; type += 1) {
        const seen = framed(direction, [Uint8Array.of(type)]);
        expect(seen).toEqual(types.includes(type) ? ['truncated'] : ['malformed: a message of unknown type']);
      }
    }
  });

  it.each([0, 3, -1, -0x8000_0000])('refuses a length of %i', (length) => {
    const bytes = Buffer.alloc(64, 0x51);
    bytes.writeInt32BE(length, 1);
    expect(framed('frontend', [bytes])).toEqual(['malformed: a message length below four']);
    expect(framed('frontend', cutAt(bytes, [2]))).toEqual(['malformed: a message length below four']);
  });

  it('refuses a Sync that carries anything', () => {
    expect(framed('frontend', [Buffer.from('530000000500', 'hex')])).toEqual([
      'malformed: a wrong length for a message of fixed size',
    ]);
  });

  it('refuses a message beyond its bound by its header alone, in a run too, and gives those before it', () => {
    const writer = new MessageWriter();
    writeDataRow(writer, [Buffer.alloc(10)]);
    writeDataRow(writer, [Buffer.alloc(100)]);
    const stream = writer.take().subarray(0, 40);
    const bounds = { messageBytesMax: (type: number) => (type === backendTypes.dataRow ? 50 : 0) };
    for (const runs of [false, true]) {
      const seen = framed('backend', [stream], { runs, bounds });
      expect(seen).toHaveLength(2);
      expect(seen[1]).toBe('malformed: a message beyond its bound');
    }
  });

  it('stays malformed once it is', () => {
    const framer = new MessageFramer('frontend', wide);
    framer.push(Buffer.from('51ffffffff5300000004', 'hex'));
    expect(framer.next()).toBe('malformed');
    expect(framer.next()).toBe('malformed');
    expect(framer.nextRun()).toBe('malformed');
    expect(framer.atBoundary).toBe(false);
  });

  it('never makes room for a declared length before its bytes arrive', () => {
    const framer = new MessageFramer('backend', wide);
    const header = Buffer.from([backendTypes.dataRow, 0x3f, 0xff, 0xff, 0x00]);
    framer.push(header);
    expect(framer.next()).toBe('more');
    let arrived = header.length;
    for (let chunk = 0; chunk < 200; chunk += 1) {
      const bytes = chunk % 3 === 0 ? 1 : 4096;
      framer.push(Buffer.alloc(bytes));
      expect(framer.next()).toBe('more');
      arrived += bytes;
      expect(framer.heldCapacityBytes).toBeLessThanOrEqual(
        Math.max(codecLimits.assemblyBytesInitial, 2 * arrived),
      );
    }
  });

  it('takes new bounds from the next message on', () => {
    const framer = new MessageFramer('frontend', {
      messageBytesMax: (type) => (type === frontendTypes.password ? 1024 : 0),
    });
    framer.push(Buffer.concat([Buffer.from('70000000057800', 'hex').subarray(0, 6), streams.frontend]));
    expect(framer.next()).toBe('message');
    framer.setBounds(wide);
    expect(framer.next()).toBe('message');
    expect(framer.type).toBe(frontendTypes.query);
  });

  it('mutated streams end in messages, more or malformed, within bounds, and alike for every cut', () => {
    const random = fuzzer('framer fuzz');
    const bounds = { messageBytesMax: () => 4096, pieceAboveBytes: piecewise.pieceAboveBytes };
    for (let round = 0; round < 3000; round += 1) {
      const direction = directions[random(2)] ?? 'backend';
      const bytes = mutate(streams[direction], random);
      const whole = framed(direction, [bytes], { bounds });
      const cuts = Array.from({ length: random(20) }, () => random(bytes.length + 1));
      const cut = framed(direction, cutAt(bytes, cuts), { runs: random(2) === 0, bounds });
      expect(cut).toEqual(whole);
    }
  });
});
