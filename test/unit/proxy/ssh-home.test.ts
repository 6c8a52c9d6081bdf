import { describe, expect, it } from 'vitest';
import { readMessage, writeMessage } from '../../../gateway-core/codec/ssh/messages.js';
import { SshReader, sshBytes } from '../../../gateway-core/codec/ssh/wire.js';
import type { Appended } from '../../../gateway-core/contract/decision.js';
import type { SessionId } from '../../../gateway-core/contract/ids.js';
import type { Recorder } from '../../../gateway-core/contract/recorder.js';
import { Channels } from '../../../gateway-core/proxy/ssh/channel.js';
import { ClientSide } from '../../../gateway-core/proxy/ssh/client-side.js';
import type { SshContext } from '../../../gateway-core/proxy/ssh/context.js';
import { GlobalRequests } from '../../../gateway-core/proxy/ssh/global-requests.js';
import { sshLimits } from '../../../gateway-core/proxy/ssh/limits.js';
import { Outbox } from '../../../gateway-core/proxy/ssh/outbox.js';
import { Output } from '../../../gateway-core/proxy/ssh/output.js';
import type { Parts } from '../../../gateway-core/proxy/ssh/parts.js';
import { TargetSide } from '../../../gateway-core/proxy/ssh/target-side.js';
import { randomOf, seedOfRun } from '../../sim/random.js';

/** scp's way: relative paths from the first request on. The gateway asks where they begin; nobody else may notice. */
const types = {
  init: 1,
  version: 2,
  opendir: 11,
  realpath: 16,
  stat: 17,
  status: 101,
  name: 104,
  attrs: 105,
};
const clientId = 4;
const targetId = 9;
const windowBytes = 40_000;

const packet = (type: number, ...fields: readonly (number | string)[]): Buffer =>
  sshBytes(sshBytes({ byte: type }, ...fields));
const stat = (id: number, path: string): Buffer => packet(types.stat, id, path);
const status = (id: number): Buffer => packet(types.status, id, 2, 'no such file', '');
const home = (id: number, path = '/home/me'): Buffer => packet(types.name, id, 1, path, path, 0);

interface Asked {
  readonly type: number;
  readonly id: number;
  readonly path: string;
}

class World {
  /** Paths that policy was asked about. */
  readonly judged: string[] = [];
  /** Requests that reached the target. */
  readonly atTarget: Asked[] = [];
  /** SFTP bytes that reached the client. */
  atClient = Buffer.alloc(0);
  failure: string | undefined;
  /** What each end may still send, as it counts itself. */
  clientMaySend = 0;
  targetMaySend = windowBytes;
  /** What the target still takes, and the client. */
  targetTakes = windowBytes;
  clientTakes = windowBytes;
  readonly client: ClientSide;
  readonly target: TargetSide;
  #toTarget = Buffer.alloc(0);

  constructor() {
    const recorder: Recorder = {
      event: (_event, _durability, done) => queueMicrotask(() => done({} as Appended)),
      content: () => undefined,
      flush: (done) => queueMicrotask(() => done()),
    } as Partial<Recorder> as Recorder;
    const grounds = { policies: [], policyVersion: 'v' };
    const context = {
      id: 'ses_1' as SessionId,
      principal: 'demo/x',
      recorder,
      grounds,
      durability: 'recorded',
      keepBytesMax: 0,
      nowUs: () => 0,
      seq: 0,
      bytesFromClient: 0,
      bytesToClient: 0,
      judge: {
        decide: (use) => {
          if (use.action === 'ssh:sftp') this.judged.push(use.file.path);
          return { kind: 'allow', grounds, masks: [] };
        },
        keptText: (text) => text,
        exactHash: (text) => text,
        judgesLines: () => false,
      } as Partial<SshContext['judge']> as SshContext['judge'],
      fail: (_fault, reason) => (this.failure ??= reason),
      guarded: (work) => work(),
      isOver: () => this.failure !== undefined,
    } as Partial<SshContext> as SshContext;
    const outbox = new Outbox({
      recorder,
      send: (payload) => this.#clientHears(payload),
      failed: () => undefined,
      changed: () => undefined,
    });
    const pass = (payload: Uint8Array): void => this.#targetHears(Buffer.from(payload));
    const parts: Parts = {
      context,
      channels: new Channels(),
      requests: new GlobalRequests(),
      upstream: { pass, begin: pass },
      outbox,
      output: new Output(context, outbox, undefined),
      allowed: new Set(),
    };
    const stream = { pause: () => undefined, resume: () => undefined };
    this.client = new ClientSide(parts, stream, () => undefined);
    this.target = new TargetSide(parts);
  }

  #targetHears(payload: Buffer): void {
    const message = readMessage(payload);
    if (message.kind === 'window-adjust') this.targetMaySend += message.bytes;
    if (message.kind !== 'data') return;
    this.targetTakes -= message.data.length;
    expect(this.targetTakes).toBeGreaterThanOrEqual(0);
    this.#toTarget = Buffer.concat([this.#toTarget, message.data]);
    while (this.#toTarget.length >= 4 && this.#toTarget.length >= 4 + this.#toTarget.readUInt32BE()) {
      const reader = new SshReader(new SshReader(this.#toTarget).string());
      const type = reader.byte();
      if (type === types.init) this.atTarget.push({ type, id: 0, path: '' });
      else this.atTarget.push({ type, id: reader.uint32(), path: reader.text(999) });
      this.#toTarget = this.#toTarget.subarray(4 + this.#toTarget.readUInt32BE());
    }
  }

  #clientHears(payload: Buffer): void {
    const message = readMessage(payload);
    if (message.kind === 'open-confirmation') this.clientMaySend = message.windowBytes;
    if (message.kind === 'window-adjust') this.clientMaySend += message.bytes;
    if (message.kind !== 'data') return;
    this.clientTakes -= message.data.length;
    expect(this.clientTakes).toBeGreaterThanOrEqual(0);
    this.atClient = Buffer.concat([this.atClient, message.data]);
  }

  async opened(): Promise<this> {
    const size = { windowBytes, packetBytesMax: 32_768, data: Buffer.alloc(0) };
    this.client.take(writeMessage({ kind: 'open', type: 'session', sender: clientId, ...size }));
    this.target.take(
      writeMessage({ kind: 'open-confirmation', recipient: clientId, sender: targetId, ...size }),
    );
    const request = { kind: 'request', recipient: targetId, name: 'subsystem', wantReply: false } as const;
    this.client.take(writeMessage({ ...request, data: sshBytes('sftp') }));
    await settled();
    return this;
  }

  clientSays(bytes: Buffer): void {
    this.clientMaySend -= bytes.length;
    this.client.take(writeMessage({ kind: 'data', recipient: targetId, data: bytes }));
  }

  targetSays(bytes: Buffer): void {
    this.targetMaySend -= bytes.length;
    expect(this.targetMaySend).toBeGreaterThanOrEqual(0);
    this.target.take(writeMessage({ kind: 'data', recipient: clientId, data: bytes }));
  }

  targetGives(bytes: number): void {
    this.targetTakes += bytes;
    this.target.take(writeMessage({ kind: 'window-adjust', recipient: clientId, bytes }));
  }

  clientGives(bytes: number): void {
    this.clientTakes += bytes;
    this.client.take(writeMessage({ kind: 'window-adjust', recipient: targetId, bytes }));
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const init = packet(types.init, 3);
const version = packet(types.version, 3);

describe('a relative path before anybody asked where paths begin', () => {
  it('waits for what is owed, then the gateway asks; the answer is its own, and what waited is judged below it', async () => {
    const world = await new World().opened();
    world.clientSays(Buffer.concat([init, stat(1, '/abs'), stat(2, 'rel'), stat(3, 'more')]));
    expect(world.atTarget.map(({ path }) => path)).toEqual(['', '/abs']);
    world.targetSays(version);
    expect(world.atTarget).toHaveLength(2);
    world.targetSays(status(1));
    expect(world.atTarget.at(-1)).toEqual({ type: types.realpath, id: 2, path: '.' });
    expect(world.judged).toEqual(['/abs']);
    const answer = home(2);
    world.targetSays(answer.subarray(0, 7));
    world.targetSays(answer.subarray(7));
    expect(world.atTarget.slice(3)).toEqual([
      { type: types.stat, id: 2, path: 'rel' },
      { type: types.stat, id: 3, path: 'more' },
    ]);
    expect(world.judged).toEqual(['/abs', '/home/me/rel', '/home/me/more']);
    world.targetSays(Buffer.concat([status(2), status(3)]));
    await settled();
    expect(world.atClient).toEqual(Buffer.concat([version, status(1), status(2), status(3)]));
    expect(world.failure).toBeUndefined();
  });

  it.each([
    ['does not know', status(2)],
    ['names no path', home(2, 'elsewhere')],
  ])('is refused where the target %s, without asking again', async (_what, answer) => {
    const world = await new World().opened();
    world.clientSays(Buffer.concat([init, stat(2, 'rel')]));
    world.targetSays(version);
    world.targetSays(answer);
    world.clientSays(stat(3, 'rel'));
    await settled();
    expect(world.atTarget.map(({ type }) => type)).toEqual([types.init, types.realpath]);
    expect(world.judged).toEqual([]);
    const refused = new SshReader(new SshReader(world.atClient.subarray(version.length)).string());
    expect([refused.byte(), refused.uint32(), refused.uint32()]).toEqual([types.status, 2, 3]);
  });

  it.each([
    ['answers something else', status(7)],
    ['says more than the answer', Buffer.concat([home(2), status(1)])],
    ['answers with attributes', packet(types.attrs, 2, 0)],
  ])('ends the session where the target %s', async (_what, answer) => {
    const world = await new World().opened();
    world.clientSays(Buffer.concat([init, stat(2, 'rel')]));
    world.targetSays(version);
    world.targetSays(answer);
    expect(world.failure).toContain('SFTP');
    expect(world.atTarget.map(({ type }) => type)).toEqual([types.init, types.realpath]);
  });

  it('takes nothing of either end’s room, however messages are cut', async () => {
    const seed = seedOfRun();
    const random = randomOf(seed);
    const upTo = (most: number): number => 1 + Math.floor(random() * most);
    for (let round = 0; round < 150; round += 1) {
      const world = await new World().opened();
      expect(world.clientMaySend, `seed ${seed}`).toBe(windowBytes - sshLimits.questionBytesMax);
      const before = Array.from({ length: upTo(4) - 1 }, (_, at) => stat(10 + at, `/${at}`));
      const after = Array.from({ length: upTo(4) }, (_, at) => stat(20 + at, `r${at}`));
      let said = Buffer.concat([init, ...before, ...after]);
      let answered = 0;
      let saying = Buffer.alloc(0);
      const expected: Buffer[] = [];
      for (let step = 0; step < 400; step += 1) {
        const bytes = said.subarray(0, upTo(60));
        said = said.subarray(bytes.length);
        if (bytes.length > 0) world.clientSays(bytes);
        for (; answered < world.atTarget.length; answered += 1) {
          const { type, id } = world.atTarget[answered] ?? { type: 0, id: 0 };
          const reply = type === types.init ? version : type === types.realpath ? home(id) : status(id);
          if (type !== types.realpath) expected.push(reply);
          saying = Buffer.concat([saying, reply]);
        }
        const chunk = saying.subarray(0, upTo(50));
        saying = saying.subarray(chunk.length);
        if (chunk.length > 0) world.targetSays(chunk);
        if (random() < 0.2 && world.targetTakes < windowBytes)
          world.targetGives(Math.min(upTo(100), windowBytes - world.targetTakes));
        await settled();
        // The client never counts on more than there is.
        expect(world.clientMaySend, `seed ${seed}`).toBeLessThanOrEqual(world.targetTakes);
        if (said.length === 0 && saying.length === 0 && answered === 1 + 1 + before.length + after.length)
          break;
      }
      if (world.targetTakes < windowBytes) world.targetGives(windowBytes - world.targetTakes);
      await settled();
      world.clientGives(windowBytes - world.clientTakes);
      expect(world.failure, `seed ${seed}`).toBeUndefined();
      expect(world.atClient, `seed ${seed}`).toEqual(Buffer.concat(expected));
      expect(world.clientMaySend, `seed ${seed}`).toBe(windowBytes - sshLimits.questionBytesMax);
      expect(world.targetMaySend, `seed ${seed}`).toBe(windowBytes);
    }
  });
});
