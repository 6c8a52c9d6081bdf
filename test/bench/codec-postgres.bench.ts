import { RowFields } from '../../gateway-core/codec/postgres/backend.js';
import {
  writeCommandComplete,
  writeDataRow,
  writeReadyForQuery,
} from '../../gateway-core/codec/postgres/backend-writers.js';
import { createCopyTransformer } from '../../gateway-core/codec/postgres/copy.js';
import { MessageFramer } from '../../gateway-core/codec/postgres/framer.js';
import {
  readBind,
  readExecute,
  writeBareFrontend,
  writeBind,
  writeExecute,
} from '../../gateway-core/codec/postgres/frontend.js';
import { MessageWriter } from '../../gateway-core/codec/postgres/writer.js';

/** Rates of one core: megabytes (10^6 bytes) a second, or nanoseconds a message; medians of `rounds`. */
export interface CodecPostgresBench {
  readonly framingRunsMBs: number;
  readonly framingSingleMBs: number;
  readonly framingAndFieldsMBs: number;
  readonly copyTextMBs: number;
  readonly copyTextMaskedMBs: number;
  readonly copyCsvMBs: number;
  readonly copyBinaryMBs: number;
  readonly smallMessageNs: number;
  readonly bindReadNs: number;
  readonly bindWriteNs: number;
}

const rounds = 7;
const chunkBytes = 64 * 1024;
const wide = { messageBytesMax: () => 1 << 30 };

/** 288 bytes a row, as in the bulk bench of the whole gateway: one number, six text columns. */
function row(index: number): Uint8Array[] {
  const texts = [40, 60, 20, 45, 50, 35].map((length, column) => Buffer.alloc(length, 0x61 + column));
  return [Buffer.from(String(index).padStart(7, '0')), ...texts];
}

function chunksOf(bytes: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.subarray(at, at + chunkBytes));
  return chunks;
}

function rowsStream(count: number): Buffer {
  const writer = new MessageWriter({ slabBytes: 1 << 20 });
  for (let index = 0; index < count; index += 1) writeDataRow(writer, row(index));
  return writer.take();
}

/** Seconds of the median round. */
function median(work: () => void): number {
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const start = process.hrtime.bigint();
    work();
    seconds.push(Number(process.hrtime.bigint() - start) / 1e9);
  }
  return seconds.sort((a, b) => a - b)[rounds >> 1] ?? Number.NaN;
}

const rate = (bytes: number, seconds: number): number => Math.round(bytes / seconds / 1e6);

function frame(
  chunks: readonly Buffer[],
  step: (framer: MessageFramer) => string,
  each?: (framer: MessageFramer) => void,
): void {
  const framer = new MessageFramer('backend', wide);
  for (const chunk of chunks) {
    framer.push(chunk);
    while (step(framer) === 'message') each?.(framer);
  }
  if (!framer.atBoundary) throw new Error('the stream was not framed whole');
}

function readRun(framer: MessageFramer, fields: RowFields): void {
  const { buffer, end } = framer;
  for (let at = framer.start; at < end; ) {
    const next =
      at +
      1 +
      (((buffer[at + 1] ?? 0) << 24) |
        ((buffer[at + 2] ?? 0) << 16) |
        ((buffer[at + 3] ?? 0) << 8) |
        (buffer[at + 4] ?? 0));
    if (!fields.read(buffer, at + 5, next)) throw new Error('a row was not read');
    at = next;
  }
}

function copy(format: 'text' | 'csv' | 'binary', data: Buffer, masked: boolean): number {
  const stars = Buffer.from('***');
  const chunks = chunksOf(data);
  const seconds = median(() => {
    const transformer = createCopyTransformer({ format }, (_buffer, _start, _end, column) =>
      masked && column === 2 ? stars : undefined,
    );
    for (const chunk of chunks)
      if (!(transformer.push(chunk) instanceof Uint8Array)) throw new Error('refused');
    if (transformer.end() !== undefined) throw new Error('cut');
  });
  return rate(data.length, seconds);
}

function binaryCopy(count: number): Buffer {
  const writer = new MessageWriter({ slabBytes: 1 << 20 })
    .bytes(Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'))
    .int32(0)
    .int32(0);
  for (let index = 0; index < count; index += 1) {
    const values = row(index);
    writer.int16(values.length);
    for (const value of values) writer.int32(value.length).bytes(value);
  }
  return writer.int16(-1).take();
}

function smallMessages(count: number): Buffer {
  const writer = new MessageWriter({ slabBytes: 1 << 20 });
  for (let index = 0; index < count / 3; index += 1) {
    writeDataRow(writer, [Buffer.from('12345')]);
    writeCommandComplete(writer, 'SELECT 1');
    writeReadyForQuery(writer, 'I');
  }
  return writer.take();
}

/** Micro benchmark of the PostgreSQL codec: no sockets, no files. Takes a few seconds. */
export async function benchCodecPostgres(): Promise<CodecPostgresBench> {
  const count = 200_000;
  const stream = rowsStream(count);
  const chunks = chunksOf(stream);
  const fields = new RowFields();
  const lines = Array.from({ length: count }, (_, index) =>
    row(index).map((value) => Buffer.from(value).toString('latin1')),
  );
  const text = Buffer.from(lines.map((line) => `${line.join('\t')}\n`).join(''));
  const csv = Buffer.from(lines.map((line) => `${line.join(',')}\n`).join(''));
  const messages = 300_000;
  const small = chunksOf(smallMessages(messages));
  const binds = 200_000;
  const values = [Buffer.from('12345'), null];
  const writer = new MessageWriter();
  const writeOne = () => {
    writeBind(writer, { portal: '', statement: 'S_1', values, resultFormats: [1] });
    writeExecute(writer, '');
    writeBareFrontend(writer, 'sync');
    return writer.take();
  };
  const bind = writeOne();
  const bindEnd = 1 + bind.readInt32BE(1);
  const bindView = { buffer: bind, bodyStart: 5, end: bindEnd };
  const executeView = {
    buffer: bind,
    bodyStart: bindEnd + 5,
    end: bindEnd + 1 + bind.readInt32BE(bindEnd + 1),
  };
  const seconds = {
    runs: median(() => frame(chunks, (framer) => framer.nextRun())),
    single: median(() => frame(chunks, (framer) => framer.next())),
    fields: median(() =>
      frame(
        chunks,
        (framer) => framer.nextRun(),
        (framer) => readRun(framer, fields),
      ),
    ),
    small: median(() => frame(small, (framer) => framer.next())),
    bindRead: median(() => {
      for (let index = 0; index < binds; index += 1) {
        if (readBind(bindView).kind === 'malformed' || readExecute(executeView).kind === 'malformed')
          throw new Error('refused');
      }
    }),
    bindWrite: median(() => {
      for (let index = 0; index < binds; index += 1) writeOne();
    }),
  };
  return {
    framingRunsMBs: rate(stream.length, seconds.runs),
    framingSingleMBs: rate(stream.length, seconds.single),
    framingAndFieldsMBs: rate(stream.length, seconds.fields),
    copyTextMBs: copy('text', text, false),
    copyTextMaskedMBs: copy('text', text, true),
    copyCsvMBs: copy('csv', csv, false),
    copyBinaryMBs: copy('binary', binaryCopy(count), true),
    smallMessageNs: Math.round((seconds.small / messages) * 1e9),
    bindReadNs: Math.round((seconds.bindRead / binds) * 1e9),
    bindWriteNs: Math.round((seconds.bindWrite / binds) * 1e9),
  };
}
