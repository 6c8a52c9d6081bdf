import type { DetectMask } from '../../gateway-core/contract/masks.js';
import { createStreamMasker } from '../../gateway-core/masking/stream-masker.js';
import { createValueMasker } from '../../gateway-core/masking/value-masker.js';

/**
 * Throughput of the stream masker beside the value masker over the same lines, one call per line, in one run. Prints
 * one JSON line per case; MB are 10^6 bytes, seconds are this process's own CPU time, because the machine is shared.
 */
const rules: readonly DetectMask[] = [{ detect: ['email', 'card', 'iban', 'phone', 'key'], with: 'partial' }];
const secondsPerCase = Number(process.env['BENCH_SECONDS'] ?? '1.5');
const chunkBytes = 32 * 1024;
const lines = 20_000;

const compiler = (line: number): string =>
  `  CC      drivers/net/ethernet/intel/ice/ice_${line % 97}.o -O2 -Wall -DVERSION=${line % 7}`;
const coloured = (line: number): string =>
  `\x1b[0m\x1b[01;34mdir_${line % 89}\x1b[0m  \x1b[01;32mrun-${line}.sh\x1b[0m  notes_${line % 31}.txt  \x1b[K`;
const log = (line: number): string =>
  `2024-03-0${(line % 9) + 1}T12:34:56.${String(line % 1000).padStart(3, '0')}Z INFO [worker-${line % 8}] request ${line} took ${line % 300} ms`;
const personal = (line: number): string =>
  line % 100 === 0 ? `anna.schmidt${line}@mail.example.com +49 170 ${1_000_000 + line}` : log(line);

function rateOf(bytes: number, run: () => void): number {
  for (let round = 0; round < 5; round++) run();
  const rates = Array.from({ length: 5 }, () => {
    const begin = process.cpuUsage();
    let done = 0;
    let elapsed = 0;
    do {
      run();
      done += bytes;
      elapsed = process.cpuUsage(begin).user / 1e6;
    } while (elapsed < secondsPerCase / 5);
    return done / elapsed / 1e6;
  });
  return Math.round(rates.sort((a, b) => a - b)[2] ?? 0);
}

function measure(name: string, make: (line: number) => string): void {
  const all = Array.from({ length: lines }, (_, line) => Buffer.from(`${make(line)}\r\n`));
  const bytes = Buffer.concat(all);
  const values = createValueMasker({ rules, hashKey: new Uint8Array(32) });
  const stream = (terminal: boolean): number =>
    rateOf(bytes.length, () => {
      const masker = createStreamMasker({ rules, terminal });
      for (let at = 0; at < bytes.length; at += chunkBytes) masker.push(bytes.subarray(at, at + chunkBytes));
      masker.flush();
    });
  const line = {
    bench: 'stream-masking',
    case: name,
    terminalMegabytesPerSecond: stream(true),
    programMegabytesPerSecond: stream(false),
    valueMaskerMegabytesPerSecond: rateOf(bytes.length, () => {
      for (const value of all) values.maskBytes(value, 0, value.length);
    }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

measure('compiler output', compiler);
measure('log lines', log);
measure('log lines, personal data in 1 % of them', personal);
measure('coloured listing', coloured);
