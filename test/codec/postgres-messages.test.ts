import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  noticeField,
  RowFields,
  readAuthentication,
  readBackendKeyData,
  readCommandComplete,
  readCopyResponse,
  readFunctionCallResponse,
  readNoticeFields,
  readNotification,
  readParameterDescription,
  readParameterStatus,
  readReadyForQuery,
  readRowDescription,
  rowsOfTag,
} from '../../gateway-core/codec/postgres/backend.js';
import * as backendWriters from '../../gateway-core/codec/postgres/backend-writers.js';
import type { MessageView } from '../../gateway-core/codec/postgres/bytes.js';
import * as frontend from '../../gateway-core/codec/postgres/frontend.js';
import type { FormatCode } from '../../gateway-core/codec/postgres/messages.js';
import { MessageWriter } from '../../gateway-core/codec/postgres/writer.js';
import { ThroughlineError } from '../../gateway-core/contract/errors.js';
import { fuzzer, mutate, written } from './postgres-support.js';

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const oid = fc.nat(0xffff_ffff);
const format = fc.constantFrom<FormatCode>(0, 1);
const value = fc.option(fc.uint8Array({ maxLength: 20 }), { nil: null });
const int32 = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });

function valuesOf(
  view: MessageView,
  message: { valueStarts: readonly number[]; valueLengths: readonly number[] },
): (Uint8Array | null)[] {
  return message.valueStarts.map((start, index) => {
    const length = message.valueLengths[index] ?? 0;
    return length < 0 ? null : new Uint8Array(view.buffer.subarray(start, start + length));
  });
}

describe('frontend messages read back as they were written', () => {
  it('Query, Parse, Describe, Close, Execute, CopyFail', () => {
    fc.assert(
      fc.property(
        text,
        text,
        fc.array(oid),
        int32,
        fc.constantFrom('statement' as const, 'portal' as const),
        (a, b, oids, rows, target) => {
          expect(frontend.readQuery(written((w) => frontend.writeQuery(w, a)))).toEqual({
            kind: 'query',
            text: a,
          });
          const parse = { statement: a, text: b, parameterTypes: oids };
          expect(frontend.readParse(written((w) => frontend.writeParse(w, parse)))).toEqual({
            kind: 'parse',
            ...parse,
          });
          const described = written((w) => frontend.writeDescribe(w, target, a));
          expect(frontend.readDescribe(described)).toEqual({ kind: 'describe', target, name: a });
          const closed = written((w) => frontend.writeClose(w, target, a));
          expect(frontend.readClose(closed)).toEqual({ kind: 'close', target, name: a });
          const executed = written((w) => frontend.writeExecute(w, a, rows));
          expect(frontend.readExecute(executed)).toEqual({ kind: 'execute', portal: a, rowsMax: rows });
          const failed = written((w) => frontend.writeCopyFail(w, a));
          expect(frontend.readCopyFail(failed)).toEqual({ kind: 'copy-fail', reason: a });
        },
      ),
    );
  });

  it('Bind and FunctionCall, with formats for none, all or each', () => {
    fc.assert(
      fc.property(
        text,
        text,
        fc.array(value),
        fc.nat(2),
        fc.array(format),
        oid,
        format,
        (portal, statement, values, which, resultFormats, functionOid, resultFormat) => {
          const each = values.map((_, index): FormatCode => (index % 2 === 0 ? 1 : 0));
          const parameterFormats: FormatCode[] = which === 0 ? [] : which === 1 ? [1] : each;
          const view = written((w) =>
            frontend.writeBind(w, { portal, statement, parameterFormats, values, resultFormats }),
          );
          const bind = frontend.readBind(view);
          if (bind.kind === 'malformed') throw new Error(bind.reason);
          expect(bind).toMatchObject({ kind: 'bind', portal, statement, parameterFormats, resultFormats });
          expect(valuesOf(view, bind)).toEqual(values);
          const called = written((w) =>
            frontend.writeFunctionCall(w, {
              functionOid,
              argumentFormats: parameterFormats,
              values,
              resultFormat,
            }),
          );
          const call = frontend.readFunctionCall(called);
          if (call.kind === 'malformed') throw new Error(call.reason);
          expect(call).toMatchObject({
            kind: 'function-call',
            functionOid,
            argumentFormats: parameterFormats,
            resultFormat,
          });
          expect(valuesOf(called, call)).toEqual(values);
        },
      ),
    );
  });

  it('password, SASLInitialResponse, SASLResponse and CopyData', () => {
    fc.assert(
      fc.property(text, fc.uint8Array(), (word, data) => {
        expect(frontend.readPassword(written((w) => frontend.writePassword(w, word)))).toEqual({
          kind: 'password',
          password: word,
        });
        const initial = written((w) => frontend.writeSaslInitialResponse(w, word, data));
        const read = frontend.readSaslInitialResponse(initial);
        if (read.kind === 'malformed') throw new Error(read.reason);
        expect(read.mechanism).toBe(word);
        expect(new Uint8Array(read.data ?? [])).toEqual(data);
        expect(new Uint8Array(frontend.bodyOf(written((w) => frontend.writeSaslResponse(w, data))))).toEqual(
          data,
        );
        expect(new Uint8Array(frontend.bodyOf(written((w) => frontend.writeCopyData(w, data))))).toEqual(
          data,
        );
      }),
    );
  });

  it('an absent SASL response (length -1) is told from an empty one', () => {
    const view = written((w) => w.begin(0x70).text('SCRAM-SHA-256').int32(-1).end());
    expect(frontend.readSaslInitialResponse(view)).toEqual({
      kind: 'sasl-initial-response',
      mechanism: 'SCRAM-SHA-256',
      data: undefined,
    });
  });

  it('a format for each, for all, or none names each value’s format', () => {
    expect([0, 1, 2].map((index) => frontend.formatAt([], index))).toEqual([0, 0, 0]);
    expect([0, 1, 2].map((index) => frontend.formatAt([1], index))).toEqual([1, 1, 1]);
    expect([0, 1, 2].map((index) => frontend.formatAt([0, 1, 0], index))).toEqual([0, 1, 0]);
  });
});

describe('frontend messages are refused', () => {
  const bind = (body: (w: MessageWriter) => unknown) => {
    const view = written((w) => {
      w.begin(0x42).text('').text('');
      body(w);
      w.end();
    });
    return frontend.readBind(view).kind;
  };

  it('when a Bind declares what is not there', () => {
    expect(bind((w) => w.int16(0).int16(0).int16(0))).toBe('bind');
    expect(bind((w) => w.int16(0).int16(1).int32(-2).int16(0))).toBe('malformed');
    expect(bind((w) => w.int16(0).int16(1).int32(-0x8000_0000).int16(0))).toBe('malformed');
    expect(bind((w) => w.int16(0).int16(1).int32(0x7fff_ffff).int16(0))).toBe('malformed');
    expect(bind((w) => w.int16(0).int16(0xffff).int32(-1).int16(0))).toBe('malformed');
    expect(bind((w) => w.int16(2).int16(0).int16(0).int16(1).int32(-1).int16(0))).toBe('malformed');
    expect(bind((w) => w.int16(1).int16(2).int16(0).int16(0))).toBe('malformed');
    expect(bind((w) => w.int16(0).int16(0).int16(0).uint8(0))).toBe('malformed');
  });

  it('when text is not UTF-8, since the parser would see other text than the server', () => {
    for (const bad of ['ff', 'c328', 'eda080', 'f4908080']) {
      const view = written((w) =>
        w
          .begin(0x51)
          .bytes(Buffer.from(`61${bad}00`, 'hex'))
          .end(),
      );
      expect(frontend.readQuery(view).kind).toBe('malformed');
      const long = written((w) =>
        w
          .begin(0x51)
          .bytes(Buffer.alloc(500, 0x61))
          .bytes(Buffer.from(`${bad}00`, 'hex'))
          .end(),
      );
      expect(frontend.readQuery(long).kind).toBe('malformed');
    }
  });

  it('when a NUL stands inside, or none at the end', () => {
    for (const body of ['', 'a', 'a\0b', 'a\0b\0', 'a'.repeat(300), `${'a'.repeat(300)}\0b\0`]) {
      const view = written((w) => w.begin(0x51).bytes(Buffer.from(body)).end());
      expect(frontend.readQuery(view).kind).toBe('malformed');
    }
  });

  it('when the NUL that ends their text belongs to the next message', () => {
    const buffer = Buffer.concat([Buffer.from('5100000006', 'hex'), Buffer.from('ab'), Buffer.from('c\0')]);
    expect(frontend.readQuery({ buffer, bodyStart: 5, end: 7 }).kind).toBe('malformed');
  });
});

describe('backend messages read back as they were written', () => {
  const column = fc.record({
    name: text,
    tableOid: oid,
    columnNumber: fc.integer({ min: -0x8000, max: 0x7fff }),
    typeOid: oid,
    typeSize: fc.integer({ min: -0x8000, max: 0x7fff }),
    typeModifier: int32,
    format,
  });

  it('RowDescription and ParameterDescription', () => {
    fc.assert(
      fc.property(fc.array(column), fc.array(oid), (columns, typeOids) => {
        expect(readRowDescription(written((w) => backendWriters.writeRowDescription(w, columns)))).toEqual({
          kind: 'row-description',
          columns,
        });
        expect(
          readParameterDescription(written((w) => backendWriters.writeParameterDescription(w, typeOids))),
        ).toEqual({ kind: 'parameter-description', typeOids });
      }),
    );
  });

  it('DataRow, into fields that are used again', () => {
    const fields = new RowFields();
    fc.assert(
      fc.property(fc.array(value, { maxLength: 100 }), (values) => {
        const view = written((w) => backendWriters.writeDataRow(w, values));
        expect(fields.read(view.buffer, view.bodyStart, view.end)).toBe(true);
        const valueStarts = [...fields.starts.subarray(0, fields.count)];
        const valueLengths = [...fields.lengths.subarray(0, fields.count)];
        expect(valuesOf(view, { valueStarts, valueLengths })).toEqual(values);
      }),
    );
  });

  it('errors and notices, unknown codes included', () => {
    const field = fc.record({
      code: fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)),
      value: text,
    });
    fc.assert(
      fc.property(
        fc.array(field, { maxLength: 64 }),
        fc.constantFrom('error' as const, 'notice' as const),
        (fields, kind) => {
          const view = written((w) => backendWriters.writeNoticeFields(w, kind, fields));
          expect(view.type).toBe(kind === 'error' ? 0x45 : 0x4e);
          expect(readNoticeFields(view)).toEqual({ kind: 'notice-fields', fields });
        },
      ),
    );
  });

  it('the gateway’s own reports carry every field', () => {
    const view = written((w) =>
      backendWriters.writeReport(w, {
        severity: 'ERROR',
        code: '42501',
        message: 'm',
        detail: 'd',
        hint: 'h',
        position: 8,
      }),
    );
    const read = readNoticeFields(view);
    if (read.kind === 'malformed') throw new Error(read.reason);
    expect('SVCMDHP'.split('').map((code) => noticeField(read.fields, code))).toEqual([
      'ERROR',
      'ERROR',
      '42501',
      'm',
      'd',
      'h',
      '8',
    ]);
    expect(view.type).toBe(0x45);
    expect(
      written((w) => backendWriters.writeReport(w, { severity: 'WARNING', code: '01000', message: 'm' }))
        .type,
    ).toBe(0x4e);
  });

  it('authentication requests', () => {
    const salt = Buffer.from('abcd');
    const kinds = [
      [backendWriters.writeAuthenticationOk, { kind: 'ok' }],
      [backendWriters.writeAuthenticationCleartextPassword, { kind: 'cleartext-password' }],
      [
        (w: MessageWriter) => backendWriters.writeAuthenticationMd5Password(w, salt),
        { kind: 'md5-password', salt },
      ],
      [
        (w: MessageWriter) => backendWriters.writeAuthenticationSasl(w, ['A', 'B']),
        { kind: 'sasl', mechanisms: ['A', 'B'] },
      ],
      [
        (w: MessageWriter) => backendWriters.writeAuthenticationSaslContinue(w, salt),
        { kind: 'sasl-continue', data: salt },
      ],
      [
        (w: MessageWriter) => backendWriters.writeAuthenticationSaslFinal(w, salt),
        { kind: 'sasl-final', data: salt },
      ],
      [(w: MessageWriter) => w.begin(0x52).int32(7).end(), { kind: 'unsupported', code: 7 }],
    ] as const;
    for (const [write, expected] of kinds)
      expect(readAuthentication(written((w) => void write(w)))).toEqual(expected);
  });

  it('the rest', () => {
    const key = Buffer.alloc(256, 3);
    const keyData = readBackendKeyData(written((w) => backendWriters.writeBackendKeyData(w, 77, key)));
    expect(keyData).toEqual({ kind: 'backend-key-data', processId: 77, secretKey: new Uint8Array(key) });
    expect(
      readBackendKeyData(written((w) => backendWriters.writeBackendKeyData(w, 77, Buffer.alloc(257)))).kind,
    ).toBe('malformed');
    expect(
      readBackendKeyData(written((w) => backendWriters.writeBackendKeyData(w, 77, Buffer.alloc(3)))).kind,
    ).toBe('malformed');
    expect(readParameterStatus(written((w) => backendWriters.writeParameterStatus(w, 'a', 'ü')))).toEqual({
      kind: 'parameter-status',
      name: 'a',
      value: 'ü',
    });
    for (const status of ['I', 'T', 'E'] as const) {
      expect(readReadyForQuery(written((w) => backendWriters.writeReadyForQuery(w, status)))).toEqual({
        kind: 'ready-for-query',
        status,
      });
    }
    expect(readReadyForQuery(written((w) => w.begin(0x5a).uint8(0x58).end())).kind).toBe('malformed');
    expect(readCommandComplete(written((w) => backendWriters.writeCommandComplete(w, 'SELECT 1')))).toEqual({
      kind: 'command-complete',
      tag: 'SELECT 1',
    });
    const notification = { processId: 5, channel: 'c', payload: 'p' };
    expect(readNotification(written((w) => backendWriters.writeNotification(w, notification)))).toEqual({
      kind: 'notification',
      ...notification,
    });
    const copy = { format: 1, columnFormats: [1, 1] } as const;
    expect(readCopyResponse(written((w) => backendWriters.writeCopyResponse(w, 'both', copy)))).toEqual({
      kind: 'copy-response',
      ...copy,
    });
    expect(
      readFunctionCallResponse(written((w) => backendWriters.writeFunctionCallResponse(w, null))),
    ).toEqual({ kind: 'function-call-response', value: undefined });
    expect(
      readFunctionCallResponse(written((w) => backendWriters.writeFunctionCallResponse(w, key))),
    ).toEqual({ kind: 'function-call-response', value: key });
    expect(['SELECT 5', 'INSERT 0 17', 'CREATE TABLE', 'FETCH 0'].map(rowsOfTag)).toEqual([
      5,
      17,
      undefined,
      0,
    ]);
  });
});

describe('rows', () => {
  it.each([
    ['an empty body', ''],
    ['fewer values than declared', '0002ffffffff'],
    ['more bytes than values', '0001ffffffff00'],
    ['a length below -1', '0001fffffffe'],
    ['a length beyond the row', '000100000002aa'],
    ['an absurd length', '00017fffffff'],
    ['more values than could be there', 'ffffffffffff'],
  ])('with %s are refused, and nothing of them is given', (_what, hex) => {
    const fields = new RowFields();
    const buffer = Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(64)]);
    expect(fields.read(buffer, 0, hex.length / 2)).toBe(false);
    expect(fields.count).toBe(0);
    expect(fields.starts).toHaveLength(64);
  });
});

describe('writer', () => {
  it('refuses text with a NUL, and keeps the messages before it', () => {
    const writer = new MessageWriter();
    frontend.writeQuery(writer, 'select 1');
    const before = writer.byteLength;
    expect(() => frontend.writeQuery(writer, 'select 1\0; drop table t')).toThrow(ThroughlineError);
    expect(writer.byteLength).toBe(before);
    frontend.writeQuery(writer, 'select 2');
    expect(writer.take().toString('latin1')).toBe('Q\0\0\0\x0dselect 1\0Q\0\0\0\x0dselect 2\0');
  });

  it('refuses to grow beyond its bound', () => {
    const writer = new MessageWriter({ bytesMax: 100 });
    expect(() => frontend.writeCopyData(writer, Buffer.alloc(101))).toThrow(/bound/);
    frontend.writeCopyData(writer, Buffer.alloc(90));
    expect(writer.take()).toHaveLength(95);
  });

  it('never writes again to bytes that were taken, whatever their size', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { maxLength: 60 }),
        fc.array(fc.boolean(), { minLength: 1 }),
        (sizes, takes) => {
          const writer = new MessageWriter({ slabBytes: 128 });
          const taken: Buffer[] = [];
          sizes.forEach((size, index) => {
            frontend.writeCopyData(writer, Buffer.alloc(size, index));
            if (takes[index % takes.length] === true) taken.push(writer.take());
          });
          taken.push(writer.take());
          const expected = new MessageWriter({ slabBytes: 1 << 20 });
          sizes.forEach((size, index) => frontend.writeCopyData(expected, Buffer.alloc(size, index)));
          expect(Buffer.concat(taken).equals(expected.take())).toBe(true);
        },
      ),
    );
  });
});

describe('mutated messages', () => {
  it('are read or refused by every reader, and never throw or give a value outside the message', () => {
    const random = fuzzer('message fuzz');
    const column = {
      name: 'c',
      tableOid: 1,
      columnNumber: 1,
      typeOid: 25,
      typeSize: -1,
      typeModifier: -1,
      format: 0,
    } as const;
    const seeds = [
      written((w) =>
        frontend.writeBind(w, {
          portal: 'p',
          statement: 's',
          parameterFormats: [1],
          values: [Buffer.from('abc'), null],
          resultFormats: [0],
        }),
      ),
      written((w) => frontend.writeParse(w, { statement: 's', text: 'select ü', parameterTypes: [23, 25] })),
      written((w) => frontend.writeSaslInitialResponse(w, 'SCRAM-SHA-256', Buffer.from('n,,n=,r=abc'))),
      written((w) => backendWriters.writeRowDescription(w, [column, column])),
      written((w) => backendWriters.writeDataRow(w, [Buffer.from('abc'), null, Buffer.alloc(0)])),
      written((w) => backendWriters.writeReport(w, { severity: 'ERROR', code: '42501', message: 'm' })),
      written((w) => backendWriters.writeAuthenticationSasl(w, ['SCRAM-SHA-256'])),
    ];
    const readers = [
      frontend.readQuery,
      frontend.readParse,
      frontend.readBind,
      frontend.readDescribe,
      frontend.readClose,
      frontend.readExecute,
      frontend.readCopyFail,
      frontend.readFunctionCall,
      frontend.readPassword,
      frontend.readSaslInitialResponse,
      readAuthentication,
      readBackendKeyData,
      readParameterStatus,
      readReadyForQuery,
      readRowDescription,
      readParameterDescription,
      readCommandComplete,
      readNoticeFields,
      readNotification,
      readCopyResponse,
      readFunctionCallResponse,
    ];
    const fields = new RowFields();
    for (let round = 0; round < 3000; round += 1) {
      const seed = seeds[random(seeds.length)];
      const body = mutate(seed?.bytes.subarray(5) ?? Buffer.alloc(0), random);
      // Bytes behind the message must not be taken for its own.
      const buffer = Buffer.concat([Buffer.alloc(5), body, Buffer.alloc(40)]);
      const view = { buffer, bodyStart: 5, end: 5 + body.length };
      for (const read of readers) {
        const message = read(view);
        expect(typeof message.kind).toBe('string');
        if (message.kind === 'bind') {
          message.valueStarts.forEach((start, index) => {
            expect(start + Math.max(0, message.valueLengths[index] ?? 0)).toBeLessThanOrEqual(view.end);
          });
        }
      }
      if (fields.read(buffer, view.bodyStart, view.end)) {
        for (let index = 0; index < fields.count; index += 1) {
          expect((fields.starts[index] ?? 0) + Math.max(0, fields.lengths[index] ?? 0)).toBeLessThanOrEqual(
            view.end,
          );
        }
      }
    }
  });
});
