import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Gateway, openGateway } from '../../../../gateway-core/agent/client/gateway.js';
import type { ClientState } from '../../../../gateway-core/agent/client/state.js';
import { DesktopRecording, type RecordingState } from '../../../../gateway-core/agent/recording/recording.js';
import { spoolDirectory } from '../../../../gateway-core/agent/spool/home.js';
import { ThroughlineError } from '../../../../gateway-core/contract/errors.js';
import type { LocalRecord } from '../../../../gateway-core/contract/local-record.js';
import { WireHash } from '../../../../gateway-core/recording/wire-sum.js';
import { eventually } from '../../../eventually.js';
import { sessionId } from '../../../sim/sealer-journal.js';
import { ModelGateway } from '../../../sim/spool-world.js';
import { type FakeGateway, startFakeGateway } from '../fake-gateway.js';
import { demoLogin, remove, temporaryHome } from '../support.js';

let fake: FakeGateway;
let state: ClientState;
let home: string;
let model: ModelGateway;
const open: { recording: DesktopRecording; gateway: Gateway }[] = [];

beforeEach(async () => {
  fake = await startFakeGateway();
  ({ home, state } = await temporaryHome());
  await state.changeSettings((settings) => ({
    ...settings,
    local: { [fake.url]: { ca: fake.caFile, demoSecret: fake.secretFile } },
  }));
  await demoLogin(fake, state);
  let count = 0;
  fake.behaviour.session = () => ({ session: sessionId((count += 1)), salt: salt.toString('hex') });
  fake.behaviour.spool = (device, segment, body) => model.append(device, segment, body);
});

afterEach(async () => {
  for (const { recording, gateway } of open.splice(0)) {
    await recording.close(0);
    gateway.close();
  }
  await fake.kill();
  await remove(home);
  await remove(fake.directory);
});

const salt = Buffer.alloc(32, 3);

async function start(changed?: (state: RecordingState) => void) {
  const recording = new DesktopRecording({ state, version: '1.2.3', ...(changed && { changed }) });
  const gateway = await openGateway(fake.url, { state, recorder: recording });
  model ??= new ModelGateway(gateway.deviceKey);
  if (model.device !== gateway.deviceKey) model = new ModelGateway(gateway.deviceKey);
  recording.attach(gateway);
  open.push({ recording, gateway });
  return { recording, gateway };
}

const of = <K extends LocalRecord['kind']>(kind: K): Extract<LocalRecord, { kind: K }>[] =>
  model.records().filter((each): each is Extract<LocalRecord, { kind: K }> => each.kind === kind);

/** What a gateway reads and writes on its side, in hashes. */
function hashing(serve: (stream: Duplex, say: (chunk: Buffer) => void) => void) {
  const up = new WireHash(salt);
  const down = new WireHash(salt);
  fake.behaviour.stream = (stream) => {
    stream.on('data', (chunk: Buffer) => up.update(chunk));
    serve(stream, (chunk) => {
      down.update(chunk);
      stream.write(chunk);
    });
  };
  return { up, down };
}

describe('the record of a session', () => {
  it('holds the same sums as the gateway has, whatever came in which pieces, and the first bytes too', async () => {
    const { recording, gateway } = await start();
    fake.behaviour.streamHead = 'with the answer';
    const answer = randomBytes(300_000);
    const { up, down } = hashing((stream, say) => {
      stream.on('end', () => {
        for (let at = 0; at < answer.length; at += 7001) say(answer.subarray(at, at + 7001));
        stream.end();
      });
    });
    down.update(Buffer.from(fake.behaviour.streamHead));
    const stream = await gateway.openStream('shop-db');
    const received: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => received.push(chunk));
    for (const size of [1, 65_535, 65_536, 3]) stream.write(randomBytes(size));
    stream.write('text', 'utf8');
    stream.end(randomBytes(70_000));
    await finished(stream);
    await recording.close(3000);
    expect(Buffer.concat(received)).toEqual(Buffer.concat([Buffer.from('with the answer'), answer]));
    const [closed] = of('closed');
    expect(closed).toMatchObject({
      up: up.finish(),
      down: down.finish(),
      session: sessionId(1),
      cause: 'client',
    });
    expect(of('opened')).toMatchObject([{ connection: 'shop-db', by: 'tunnel', version: '1.2.3' }]);
    const hashes = of('wire').flatMap(({ direction, from, hashes: all }) =>
      all.map((_, at) => `${direction} ${from + at}`),
    );
    expect(hashes.sort()).toEqual(
      [0, 1, 2, 3]
        .map((at) => `up ${at}`)
        .concat([0, 1, 2, 3, 4].map((at) => `down ${at}`))
        .sort(),
    );
    expect(model.records()[0]?.kind).toBe('opened');
    expect(model.records().at(-1)?.kind).toBe('closed');
    expect([...model.segments.values()].every(({ last }) => last)).toBe(true);
    expect(readdirSync(spoolDirectory(state, fake.url)).sort()).toEqual(['counter', 'key.sealed']);
  });

  it('begins on the disk before anything of the stream is handed out, and says who ended it', async () => {
    const { recording, gateway } = await start();
    fake.behaviour.stream = (stream) => void stream.end('bye');
    const seen: string[] = [];
    const begin = recording.begin.bind(recording);
    recording.begin = async (...all) => {
      await begin(...all);
      seen.push('durable');
    };
    const stream = await gateway.openStream('shop-db', undefined, 'built-in');
    seen.push('open');
    stream.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
    await new Promise((resolve) => stream.once('end', resolve));
    stream.end();
    await finished(stream);
    await recording.close(3000);
    expect(seen).toEqual(['durable', 'open', 'bye']);
    expect(of('opened')).toMatchObject([{ by: 'built-in', lineage: 'unattributed' }]);
    expect(of('closed')).toMatchObject([{ cause: 'gateway', down: { bytes: 3 } }]);
  });

  it('names the process behind it and nothing that it was started with', async () => {
    const { recording, gateway } = await start();
    const lineage = {
      kind: 'attributed' as const,
      bootId: '00000000-0000-4000-8000-000000000000',
      processes: [{ pid: 42, startTicks: '4711', name: 'psql', arguments: ['psql', 'a-secret'] }],
    };
    (await gateway.openStream('shop-db', lineage)).destroy();
    await recording.close(3000);
    expect(of('opened')).toMatchObject([{ lineage: 'attributed', pid: 42, startTicks: '4711' }]);
    expect(JSON.stringify(model.records())).not.toContain('a-secret');
  });
});

describe('a session without a record', () => {
  it('is one at a gateway that takes none: the state says so', async () => {
    fake.behaviour.session = undefined;
    const states: RecordingState[] = [];
    const { gateway } = await start((each) => states.push(each));
    (await gateway.openStream('shop-db')).destroy();
    await eventually(() => expect(states.at(-1)?.spool).toMatchObject({ unrecorded: 1, records: 0 }));
  });

  it('is asked for without one when the spool cannot be opened, and refused where it must have one', async () => {
    mkdirSync(state.home.state, { recursive: true, mode: 0o700 });
    rmSync(join(state.home.state, 'spool'), { recursive: true, force: true });
    writeFileSync(join(state.home.state, 'spool'), 'no directory', { mode: 0o600 });
    const states: RecordingState[] = [];
    const { gateway } = await start((each) => states.push(each));
    (await gateway.openStream('shop-db')).destroy();
    await eventually(() => expect(states.at(-1)?.spool).toMatchObject({ working: false, unrecorded: 1 }));
    fake.behaviour.stream = new ThroughlineError('denied', 'this connection asks for a desktop’s record');
    await expect(gateway.openStream('shop-db')).rejects.toThrow('asks for a desktop’s record');
    expect(model.records()).toEqual([]);
  });
});

describe('what a process left', () => {
  it('is brought to the gateway by the next one, with the time and order that it had, and only once', async () => {
    fake.behaviour.spool = () => {
      throw new ThroughlineError('not-recordable', 'the gateway has no room');
    };
    const first = await start();
    const stream = await first.gateway.openStream('shop-db');
    stream.end('select 1');
    await finished(stream.resume());
    await first.recording.close(500);
    expect(model.records()).toEqual([]);
    const directory = spoolDirectory(state, fake.url);
    const left = readdirSync(directory).filter((name) => /^[0-9a-f]{16}$/.test(name));
    expect(left.length).toBe(1);
    // Its owner is gone for a while.
    const before = new Date(Date.now() - 60_000);
    utimesSync(join(directory, left[0] ?? ''), before, before);
    fake.behaviour.spool = (device, segment, body) => model.append(device, segment, body);
    await start();
    await eventually(() => expect(of('closed').length).toBe(1));
    await eventually(() => expect(readdirSync(join(directory)).every((name) => name !== left[0])).toBe(true));
    expect(model.records().map(({ kind }) => kind)).toEqual(['opened', 'wire', 'wire', 'closed']);
  });

  it('is encrypted: no file of the spool holds what was noted', async () => {
    fake.behaviour.spool = undefined;
    const { recording, gateway } = await start();
    const stream = await gateway.openStream('a-name-to-look-for');
    stream.destroy();
    await recording.close(0);
    const directory = spoolDirectory(state, fake.url);
    const { readFileSync } = await import('node:fs');
    const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((each) =>
      each.isFile(),
    );
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      const bytes = readFileSync(join(file.parentPath, file.name));
      expect(bytes.includes('a-name-to-look-for') || bytes.includes('opened')).toBe(false);
    }
  });
});
