import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readNegotiateProtocolVersion } from '../../gateway-core/codec/postgres/backend.js';
import {
  buildCancelRequest,
  buildGssencRequest,
  buildSslRequest,
  buildStartupMessage,
  negotiateVersion,
  readFirstPacket,
  readSslAnswer,
  type StartupMessage,
} from '../../gateway-core/codec/postgres/startup.js';
import { limits } from '../../gateway-core/contract/limits.js';
import { fuzzer, mutate } from './postgres-support.js';

function packet(version: number, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body as string, 'utf8');
  const head = Buffer.alloc(8);
  head.writeInt32BE(8 + bytes.length);
  head.writeInt32BE(version, 4);
  return Buffer.concat([head, bytes]);
}

const v3 = 3 << 16;

function startup(minor: number, protocolOptions: string[] = []): StartupMessage {
  return { kind: 'startup', minor, parameters: new Map(), protocolOptions, marks: false };
}

describe('first packet', () => {
  it('a start-up message reads back as it was built', () => {
    const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
    const name = text.filter((value) => value !== '' && !value.startsWith('_pq_.'));
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, text), { selector: ([key]) => key.toLowerCase(), maxLength: 20 }),
        fc.constantFrom(0 as const, 2 as const),
        (parameters, minor) => {
          const bytes = buildStartupMessage(minor, parameters);
          expect(readFirstPacket(Buffer.concat([bytes, Buffer.from('rest')]))).toEqual({
            kind: 'message',
            message: {
              kind: 'startup',
              minor,
              parameters: new Map(parameters),
              protocolOptions: [],
              marks: false,
            },
            bytesUsed: bytes.length,
          });
        },
      ),
    );
  });

  it('every prefix asks for more', () => {
    const packets = [
      buildStartupMessage(0, [['user', 'u']]),
      buildSslRequest(),
      buildGssencRequest(),
      buildCancelRequest(1, Buffer.alloc(32)),
      Buffer.from('160301', 'hex').subarray(0, 2),
    ];
    for (const bytes of packets) {
      for (let at = 0; at < bytes.length; at += 1) {
        expect(readFirstPacket(bytes.subarray(0, at)).kind).toBe('need-more');
      }
      expect(readFirstPacket(bytes).kind).toBe('message');
    }
  });

  it('requests are told apart, and TLS without a request is seen', () => {
    const kind = (bytes: Uint8Array) => {
      const result = readFirstPacket(bytes);
      return result.kind === 'message' ? [result.message.kind, result.bytesUsed] : result.kind;
    };
    expect(kind(buildSslRequest())).toEqual(['ssl-request', 8]);
    expect(kind(buildGssencRequest())).toEqual(['gssenc-request', 8]);
    expect(kind(Buffer.from('16030100', 'hex'))).toEqual(['tls-client-hello', 0]);
    expect(kind(packet(2 << 16, '\0'))).toEqual(['unsupported-version', 9]);
    expect(kind(packet(4 << 16, '\0'))).toEqual(['unsupported-version', 9]);
  });

  it('bytes behind an SSLRequest are left over, so that injected plain text is seen', () => {
    const result = readFirstPacket(Buffer.concat([buildSslRequest(), Buffer.from('x')]));
    expect(result).toMatchObject({ kind: 'message', bytesUsed: 8 });
  });

  it('cancel keys of 4 to 256 bytes are taken, others refused', () => {
    for (const length of [4, 5, 32, 256]) {
      const key = Buffer.alloc(length, 9);
      const result = readFirstPacket(buildCancelRequest(-5, key));
      expect(result).toMatchObject({
        message: { kind: 'cancel', processId: -5, secretKey: new Uint8Array(key) },
      });
    }
    for (const length of [0, 3, 257]) {
      expect(readFirstPacket(buildCancelRequest(1, Buffer.alloc(length))).kind).toBe('malformed');
    }
  });

  it('what no client sends is refused as early as can be', () => {
    const refused: Buffer[] = [
      Buffer.from('G'), // HTTP
      Buffer.from('1602', 'hex'),
      Buffer.from('ffffffff', 'hex'),
      Buffer.from('80000000', 'hex'),
      Buffer.from('00000007', 'hex'),
      Buffer.from('00000000', 'hex'),
      Buffer.from((limits.startupBytesMax + 1).toString(16).padStart(8, '0'), 'hex'),
      packet(80_877_103, 'x'),
      packet(80_877_104, 'x'),
    ];
    for (const bytes of refused) expect(readFirstPacket(bytes).kind).toBe('malformed');
  });

  it.each([
    ['no terminator', 'user\0u\0'],
    ['an empty body', ''],
    ['a name without a value', 'user\0'],
    ['an open value', 'user\0u'],
    ['bytes behind the terminator', 'user\0u\0\0x'],
    ['an inner terminator', 'user\0u\0\0options\0-c\0\0'],
    ['a doubled parameter', 'user\0a\0user\0b\0\0'],
    ['a parameter doubled in another case', 'Client_Encoding\0a\0client_encoding\0b\0\0'],
  ])('refuses %s', (_what, body) => {
    expect(readFirstPacket(packet(v3, body)).kind).toBe('malformed');
  });

  it('refuses parameters that are not UTF-8', () => {
    const body = Buffer.concat([Buffer.from('user\0'), Buffer.from([0xc3, 0x28, 0, 0])]);
    expect(readFirstPacket(packet(v3, body)).kind).toBe('malformed');
  });

  it('builders refuse a NUL and a packet beyond the bound', () => {
    expect(() => buildStartupMessage(0, [['user', 'a\0options\0-c x']])).toThrow(/NUL/);
    expect(() => buildStartupMessage(0, [['options', 'x'.repeat(limits.startupBytesMax)]])).toThrow(/bound/);
  });

  it('mutated packets are read, refused or wait, and never throw', () => {
    const random = fuzzer('start-up fuzz');
    const seeds = [
      buildStartupMessage(2, [
        ['user', 'ü'],
        ['database', 'd'],
        ['_pq_.x', '1'],
      ]),
      buildCancelRequest(1, Buffer.alloc(32)),
      buildSslRequest(),
    ];
    for (let round = 0; round < 5000; round += 1) {
      const bytes = mutate(seeds[random(seeds.length)] ?? Buffer.alloc(0), random);
      const result = readFirstPacket(bytes);
      expect(['need-more', 'message', 'malformed']).toContain(result.kind);
      if (result.kind === 'message') expect(result.bytesUsed).toBeLessThanOrEqual(bytes.length);
    }
  });
});

describe('version negotiation', () => {
  const answerOf = (message: StartupMessage, newest: 0 | 2) => {
    const { minor, answer } = negotiateVersion(message, newest);
    if (answer === undefined) return { minor };
    const read = readNegotiateProtocolVersion({ buffer: answer, bodyStart: 5, end: answer.length });
    expect(Buffer.from(answer).readInt32BE(5)).toBe(v3 | minor);
    return { minor, ...read };
  };
  const kind = 'negotiate-protocol-version';

  it.each([
    [0, 2, 0, false],
    [2, 2, 2, false],
    [1, 2, 0, true],
    [9999, 2, 2, true],
    [2, 0, 0, true],
    [0, 0, 0, false],
  ] as const)('a client of 3.%i and a newest 3.%i speak 3.%i', (asked, newest, minor, answered) => {
    expect(answerOf(startup(asked), newest)).toEqual(
      answered ? { minor, kind, unknownOptions: [] } : { minor },
    );
  });

  it('unknown protocol options are answered by name, and kept from the parameters', () => {
    const read = readFirstPacket(packet(v3, 'user\0u\0_pq_.compression\0on\0\0'));
    if (read.kind !== 'message' || read.message.kind !== 'startup') throw new Error('not read');
    expect([...read.message.parameters]).toEqual([['user', 'u']]);
    expect(answerOf(read.message, 2)).toEqual({ minor: 0, kind, unknownOptions: ['_pq_.compression'] });
  });
});

describe('answer to SSLRequest', () => {
  it('only a single S or N counts', () => {
    const kind = (text: string) => readSslAnswer(Buffer.from(text)).kind;
    expect(['', 'S', 'N', 'Sx', 'Nx', 'E', 'E\0\0', 'G'].map(kind)).toEqual([
      'need-more',
      'accepted',
      'refused',
      'malformed',
      'malformed',
      'malformed',
      'malformed',
      'malformed',
    ]);
  });
});
