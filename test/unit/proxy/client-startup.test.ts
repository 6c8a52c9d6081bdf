import { Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import {
  buildCancelRequest,
  buildGssencRequest,
  buildSslRequest,
  buildStartupMessage,
} from '../../../gateway-core/codec/postgres/startup.js';
import { sortParameters, startClient } from '../../../gateway-core/proxy/postgres/client-startup.js';

/** Both ends of a stream in memory. */
function pair(): { ours: Duplex; theirs: Duplex } {
  const make = (): Duplex & { peer?: Duplex } =>
    new Duplex({
      read() {},
      write(this: Duplex & { peer?: Duplex }, chunk: Buffer, _encoding, done) {
        this.peer?.push(chunk);
        done();
      },
      final(this: Duplex & { peer?: Duplex }, done) {
        this.peer?.push(null);
        done();
      },
    });
  const ours = make();
  const theirs = make();
  ours.peer = theirs;
  theirs.peer = ours;
  return { ours, theirs };
}

const startup = () =>
  buildStartupMessage(0, [
    ['user', 'anna'],
    ['database', 'shop'],
  ]);
const forever = new AbortController().signal;

async function started(...packets: Uint8Array[]) {
  const { ours, theirs } = pair();
  const answers: Buffer[] = [];
  theirs.on('data', (chunk: Buffer) => answers.push(chunk));
  for (const packet of packets) theirs.write(packet);
  const result = await startClient(ours, undefined, forever);
  await new Promise((resolve) => setImmediate(resolve));
  return { result, answers: Buffer.concat(answers), ours };
}

test('encryption requests are answered N where no TLS is offered, and the start-up packet is read behind them', async () => {
  const { ours, theirs } = pair();
  const pending = startClient(ours, undefined, forever);
  const answer = () =>
    new Promise<string>((resolve) => theirs.once('data', (chunk: Buffer) => resolve(chunk.toString())));
  theirs.write(buildGssencRequest());
  expect(await answer()).toBe('N');
  theirs.write(buildSslRequest());
  expect(await answer()).toBe('N');
  theirs.write(startup());
  const result = await pending;
  expect(result.kind).toBe('startup');
  expect(result.kind === 'startup' && result.encrypted).toBe(false);
});

test('bytes behind an encryption request are never taken into the session', async () => {
  const { result, answers } = await started(Buffer.concat([buildSslRequest(), startup()]));
  expect(result.kind).toBe('refused');
  expect(answers.toString('latin1')).toContain('08P01');
});

test('asking for encryption twice is refused', async () => {
  const { ours, theirs } = pair();
  const pending = startClient(ours, undefined, forever);
  theirs.write(buildSslRequest());
  await new Promise((resolve) => theirs.once('data', resolve));
  theirs.write(buildSslRequest());
  expect((await pending).kind).toBe('refused');
});

test('a start-up packet cut anywhere is put together, and what follows it stays in the stream', async () => {
  const packet = Buffer.from(startup());
  for (let cut = 1; cut < packet.length; cut += 1) {
    const { result } = await started(packet.subarray(0, cut), packet.subarray(cut));
    expect(result.kind).toBe('startup');
  }
  const { result, ours } = await started(Buffer.concat([packet, Buffer.from('QQ')]));
  expect(result.kind).toBe('startup');
  expect(String(ours.read())).toBe('QQ');
});

test('a cancel request gives its key and nothing else', async () => {
  const { result } = await started(buildCancelRequest(7, Buffer.from([1, 2, 3, 4])));
  expect(result).toMatchObject({ kind: 'cancel', processId: 7 });
});

test('what is not the protocol is refused: HTTP, absurd lengths, old protocols, an early end', async () => {
  const absurd = Buffer.alloc(8);
  absurd.writeInt32BE(-1, 0);
  const huge = Buffer.alloc(8);
  huge.writeInt32BE(0x7fff_ffff, 0);
  const old = Buffer.alloc(8);
  old.writeInt32BE(8, 0);
  old.writeInt32BE(0x0002_0000, 4);
  for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), absurd, huge, old]) {
    expect((await started(bytes)).result.kind).toBe('refused');
  }
  const { ours, theirs } = pair();
  const pending = startClient(ours, undefined, forever);
  theirs.end(startup().subarray(0, 5));
  expect((await pending).kind).toBe('refused');
});

test('a client that says nothing is let go when its time is over', async () => {
  const { ours } = pair();
  const stop = new AbortController();
  const pending = startClient(ours, undefined, stop.signal);
  stop.abort();
  expect((await pending).kind).toBe('refused');
});

const sorted = (parameters: Record<string, string>) =>
  sortParameters(new Map(Object.entries({ user: 'anna', ...parameters })));

test('settings that may be given at start-up go on, the rest is refused by name', () => {
  expect(sorted({ TimeZone: 'UTC', extra_float_digits: '2', application_name: 'psql' })).toMatchObject({
    kind: 'accepted',
    application: 'psql',
    settings: new Map([
      ['timezone', 'UTC'],
      ['extra_float_digits', '2'],
    ]),
  });
  for (const name of [
    'session_preload_libraries',
    'role',
    'SESSION_AUTHORIZATION',
    'session_replication_role',
    'pgaudit.log',
  ]) {
    expect(sorted({ [name]: 'x' })).toMatchObject({ kind: 'refused' });
    expect(sorted({ options: `-c ${name}=x` })).toMatchObject({ kind: 'refused' });
    expect(sorted({ options: `--${name.replaceAll('_', '-')}=x` })).toMatchObject({ kind: 'refused' });
  }
});

test('no spelling of the start-up packet changes how text is read', () => {
  const spellings: Record<string, string>[] = [
    { client_encoding: 'LATIN1' },
    { CLIENT_ENCODING: 'SQL_ASCII' },
    { standard_conforming_strings: 'off' },
    { options: '-c standard_conforming_strings=off' },
    { options: '-cstandard_conforming_strings=off' },
    { options: '--standard-conforming-strings=off' },
    { options: String.raw`-c standard\_conforming_strings=off` },
    { options: '-c client_encoding=SJIS' },
    { replication: 'database' },
    { options: '-c replication=true' },
    { options: '-S 10' },
    { options: 'garbage' },
  ];
  for (const parameters of spellings) {
    expect(sorted(parameters), JSON.stringify(parameters)).toMatchObject({ kind: 'refused' });
  }
  expect(
    sorted({ client_encoding: "'utf-8'", options: '-c statement_timeout=5s -c app.traceparent=00-ab-cd-01' }),
  ).toMatchObject({
    kind: 'accepted',
    settings: new Map([['statement_timeout', '5s']]),
  });
});
