/**
 * `npm run bench [-- --quick] [-- --only gateway|rooms|lineage|agents|spool|evidence|ssh|desktop]`: measures the gateway beside what it stands in
 * for, each room by itself, how long it takes to know who is behind a connection, and what a person at the desktop waits
 * for; prints tables and writes bench.json. It asserts nothing: figures are for people to judge. A part that fails is
 * named, and the others are measured all the same.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { installDebianPackages } from '../../gateway-core/setup/debian-packages.mjs';
import { fail, prepare, root, tool } from '../../gateway-core/setup/prepare.mjs';

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});
const parts = ['gateway', 'rooms', 'lineage', 'agents', 'spool', 'evidence', 'ssh', 'desktop'];
if (values.only !== undefined && !parts.includes(values.only)) fail(`--only takes ${parts.join(', ')}`);

prepare();
const byHand = installDebianPackages();
if (byHand !== undefined)
  fail(`the bench needs Debian packages; run this, then npm run bench again:\n  ${byHand}`);

const report = { at: new Date().toISOString(), quick: values.quick, machine: machine() };
const measure = { gateway, rooms, lineage, agents, spool, evidence, ssh, desktop };
for (const part of parts) {
  if (values.only !== undefined && values.only !== part) continue;
  try {
    report[part] = await measure[part]();
  } catch (error) {
    report.failed = { ...report.failed, [part]: error.stack };
    console.error(`${part} could not be measured: ${error.stack}`);
  }
}
report.machine.loadAfter = loadavg();
print(report);
writeFileSync(join(root, 'bench.json'), `${JSON.stringify(report, undefined, 2)}\n`);
console.log('\nwritten to bench.json');
process.exit(report.failed === undefined ? 0 : 1);

function machine() {
  const version = (program, ...args) =>
    spawnSync(program, args, { encoding: 'utf8' }).stdout?.split('\n')[0]?.trim() ?? '';
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryMb: Math.round(totalmem() / 1024 ** 2),
    kernel: release(),
    node: process.version,
    postgres: version('psql', '--version'),
    haproxy: version('haproxy', '-v'),
    pgbouncer: version('pgbouncer', '--version'),
    loadBefore: loadavg(),
  };
}

async function gateway() {
  const { gatewayBench } = await import(
    new URL('../../out/test/bench/gateway/gateway.js', import.meta.url).href
  );
  return gatewayBench({ quick: values.quick, say: (line) => console.error(`... ${line}`) });
}

/**
 * Every exported function of test/bench/*.bench.ts whose name has "bench" in it, each file in a process of its own;
 * a file may also print lines of JSON itself.
 */
function rooms() {
  const directory = join(root, 'out', 'test', 'bench');
  const names = readdirSync(directory).filter((name) => name.endsWith('.bench.js'));
  const program = `const module = await import(process.argv[1]);
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === 'function' && /bench/i.test(name)) console.log(JSON.stringify({ bench: name, ...(await value()) }));
    }
    process.exit(0);`;
  return Object.fromEntries(
    names.map((name) => {
      console.error(`... ${name.replace('.bench.js', '')}`);
      const args = ['--input-type=module', '-e', program, new URL(`file://${join(directory, name)}`).href];
      const { stdout, stderr, status } = spawnSync(process.execPath, args, {
        encoding: 'utf8',
        timeout: 600_000,
      });
      if (status !== 0) return [name, [{ failed: stderr.split('\n').slice(-5).join(' ') }]];
      return [
        name,
        stdout
          .split('\n')
          .filter((line) => line.startsWith('{'))
          .map((line) => JSON.parse(line)),
      ];
    }),
  );
}

async function ssh() {
  const { sshBench } = await import(new URL('../../out/test/bench/ssh/ssh.js', import.meta.url).href);
  return sshBench({ quick: values.quick, say: (line) => console.error(`... ssh: ${line}`) });
}

async function lineage() {
  // Only there is there a look-up.
  if (process.platform !== 'linux') return undefined;
  console.error('... lineage');
  const { lineageBench } = await import(
    new URL('../../out/test/bench/lineage/lineage.js', import.meta.url).href
  );
  return lineageBench({ quick: values.quick });
}

async function agents() {
  const { agentsBench } = await import(
    new URL('../../out/test/bench/agents/agents.js', import.meta.url).href
  );
  return agentsBench({ quick: values.quick, say: (line) => console.error(`... agents: ${line}`) });
}

async function spool() {
  const { spoolBench } = await import(new URL('../../out/test/bench/spool/spool.js', import.meta.url).href);
  return spoolBench({ quick: values.quick, say: (line) => console.error(`... spool: ${line}`) });
}

async function evidence() {
  const { evidenceBench } = await import(
    new URL('../../out/test/bench/evidence/evidence.js', import.meta.url).href
  );
  return evidenceBench({ quick: values.quick, say: (line) => console.error(`... evidence: ${line}`) });
}

function desktop() {
  const file = join(mkdtempSync(join(tmpdir(), 'throughline-bench-')), 'desktop.json');
  const [node, vitest] = tool('vitest', 'vitest.mjs');
  const env = { ...process.env, BENCH_DESKTOP: file, BENCH_QUICK: values.quick ? '1' : '0' };
  const { status } = spawnSync(node, [vitest, 'run', '--config', 'test/desktop/bench.config.ts'], {
    cwd: root,
    env,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error('see its output above');
  return JSON.parse(readFileSync(file, 'utf8'));
}

function print({
  machine: place,
  gateway: found,
  rooms: inRooms,
  lineage: lookUps,
  agents: acting,
  spool: noted,
  ssh: hosts,
  evidence: proofs,
  desktop: seen,
}) {
  console.log(
    `\n${place.cpu}, ${place.cores} cores, Linux ${place.kernel}, Node ${place.node}, ${place.postgres}`,
  );
  console.log(
    `load before ${place.loadBefore.map(one).join(' ')}, after ${place.loadAfter.map(one).join(' ')}`,
  );
  if (found !== undefined) printGateway(found);
  if (lookUps !== undefined) {
    console.log('\nfrom an accepted socket to the processes behind it');
    table(
      ['processes', 'client', 'by', 'connections', 'wrong', 'p50 ms', 'p99 ms'],
      lookUps.map((row) => [
        row.processes,
        row.client,
        row.by,
        row.connections,
        row.wrong,
        two(row.p50Ms),
        two(row.p99Ms),
      ]),
    );
  }
  if (acting !== undefined) printAgents(acting);
  if (noted !== undefined) printSpool(noted);
  if (hosts !== undefined) printSsh(hosts);
  if (proofs !== undefined) printEvidence(proofs);
  if (seen !== undefined) {
    console.log('\ndesktop, in Chromium without a GPU');
    for (const [name, value] of Object.entries(seen)) console.log(`  ${name}  ${JSON.stringify(value)}`);
  }
  for (const [name, results] of Object.entries(inRooms ?? {})) {
    console.log(`\n${name.replace('.bench.js', '')}`);
    for (const { bench: _, ...figures } of results)
      table(
        [],
        Object.entries(figures).map(([key, value]) => [key, value]),
      );
  }
}

function printSsh({ megabytes, ways, memoryMb, sessionKb }) {
  console.log(
    `\nOpenSSH's clients on OpenSSH's server, ${megabytes} MB a transfer (MB/s, and against direct)`,
  );
  const cell = (value, direct) => `${one(value)} (${two(value / direct)})`;
  const direct = ways[0];
  const rates = ['catDown', 'catUp', 'scpDown', 'scpUp', 'sftpDown', 'sftpUp'];
  table(
    [
      'way',
      'cat down',
      'cat up',
      'scp -O down',
      'up',
      'sftp down',
      'up',
      'connect + exec ms',
      'echo p50 ms',
      'p99',
      'CPU s/GB down: gateway, tunnel',
      'up',
    ],
    ways.map((way) => [
      way.name,
      ...rates.map((rate) => cell(way[rate], direct[rate])),
      one(way.setUpMs),
      two(way.echo.p50),
      two(way.echo.p99),
      `${one(way.cpu.down.gateway)} ${one(way.cpu.down.tunnel)}`,
      `${one(way.cpu.up.gateway)} ${one(way.cpu.up.tunnel)}`,
    ]),
  );
  console.log(`gateway: ${memoryMb} MB at most; ${sessionKb} kB for each idle session with a terminal`);
}

function printSpool({ kept, uploaded, chunks, firstReadyMs, memoryMb }) {
  console.log('\nthe desktop’s own record');
  table(
    ['records in one call', 'kept a second'],
    kept.map((row) => [row.together, row.perSecond]),
  );
  table(
    ['bytes of a chunk', 'us for its record, both ways'],
    chunks.map((row) => [row.bytes, two(row.usPerChunk)]),
  );
  console.log(
    `uploaded: ${uploaded.perSecond} records (${one(uploaded.mbPerSecond)} MB) a second of ${uploaded.records}; ready for a first session in ${one(firstReadyMs)} ms; ${memoryMb} MB at most`,
  );
}

function printAgents({ revoke, attach, delegations }) {
  console.log('\nrevoking, from the request to each of its sockets closed');
  table(
    ['what', 'sessions revoked', 'live', 'times', 'p50 ms', 'p99 ms', 'answered ms'],
    revoke.map((row) => [
      row.what,
      row.sessionsRevoked,
      row.sessionsLive,
      row.times,
      one(row.p50Ms),
      one(row.p99Ms),
      one(row.answeredMs),
    ]),
  );
  console.log(
    `attach to the watcher's feed: p50 ${one(attach.p50Ms)} ms, p99 ${one(attach.p99Ms)} ms of ${attach.times}`,
  );
  console.log(
    `delegations, ${delegations.atOnce} at once: ${delegations.mintedPerSecond} minted, ${delegations.checkedPerSecond} checked a second`,
  );
}

function printEvidence({ rows, exports, statements }) {
  console.log(`\nexporting one result of ${rows} rows as evidence, and checking it offline`);
  table(
    [
      'result sets as',
      'seconds',
      'rows a second',
      'bundle MB',
      'gateway MB before',
      'at most',
      'check s',
      'MB/s',
      'MB at most',
    ],
    exports.map((row) => [
      row.results,
      two(row.seconds),
      row.rowsPerSecond,
      one(row.bundleMb),
      row.beforeMb,
      row.peakMb,
      two(row.verify.seconds),
      one(row.bundleMb / row.verify.seconds),
      row.verify.peakMb,
    ]),
  );
  const { count, bundleMb, verify } = statements;
  console.log(
    `checking a session of ${count} statements (${one(bundleMb)} MB): ${two(verify.seconds)} s, ${Math.round(verify.entries / verify.seconds)} entries a second, ${verify.peakMb} MB at most`,
  );
}

function printGateway(found) {
  if (found.absent.length > 0)
    console.log(`not installed here, so not beside it: ${found.absent.join(', ')}`);
  console.log(
    '\npgbench -S: transactions a second, share of direct, CPU of the proxy per transaction, latency',
  );
  table(
    ['way', 'mode', 'clients', 'tps', 'of direct', 'CPU us/tx', 'p50 us', 'p99 us', 'added p50', 'added p99'],
    found.transactions.map((row) => [
      row.way,
      row.mode,
      row.clients,
      Math.round(row.perSecond),
      two(row.shareOfDirect),
      one(row.cpuUs),
      row.p50Us,
      row.p99Us,
      Math.round(row.addedP50Us),
      Math.round(row.addedP99Us),
    ]),
  );
  console.log('\nall wide rows');
  table(
    ['way', 'as', 'seconds', 'times direct', 'proxy CPU s'],
    found.bulk.map((row) => [row.way, row.kind, two(row.seconds), two(row.timesDirect), two(row.cpuSeconds)]),
  );
  console.log('\np99 of short statements beside a bulk stream of the same way');
  table(
    ['way', 'alone us', 'beside us'],
    found.neighbour.map((row) => [row.way, row.aloneP99Us, row.besideP99Us]),
  );
  console.log('\nconnecting, TLS on both legs');
  table(
    ['way', 'ms', 'times direct'],
    found.connect.map((row) => [row.way, two(row.connectMs), two(row.timesDirect)]),
  );
  const { start, memory } = found;
  console.log(
    `\nready after ${Math.round(start.firstMs)} ms with a new data directory, ${Math.round(start.againMs)} ms with a used one; ${Math.round(start.rssMb)} MB then, ${memory.afterMb} MB after the bench, ${memory.peakMb} MB at most`,
  );
}

function table(head, rows) {
  const all = [...(head.length === 0 ? [] : [head]), ...rows].map((row) =>
    row.map((cell) => String(cell ?? '')),
  );
  const widths = all.reduce((known, row) => row.map((cell, at) => Math.max(cell.length, known[at] ?? 0)), []);
  for (const row of all)
    console.log(
      `  ${row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join('  ')}`,
    );
}

function one(value) {
  return value === undefined ? '' : value.toFixed(1);
}

function two(value) {
  return value.toFixed(2);
}
