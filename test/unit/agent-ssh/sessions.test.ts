import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { sshLimits } from '../../../gateway-core/agent/ssh/limits.js';
import type { SshEngineOptions } from '../../../gateway-core/agent/ssh/options.js';
import { eventually } from '../../eventually.js';
import type { SshTargetOptions } from '../../ssh-target/server.js';
import { connection, readUntil, size, startWorld, type, type World } from './support.js';

const worlds: World[] = [];
afterEach(async () => {
  for (const world of worlds.splice(0)) await world.close();
});
const start = async (options: SshTargetOptions = {}, given: Partial<SshEngineOptions> = {}) => {
  const world = await startWorld(options, given);
  worlds.push(world);
  return world;
};
const open = (world: World) => world.engine.handlers['ssh.open']({ connection, ...size });

it('a terminal shows what the target says and sends what is typed', async () => {
  const world = await start();
  const { key, state, shell, session } = await open(world);
  expect({ state, shell, session }).toEqual({
    state: 'ready',
    shell: { state: 'open' },
    session: 'ses_01HZZZZZZZZZZZZZZZZZZZZZZZ',
  });
  await readUntil(world, key, '$ ');
  await type(world, key, 'echo grüße\r');
  expect(await readUntil(world, key, 'grüße\r\n$ ')).toContain('grüße\r\n$ ');
});

it('the user that the gateway is told is the name of the connection', async () => {
  const world = await start();
  await open(world);
  expect(world.target.users).toEqual(['shop-host']);
});

it('the target knows the size of the terminal, and each change of it', async () => {
  const world = await start();
  const { key } = await open(world);
  await type(world, key, 'size\r');
  await readUntil(world, key, '80x24');
  await world.engine.handlers['ssh.resize']({ key, columns: 132, rows: 43 });
  await type(world, key, 'size\r');
  await readUntil(world, key, '132x43');
});

it('a host key that is not the gateway’s is believed by nobody', async () => {
  const other = await start();
  const world = await start({}, { hostKeys: () => [other.target.hostKey] });
  await expect(open(world)).rejects.toMatchObject({
    code: 'verification-failed',
    message: 'the SSH host key that was shown is not the gateway’s',
  });
  expect(world.target.users).toEqual([]);
});

it.each([[[]], [['']], [['ssh-ed25519']], [['ssh-ed25519 AAAA']], [['# nothing']]])(
  'a gateway that names no host key that is one (%j) is not connected to',
  async (lines) => {
    const world = await start({}, { hostKeys: () => lines });
    await expect(open(world)).rejects.toMatchObject({ code: 'verification-failed' });
    expect(world.target.users).toEqual([]);
  },
);

it('a refusal before the shell is told with its reason and with what to do', async () => {
  const world = await start({
    refuse: 'throughline: policy no-shell does not let you use shop-host\nask an admin for access\u0007',
  });
  await expect(open(world)).rejects.toMatchObject({
    code: 'denied',
    message: 'policy no-shell does not let you use shop-host',
    action: 'ask an admin for access',
  });
  expect(await world.engine.handlers['ssh.sessions']({})).toEqual([]);
});

it('a refusal in the place of any handshake is told with its reason', async () => {
  // RFC 4253 4.2 and 6: a version, then one packet that nothing protects.
  const text = Buffer.from('throughline: you may not use shop-host');
  const payload = Buffer.alloc(1 + 4 + 4 + text.length + 4);
  payload[0] = 1;
  payload.writeUInt32BE(11, 1);
  payload.writeUInt32BE(text.length, 5);
  text.copy(payload, 9);
  const padding = 16 - ((5 + payload.length) % 8);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length + padding);
  head[4] = padding;
  const refusal = Buffer.concat([
    Buffer.from('SSH-2.0-Throughline\r\n'),
    head,
    payload,
    Buffer.alloc(padding),
  ]);
  const server = createServer((socket) => socket.on('error', () => undefined).end(refusal));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const world = await start({}, { openStream: () => Promise.resolve(connect(port, '127.0.0.1')) });
  await expect(open(world)).rejects.toMatchObject({ code: 'denied', message: 'you may not use shop-host' });
  server.close();
});

it('a shell that is refused is a state of the session, whose files may still be reached', async () => {
  const world = await start({ refuseShell: true });
  const { state, shell } = await open(world);
  expect(state).toBe('ready');
  expect(shell).toMatchObject({ state: 'refused', problem: { code: 'target-refused' } });
});

it.each([2, 11])(
  'a revocation ends the session with the reason that the gateway gives (%i)',
  async (reason) => {
    const world = await start();
    const { key } = await open(world);
    world.target.disconnect('this session was revoked by demo/admin: the contract has ended', reason);
    await eventually(() => {
      expect(world.last('ssh.session')).toMatchObject({
        key,
        state: 'closed',
        shell: { state: 'ended' },
        problem: {
          code: 'denied',
          message: 'this session was revoked by demo/admin: the contract has ended',
        },
      });
    });
  },
);

it('leaving by exit is no problem, and its status is known', async () => {
  const world = await start();
  const { key } = await open(world);
  await type(world, key, 'exit 3\r');
  await eventually(() => {
    expect(world.last('ssh.session')).toEqual({
      key,
      connection,
      session: 'ses_01HZZZZZZZZZZZZZZZZZZZZZZZ',
      state: 'closed',
      shell: { state: 'ended', status: 3 },
    });
  });
  const { ended } = await world.engine.handlers['ssh.read']({ key, from: 0 });
  expect(ended).toBe(true);
});

it('a terminal that is connected again is the same one, and its output goes on where it was', async () => {
  const world = await start();
  const { key } = await open(world);
  const before = await readUntil(world, key, '$ ');
  world.target.disconnect('the target restarts');
  await eventually(() => {
    expect(world.last('ssh.session')?.state).toBe('closed');
  });
  const again = await world.engine.handlers['ssh.reconnect']({ key, ...size });
  expect(again).toMatchObject({ key, state: 'ready', shell: { state: 'open' } });
  expect(again.problem).toBeUndefined();
  const after = await readUntil(world, key, '$ ', Buffer.byteLength(before));
  expect(after).toBe('welcome to the target\r\n$ ');
});

it('what the gateway says on stderr stands in the terminal, line by line', async () => {
  const world = await start();
  const { key } = await open(world);
  await type(world, key, 'warn throughline: policy no-rm denies this\r');
  expect(await readUntil(world, key, 'denies this\r\n')).toContain('policy no-rm denies this\r\n');
});

it('a flood stops at the source while nobody takes it, and nothing of it is lost or grows', async () => {
  const world = await start();
  const { key } = await open(world);
  await type(world, key, 'flood\r');
  const [shell] = world.target.shells;
  const stands = async (): Promise<number> => {
    for (let before = -1; ; ) {
      const flooded = shell?.flooded ?? 0;
      if (flooded > 0 && flooded === before) return flooded;
      before = flooded;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  // The window of the channel on both sides, and what is kept here.
  expect(await stands()).toBeLessThan(8 * 1024 * 1024);
  let at = 0;
  let text = '';
  while (at < 4 * 1024 * 1024) {
    const piece = await world.engine.handlers['ssh.read']({ key, from: at });
    expect(piece.from).toBe(at);
    const bytes = Buffer.from(piece.data, 'base64');
    if (text.length < 200) text += bytes.toString();
    at += bytes.length;
  }
  expect(text.slice(text.indexOf('flood'), 60)).toContain('flood\r\ny\r\ny\r\ny\r\n');
});

it('a program goes on where no window shows it any more, and the end of its output is kept', async () => {
  const world = await start();
  const { key } = await open(world);
  await type(world, key, 'flood\r');
  await world.engine.handlers['ssh.read']({ key, from: 0 });
  const [shell] = world.target.shells;
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + sshLimits.detachedAfterMs + 1 });
  try {
    await eventually(() => {
      expect(shell?.flooded).toBeGreaterThan(12 * 1024 * 1024);
    });
    const piece = await world.engine.handlers['ssh.read']({ key, from: 0 });
    expect(piece.from).toBeGreaterThan(0);
    expect(piece.data).not.toBe('');
  } finally {
    vi.useRealTimers();
  }
});

it('a page that is loaded again gets what was shown, marked as seen before', async () => {
  const world = await start();
  const { key } = await open(world);
  const all = await readUntil(world, key, '$ ');
  await world.engine.handlers['ssh.read']({ key, from: Buffer.byteLength(all) - 1 });
  const piece = await world.engine.handlers['ssh.read']({ key, from: 0 });
  expect(Buffer.from(piece.data, 'base64').toString()).toBe(all);
  expect(piece.seen).toBe(Buffer.byteLength(all) - 1);
});

it('a window cannot say that it took what never came', async () => {
  const world = await start();
  const { key } = await open(world);
  await readUntil(world, key, '$ ');
  const far = world.engine.handlers['ssh.read']({ key, from: 1e9 });
  await type(world, key, 'echo x\r');
  expect((await far).seen).toBeLessThan(1000);
});

it('more readers than are allowed get an answer, not a place in a queue', async () => {
  const world = await start();
  const { key } = await open(world);
  const all = await readUntil(world, key, '$ ');
  const from = Buffer.byteLength(all);
  const reads = Array.from({ length: sshLimits.readersMax + 1 }, () =>
    world.engine.handlers['ssh.read']({ key, from }),
  );
  expect(await reads[0]).toMatchObject({ data: '', ended: false });
  world.engine.closeSessions({ code: 'not-signed-in', message: 'you have signed out' });
  for (const read of reads) await read;
});

it('signing out ends every terminal, and says so', async () => {
  const world = await start();
  const { key } = await open(world);
  world.engine.closeSessions({ code: 'not-signed-in', message: 'you have signed out' });
  await eventually(() => {
    expect(world.last('ssh.session')).toMatchObject({
      key,
      state: 'closed',
      problem: { code: 'not-signed-in', message: 'you have signed out' },
    });
  });
});

it('a terminal that was closed is known to nobody', async () => {
  const world = await start();
  const { key } = await open(world);
  await world.engine.handlers['ssh.close']({ key });
  await expect(world.engine.handlers['ssh.read']({ key, from: 0 })).rejects.toMatchObject({
    code: 'not-found',
  });
  await eventually(() => {
    expect(world.target.connections.size).toBe(0);
  });
});
