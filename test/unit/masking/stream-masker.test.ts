import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DetectMask, Detector, MaskKind } from '../../../gateway-core/contract/masks.js';
import { compileDetection, findHits } from '../../../gateway-core/masking/detect.js';
import {
  createStreamMasker,
  heldBytesMax,
  type StreamMasker,
} from '../../../gateway-core/masking/stream-masker.js';
import { hits as corpus } from './corpus.js';
import { assignments, email, groupedCard, iban, nonsense, numbers, phone, seed } from './generate.js';

const all: Detector[] = ['email', 'card', 'iban', 'phone', 'key'];
const options = { seed, numRuns: Number(process.env['FUZZ_RUNS'] ?? 1000) };

function masker(kind: MaskKind = 'redact', terminal = true): StreamMasker {
  const rules: DetectMask[] = [{ detect: all, with: kind }];
  return createStreamMasker({ rules, terminal });
}

/** `bytes` cut at `cuts` (taken modulo the length), and flushed behind those cuts that `flushes` says. */
function through(bytes: Buffer, cuts: readonly number[], stream: StreamMasker, flushes = false): Buffer {
  const places = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const out: Uint8Array[] = [];
  let from = 0;
  for (const to of places) {
    // A copy that is overwritten: the caller's buffer is the caller's.
    const part = Buffer.from(bytes.subarray(from, to));
    out.push(Buffer.from(stream.push(part)));
    part.fill(0x23);
    if (flushes) out.push(Buffer.from(stream.flush()));
    from = to;
  }
  out.push(Buffer.from(stream.flush()));
  return Buffer.concat(out);
}

function once(text: string, kind: MaskKind = 'redact', terminal = true): string {
  return through(Buffer.from(text), [], masker(kind, terminal)).toString();
}

/** What a person reads: no escape sequences, no bytes that show nothing. */
function readable(bytes: string): string {
  return (
    bytes
      // oxlint-disable-next-line no-control-regex -- that is what is taken out
      .replaceAll(/\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -/]*[0-~]/g, '')
      // oxlint-disable-next-line no-control-regex -- that is what is taken out
      .replaceAll(/[\x00\x07]/g, '')
  );
}

const still = [
  '\x1b[31m',
  '\x1b[0;1;38;5;123m',
  '\x1b[K',
  '\x1b[?25l',
  '\x1b(B',
  '\x07',
  '\x00',
  '\x1b]0;title\x07',
];
const moving = ['\x1b[3;7H', '\x1b[C', '\x1b[A', '\x1b7', '\x1b8', '\b', '\x1b[2J'];
const sequences = [
  ...still,
  ...moving,
  '\x1b]8;;http://x.org/\x1b\\',
  '\x1bP1$r\x1b\\',
  '\x1b[',
  '\x1b',
  '\xc2\x9b31m',
];
const plainText = fc.oneof(nonsense, numbers, assignments);
const cuts = fc.array(fc.nat(), { maxLength: 12 });

/** Text with escape sequences, line ends and other things of terminals in any place. */
const output = fc
  .array(fc.oneof(plainText, fc.constantFrom(...sequences, '\r\n', '\n', '\r', ' ')), { maxLength: 8 })
  .map((parts) => parts.join(''));

describe(`masking of streams, seed ${seed}`, () => {
  it.each([true, false])(
    'what comes out does not depend on where the stream was cut (terminal: %s)',
    (terminal) => {
      fc.assert(
        fc.property(output, cuts, fc.constantFrom<MaskKind>('redact', 'partial'), (raw, places, kind) => {
          const bytes = Buffer.from(raw);
          const whole = through(bytes, [], masker(kind, terminal)).toString();
          expect(through(bytes, places, masker(kind, terminal)).toString()).toBe(whole);
          const single = Array.from({ length: bytes.length }, (_, place) => place);
          expect(through(bytes, single, masker(kind, terminal)).toString()).toBe(whole);
        }),
        options,
      );
    },
  );

  it.each([true, false])(
    'every byte comes out as it was or as a star, flushed or not (terminal: %s)',
    (terminal) => {
      fc.assert(
        fc.property(
          fc.oneof(
            output.map((chars) => Buffer.from(chars)),
            fc.uint8Array({ maxLength: 200 }),
          ),
          cuts,
          fc.boolean(),
          (raw, places, flushes) => {
            const bytes = Buffer.from(raw);
            const out = through(bytes, places, masker('partial', terminal), flushes);
            expect(out.length).toBe(bytes.length);
            out.forEach((byte, at) => {
              if (byte !== bytes[at]) expect([byte, (bytes[at] ?? 0) >= 0x20]).toEqual([0x2a, true]);
            });
          },
        ),
        options,
      );
    },
  );

  it('text in which nothing is found comes out byte for byte, with a count of 0', () => {
    const { wanted } = compileDetection([{ detect: all, with: 'redact' }]);
    fc.assert(
      fc.property(plainText, cuts, (raw, places) => {
        // oxlint-disable-next-line no-control-regex -- that is what is taken out
        const line = Buffer.from(raw.replaceAll(/[\n\x00-\x1f\x7f-\x9f]/g, ' '));
        fc.pre(findHits(line, 0, line.length, wanted, -1).length === 0);
        const stream = masker();
        expect(through(line, places, stream).equals(line)).toBe(true);
        expect(stream.masked).toBe(0);
      }),
      options,
    );
  });

  const values = fc.oneof(
    email,
    groupedCard,
    iban,
    phone,
    fc.constantFrom('ghp_abcdefghijklmnopqrstuvwxyz0123456789', 'AKIAIOSFODNN7EXAMPLE'),
    fc.constantFrom('eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abcdefghij'),
  );
  const around = fc.constantFrom('', ' ', '\r\n', '$ ', '"', ', ', '\x1b[1m', '\x1b[5;1H');
  const before = fc.oneof(around, fc.constant('x = '));

  it.each([false, true])(
    'no value is whole in what a person reads, with sequences inside it (moving: %s)',
    (moves) => {
      const inside = moves ? [...still, ...moving] : still;
      fc.assert(
        fc.property(
          values,
          before,
          around,
          cuts,
          fc.array(fc.tuple(fc.nat(), fc.constantFrom(...inside)), { maxLength: 5 }),
          fc.boolean(),
          (value, head, after, places, inserts, flushes) => {
            let painted: string = value;
            for (const [place, sequence] of inserts) {
              // Not into a sequence that is there already.
              const at = place % (value.length + 1);
              if (painted.length !== value.length) break;
              painted = painted.slice(0, at) + sequence + painted.slice(at);
            }
            const stream = masker();
            const out = through(Buffer.from(head + painted + after), places, stream, flushes).toString();
            expect(readable(out)).not.toContain(value);
            // Without flushes nothing of it is left but signs that stand in the mask's way.
            if (!flushes) expect(stream.masked).toBeGreaterThan(0);
            if (!flushes && !moves) expect(stream.masked).toBe(1);
          },
        ),
        options,
      );
    },
  );

  it('a labelled password is hidden from its first byte, however slowly it comes', () => {
    const stream = masker();
    const line = Buffer.from('export DB_PASSWORD=correct-horse-9 # now\r\n');
    const out = through(
      line,
      Array.from({ length: line.length }, (_, place) => place),
      stream,
      true,
    ).toString();
    expect(out).toBe(`export DB_PASSWORD=${'*'.repeat(15)} # now\r\n`);
    expect(stream.masked).toBe(1);
  });

  it('of what was flushed before it was a value, the rest is masked', () => {
    const stream = masker();
    expect(Buffer.from(stream.push(Buffer.from('4111 1111 1111 11'))).toString()).toBe('');
    expect(stream.suspects).toBe(true);
    expect(Buffer.from(stream.flush()).toString()).toBe('4111 1111 1111 11');
    stream.push(Buffer.from('11\r'));
    expect(Buffer.from(stream.flush()).toString()).toBe('**\r');
    expect(stream.masked).toBe(1);
  });

  it('partial masks show what they show elsewhere, at the same length', () => {
    expect(
      once('joe@example.com, 4111 1111 1111 1111, ghp_abcdefghijklmnopqrstuvwxyz0123456789\n', 'partial'),
    ).toBe(`j**@example.com, **** **** **** 1111, ghp_${'*'.repeat(36)}\n`);
    expect(once('tel: +49 170 1234567, DE89370400440532013000\n', 'partial')).toBe(
      'tel: +49 *** *****67, DE****************3000\n',
    );
    for (const kind of ['redact', 'hash', 'null'] as const)
      expect(once('a joe@example.com b\n', kind)).toBe(`a ${'*'.repeat(15)} b\n`);
  });

  it('every value of the corpus is masked', () => {
    for (const [text] of Object.values(corpus).flat()) {
      if (text.includes('\n')) continue;
      expect(once(text, 'redact', false)).not.toBe(text);
    }
  });

  const key = [
    '-----BEGIN RSA PRIVATE KEY-----',
    ...Array.from({ length: 20 }, (_, line) => `MIIEow${line}IBAAKCAQEA7`),
    '-----END RSA PRIVATE KEY-----',
  ];

  it('a private key block is masked to its END line, in any pieces, and nothing of it is held', () => {
    fc.assert(
      fc.property(cuts, fc.boolean(), fc.constantFrom('\n', '\r\n', '\\n'), (places, flushes, lineEnd) => {
        const block = key.join(lineEnd);
        const out = through(
          Buffer.from(`cat id\r\n${block}\r\n$ ls\r\n`),
          places,
          masker('partial'),
          flushes,
        ).toString();
        expect(out).not.toContain('MIIEow');
        expect(out).not.toMatch(/IBAAKC|END/);
        expect(out.startsWith('cat id\r\n') && out.endsWith('\r\n$ ls\r\n')).toBe(true);
      }),
      { ...options, numRuns: 200 },
    );
    const stream = masker();
    stream.push(Buffer.from(key.slice(0, 4).join('\n')));
    expect(stream.heldBytes).toBe(0);
  });

  it('a key block that never ends is masked for a bounded length', () => {
    const stream = masker();
    const line = Buffer.from(`${'A'.repeat(63)}\n`);
    stream.push(Buffer.from('-----BEGIN PRIVATE KEY-----\n'));
    let shown = 0;
    for (let count = 0; count < 2000; count++) if (stream.push(line)[0] === 0x41) shown++;
    expect(shown).toBeGreaterThan(1000);
    expect(shown).toBeLessThan(1600);
  });

  it('no more than a bound is held, and a value that is longer stays hidden to its end', () => {
    for (const head of ['token=', 'token="', 'eyJhbGciOiJIUzI1NiJ9.', 'x']) {
      const stream = masker();
      const body = 'abcdefgh0123456'.repeat(4000);
      const out: Buffer[] = [];
      const whole = Buffer.from(`${head}${body} after`);
      for (let at = 0; at < whole.length; at += 777) {
        out.push(Buffer.from(stream.push(whole.subarray(at, at + 777))));
        expect(stream.heldBytes).toBeLessThanOrEqual(heldBytesMax);
      }
      out.push(Buffer.from(stream.flush()));
      const result = Buffer.concat(out).toString();
      expect(result.length).toBe(whole.length);
      if (head === 'x') expect(result).toBe(whole.toString());
      else expect(result).not.toContain('0123456');
    }
  });

  it('a word is held and looks like nothing; what may be a value looks like one', () => {
    const stream = masker();
    stream.push(Buffer.from('$ ls'));
    expect([stream.heldBytes > 0, stream.suspects]).toEqual([true, false]);
    stream.push(Buffer.from('\r\nbob@'));
    expect(stream.suspects).toBe(true);
  });

  it('values in titles and links are masked, and the sequences stay whole', () => {
    expect(
      once('\x1b]0;joe@example.com\x07ok\x1b]8;;https://a:s3cret-pw@h.org/\x1b\\x\x1b]8;;\x1b\\\n'),
    ).toBe(`\x1b]0;${'*'.repeat(15)}\x07ok\x1b]8;;https://a:*********@h.org/\x1b\\x\x1b]8;;\x1b\\\n`);
  });

  it('colours inside a value do not hide it, with or without a terminal', () => {
    const line = '4111\x1b[01;31m\x1b[K1111\x1b[m\x1b[K11111111 x\n';
    const masked = '****\x1b[01;31m\x1b[K****\x1b[m\x1b[K******** x\n';
    expect(once(line)).toBe(masked);
    expect(once(line, 'redact', false)).toBe(masked);
  });
});
