import { describe, expect, it } from 'vitest';
import type { SpoolFiles } from '../../../../gateway-core/agent/spool/files.js';
import { spoolBounds } from '../../../../gateway-core/agent/spool/limits.js';
import { Uploader } from '../../../../gateway-core/agent/spool/uploader.js';
import { SpoolWriter } from '../../../../gateway-core/agent/spool/writer.js';
import { type ErrorCode, ThroughlineError } from '../../../../gateway-core/contract/errors.js';
import type { LocalRecord, SpoolAppend } from '../../../../gateway-core/contract/local-record.js';
import { SimulatedFiles } from '../../../sim/sealer-files.js';
import { ModelGateway } from '../../../sim/spool-world.js';
import { VirtualClock } from '../../../sim/virtual-clock.js';

const place = { spoolKey: Buffer.alloc(32, 5), gateway: 'https://gateway.test' };

/** A writer and an uploader; `answer` may throw in place of the gateway. */
function setUp(
  answer: (segment: number, body: SpoolAppend) => void = () => undefined,
  bytesPerSecond = 2 ** 40,
) {
  const files: SpoolFiles = new SimulatedFiles();
  const clock = new VirtualClock();
  const model = new ModelGateway('d');
  const sent: { readonly atMs: number; readonly segment: number; readonly bytes: number }[] = [];
  files.makeDirectory('/spool/1');
  const writer = new SpoolWriter({
    files,
    ...place,
    device: 'd',
    clock,
    claim: () => Promise.resolve({ directory: '/spool/1', firstSegment: 1 }),
    changed: () => uploader.nudge(),
    reserveBytes: 10,
    segmentBytesMax: 400_000,
  });
  const uploader = new Uploader({
    files,
    ...place,
    clock,
    random: () => 0.999,
    bytesPerSecond,
    segments: () => writer.segments(),
    send: (device, segment, body) => {
      sent.push({ atMs: clock.monoMs(), segment, bytes: JSON.stringify(body).length });
      return Promise.resolve().then(() => {
        answer(segment, body);
        return model.append(device, segment, body);
      });
    },
    done: ({ number }) => writer.forget(number),
    forked: () => Promise.reject(new Error('not in this test')),
    damaged: () => Promise.reject(new Error('not in this test')),
    gone: () => Promise.reject(new Error('not in this test')),
    changed: () => undefined,
  });
  uploader.start();
  return { clock, model, sent, writer, uploader };
}

const note = (number: number, length = 100): LocalRecord => ({
  kind: 'log-conflict',
  at: '2026-11-21T12:00:00.000Z',
  monoMs: number,
  boot: 'b',
  kept: 'k'.repeat(length),
  given: '',
  why: String(number),
});

const fail = (code: ErrorCode): never => {
  throw new ThroughlineError(code, `it is ${code}`);
};

describe('an uploader', () => {
  it('waits longer after each failure, up to a bound, and begins at once when told that the gateway is back', async () => {
    let down = true;
    const { clock, model, sent, writer, uploader } = setUp(() => down && fail('gateway-unreachable'));
    await writer.append([note(1)]);
    await clock.pass(3 * 24 * 3600_000);
    const gaps = sent.slice(1).map(({ atMs }, at) => atMs - (sent[at]?.atMs ?? 0));
    expect(gaps[0]).toBeGreaterThanOrEqual(spoolBounds.backOffMsMin);
    expect(gaps.every((gap, at) => gap >= (gaps[at - 1] ?? 0) * 0.99)).toBe(true);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(spoolBounds.backOffMsMax + spoolBounds.gatherMs);
    expect(uploader.waiting).toBe('it is gateway-unreachable');
    expect(uploader.backlog()).toMatchObject({ records: 1 });
    down = false;
    uploader.retry();
    await clock.pass(1000);
    expect(uploader.backlog()).toMatchObject({ records: 0 });
    expect(uploader.waiting).toBeUndefined();
    expect(model.records().length).toBe(1);
  });

  it('holds up nothing for a segment that the gateway will not have, and says why', async () => {
    const { clock, model, writer, uploader } = setUp((segment) => segment === 1 && fail('invalid-request'));
    const large = Array.from({ length: 60 }, (_, number) => note(number, 4000));
    for (let round = 0; round < 4; round += 1) await writer.append(large);
    expect(writer.segments().length).toBeGreaterThan(2);
    await clock.pass(60_000);
    expect(uploader.refused()).toEqual([{ segment: 1, reason: 'it is invalid-request' }]);
    expect(model.segments.has(1)).toBe(false);
    expect(model.segments.size).toBe(2);
  });

  it('takes no more of the line than it may, and never more at once than a request may hold', async () => {
    const { clock, sent, writer } = setUp(undefined, 100_000);
    for (let round = 0; round < 10; round += 1)
      await writer.append(Array.from({ length: 60 }, (_, number) => note(number, 4000)));
    await clock.pass(120_000);
    const all = sent.reduce((sum, { bytes }) => sum + bytes, 0);
    const lastMs = sent.at(-1)?.atMs ?? 0;
    expect(all).toBeGreaterThan(2_000_000);
    // A second's worth may be there at the beginning.
    expect(lastMs).toBeGreaterThanOrEqual(((all * 0.95) / 100_000 - 1) * 1000 - 10_000);
    expect(Math.max(...sent.map(({ bytes }) => bytes))).toBeLessThan(1024 * 1024);
  });

  it('sends what comes one by one together', async () => {
    const { clock, sent, model, writer } = setUp();
    for (let number = 0; number < 50; number += 1) {
      await writer.append([note(number)]);
      await clock.pass(1);
    }
    await clock.pass(1000);
    expect(model.records().length).toBe(50);
    expect(sent.length).toBeLessThan(5);
  });
});
