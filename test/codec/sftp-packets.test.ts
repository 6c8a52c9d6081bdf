import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sftpLimits } from '../../gateway-core/codec/sftp/limits.js';
import { SftpReplies } from '../../gateway-core/codec/sftp/replies.js';
import { SftpRequests } from '../../gateway-core/codec/sftp/requests.js';
import { writeInit, writeRealpath, writeStatus } from '../../gateway-core/codec/sftp/writers.js';
import { randomOf, seedOfRun } from '../sim/random.js';
import { cutAt } from './postgres-support.js';
import { type Field, fieldsOf, noAttributes, packet, repliesIn, requestsIn } from './sftp-support.js';

const allAttributes = fieldsOf(
  0x8000000f,
  5n,
  1000,
  1001,
  0o100644,
  1_700_000_000,
  1_700_000_001,
  1,
  'a@b',
  'c',
);
const allAttributesRead =
  '{"sizeBytes":"5n","owner":{"uid":1000,"gid":1001},"permissions":33188,"times":{"accessed":1700000000,"modified":1700000001},"extended":[{"name":"a@b","value":"c"}]}';

/** Type, fields, and what is read: from the draft's sections, by hand. */
const requests: readonly [type: number, fields: readonly Field[], read: string][] = [
  [1, [3, 'x@y', '1'], '{"kind":"init","version":3,"extensions":[{"name":"x@y","value":"1"}]}'],
  [3, [1, '/a', 0x1a, noAttributes], '{"kind":"open","id":1,"path":"/a","flags":26,"attributes":{}}'],
  [
    3,
    [1, 'é', 1, allAttributes],
    `{"kind":"open","id":1,"path":"é","flags":1,"attributes":${allAttributesRead}}`,
  ],
  [4, [2, Buffer.of(0, 255)], '{"kind":"close","id":2,"handle":"\\u0000ÿ"}'],
  [5, [3, 'h', 7n, 32768], '{"kind":"read","id":3,"handle":"h","offset":7,"lengthBytes":32768}'],
  [6, [4, 'h', 9n, 'body'], '{"kind":"write","id":4,"handle":"h","offset":9,"lengthBytes":4}'],
  [7, [5, 'l'], '{"kind":"lstat","id":5,"path":"l"}'],
  [8, [6, 'h'], '{"kind":"fstat","id":6,"handle":"h"}'],
  [9, [7, 'p', noAttributes], '{"kind":"setstat","id":7,"path":"p","attributes":{}}'],
  [
    10,
    [8, 'h', fieldsOf(4, 0o600)],
    '{"kind":"fsetstat","id":8,"handle":"h","attributes":{"permissions":384}}',
  ],
  [11, [9, 'd'], '{"kind":"opendir","id":9,"path":"d"}'],
  [12, [10, 'h'], '{"kind":"readdir","id":10,"handle":"h"}'],
  [13, [11, 'p'], '{"kind":"remove","id":11,"path":"p"}'],
  [14, [12, 'p', noAttributes], '{"kind":"mkdir","id":12,"path":"p","attributes":{}}'],
  [15, [13, 'p'], '{"kind":"rmdir","id":13,"path":"p"}'],
  [16, [14, '.'], '{"kind":"realpath","id":14,"path":"."}'],
  [17, [15, 'p'], '{"kind":"stat","id":15,"path":"p"}'],
  [18, [16, 'a', 'b'], '{"kind":"rename","id":16,"path":"a","to":"b"}'],
  [19, [17, 'p'], '{"kind":"readlink","id":17,"path":"p"}'],
  [20, [18, 'a', 'b'], '{"kind":"symlink","id":18,"path":"a","to":"b"}'],
  [200, [19, 'posix-rename@openssh.com', 'a', 'b'], '{"kind":"posix-rename","id":19,"path":"a","to":"b"}'],
  [200, [20, 'hardlink@openssh.com', 'a', 'b'], '{"kind":"hardlink","id":20,"path":"a","to":"b"}'],
  [200, [21, 'statvfs@openssh.com', 'a'], '{"kind":"statvfs","id":21,"path":"a"}'],
  [200, [22, 'fstatvfs@openssh.com', 'h'], '{"kind":"fstatvfs","id":22,"handle":"h"}'],
  [200, [23, 'fsync@openssh.com', 'h'], '{"kind":"fsync","id":23,"handle":"h"}'],
  [
    200,
    [24, 'lsetstat@openssh.com', 'a', noAttributes],
    '{"kind":"lsetstat","id":24,"path":"a","attributes":{}}',
  ],
  [200, [25, 'limits@openssh.com'], '{"kind":"limits","id":25}'],
  [200, [26, 'expand-path@openssh.com', '~/x'], '{"kind":"expand-path","id":26,"path":"~/x"}'],
  [200, [27, 'home-directory', 'me'], '{"kind":"home-directory","id":27,"user":"me"}'],
  [
    200,
    [28, 'users-groups-by-id@openssh.com', Buffer.alloc(8), Buffer.alloc(4)],
    '{"kind":"users-groups-by-id","id":28}',
  ],
  [
    200,
    [29, 'copy-data', 'a', 1n, 0n, 'b', 2n],
    '{"kind":"copy-data","id":29,"handle":"a","offset":1,"lengthBytes":0,"toHandle":"b","toOffset":2}',
  ],
  [200, [30, 'other@x', 'anything'], '{"kind":"extension","id":30,"name":"other@x"}'],
];

const replies: readonly [type: number, fields: readonly Field[], read: string][] = [
  [
    2,
    [3, 'limits@openssh.com', '1'],
    '{"kind":"version","version":3,"extensions":[{"name":"limits@openssh.com","value":"1"}]}',
  ],
  [101, [1, 0, 'Success', ''], '{"kind":"status","id":1,"code":0,"message":"Success"}'],
  [101, [1, 2], '{"kind":"status","id":1,"code":2,"message":""}'],
  [102, [2, 'h'], '{"kind":"handle","id":2,"handle":"h"}'],
  [103, [3, 'body'], '{"kind":"data","id":3,"lengthBytes":4}'],
  [
    104,
    [4, 2, 'a', '-rw a', noAttributes, Buffer.of(0x61, 0xff), '', allAttributes],
    `{"kind":"name","id":4,"entries":[{"name":"a","long":"-rw a","attributes":{}},{"name":"a\\\\xff","long":"","attributes":${allAttributesRead}}]}`,
  ],
  [105, [5, allAttributes], `{"kind":"attrs","id":5,"attributes":${allAttributesRead}}`],
  [201, [6, { raw: Buffer.of(1, 2) }], '{"kind":"extended-reply","id":6,"data":"0102"}'],
];

const requestStream = Buffer.concat(requests.map(([type, fields]) => packet(type, ...fields)));
const replyStream = Buffer.concat(replies.map(([type, fields]) => packet(type, ...fields)));

describe('SFTP packets', () => {
  for (const [type, fields, read] of requests) {
    it(`a request of type ${type} is read field by field: ${read.slice(0, 40)}`, () => {
      expect(requestsIn([packet(type, ...fields)])[0]).toBe(read);
    });
  }

  for (const [type, fields, read] of replies) {
    it(`an answer of type ${type} is read field by field: ${read.slice(0, 40)}`, () => {
      expect(repliesIn([packet(type, ...fields)])[0]).toBe(read);
    });
  }

  it('where the stream is cut changes nothing', () => {
    const seed = seedOfRun();
    for (const [stream, read] of [
      [requestStream, requestsIn],
      [replyStream, repliesIn],
    ] as const) {
      const whole = read([stream]);
      expect(read([...stream].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
      fc.assert(
        fc.property(fc.array(fc.nat(stream.length)), (places) => {
          expect(read(cutAt(stream, places))).toEqual(whole);
        }),
        { numRuns: 300, seed },
      );
    }
  });

  it('raw bytes and pieces, joined, are the stream: what is passed on is what came', () => {
    const parser = new SftpRequests();
    const out: Uint8Array[] = [];
    for (const chunk of cutAt(requestStream, [3, 4, 5, 90, 91, 92, 150, 151, 400])) {
      for (const event of parser.push(chunk)) {
        if (event.kind === 'packet') out.push(event.raw);
        if (event.kind === 'piece') out.push(event.data);
      }
    }
    expect(Buffer.concat(out).equals(requestStream)).toBe(true);
    expect(parser.heldBytes).toBe(0);
  });

  it('what was given out is not written to by what comes later', () => {
    const parser = new SftpRequests();
    const first = packet(13, 1, '/first');
    const kept = cutAt(first, [7]).flatMap((chunk) => parser.push(chunk));
    for (const chunk of cutAt(packet(13, 2, '/other'), [6])) parser.push(chunk);
    const [event] = kept;
    expect(event?.kind === 'packet' && Buffer.from(event.raw).equals(first)).toBe(true);
  });

  it('data is given as views of the chunk', () => {
    const chunk = packet(6, 1, 'h', 0n, Buffer.alloc(1000, 1));
    const piece = new SftpRequests().push(chunk).find((event) => event.kind === 'piece');
    expect(piece?.kind === 'piece' && piece.data.buffer).toBe(chunk.buffer);
  });

  it.each([
    ['a packet of no bytes', Buffer.alloc(4)],
    ['a packet larger than the limit', Buffer.from('00040001', 'hex')],
    ['a length of all ones', Buffer.from('ffffffff06', 'hex')],
    ['a type that version 3 does not have', packet(21, 1, 'x')],
    ['an answer among the requests', packet(101, 1, 0)],
    ['a field that ends behind its packet', packet(13, 1, { raw: Buffer.from('0000000961', 'hex') })],
    ['bytes behind the last field', packet(13, 1, 'a', 0)],
    [
      'data of another length than its packet',
      packet(6, 1, 'h', 0n, { raw: Buffer.from('0000000161ff', 'hex') }),
    ],
    ['a handle larger than the limit', packet(4, 1, Buffer.alloc(257))],
    ['a handle larger than the limit before data', packet(6, 1, Buffer.alloc(257), 0n, '')],
    ['a path with a NUL', packet(13, 1, '/a\0b')],
    ['a path larger than the limit', packet(13, 1, 'a'.repeat(4097))],
    ['attributes of a later version', packet(9, 1, 'a', 0x10)],
    ['an offset that no number holds', packet(5, 1, 'h', 1n << 53n, 1)],
  ])('%s loses the stream, for good', (_what, bytes) => {
    const parser = new SftpRequests();
    expect(parser.push(Buffer.concat([bytes, Buffer.alloc(300)])).at(-1)?.kind).toBe('malformed');
    expect(parser.push(packet(13, 1, 'a')).map((event) => event.kind)).toEqual(['malformed']);
  });

  it('more names than the limit, or than there are bytes for, lose the stream', () => {
    expect(repliesIn([packet(104, 1, 0xffffffff)])[0]).toMatch(/^malformed/);
    expect(repliesIn([packet(104, 1, 2, 'a', 'a', noAttributes)])[0]).toMatch(/^malformed/);
  });

  it('of a length that was only declared nothing is held', () => {
    const parser = new SftpRequests();
    const head = Buffer.alloc(9);
    head.writeUInt32BE(sftpLimits.packetBytesMax);
    head[4] = 13;
    parser.push(head);
    expect(parser.heldBytes).toBe(9);
  });

  it('garbage and mutated streams never throw, and end in the same way wherever they are cut', () => {
    const seed = seedOfRun();
    const random = randomOf(seed);
    for (let round = 0; round < 3000; round += 1) {
      const requestsTurn = random() < 0.5;
      const bytes = Buffer.from(requestsTurn ? requestStream : replyStream);
      for (let hits = 1 + Math.floor(random() * 4); hits > 0; hits -= 1) {
        bytes[Math.floor(random() * bytes.length)] = random() < 0.5 ? 0xff : Math.floor(random() * 256);
      }
      const read = requestsTurn ? requestsIn : repliesIn;
      const places = Array.from({ length: 5 }, () => Math.floor(random() * bytes.length));
      expect(read(cutAt(bytes, places)), `seed ${seed} round ${round}`).toEqual(read([bytes]));
    }
  });

  it('what the gateway writes itself is read as it was meant', () => {
    expect(repliesIn([writeStatus(7, 3, 'denied: é')])).toEqual([
      '{"kind":"status","id":7,"code":3,"message":"denied: é"}',
    ]);
    expect(requestsIn([writeInit(), writeRealpath(1, '.')])).toEqual([
      '{"kind":"init","version":3,"extensions":[]}',
      '{"kind":"realpath","id":1,"path":"."}',
    ]);
    expect(new SftpReplies().push(writeStatus(1, 0, ''))).toHaveLength(1);
  });
});
