import { once } from 'node:events';
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { type Attribute, openAttribution } from '../../../../gateway-core/agent/lineage/attribute.js';
import { attribute, isWithin, self } from '../../../../gateway-core/agent/lineage/index.js';
import { lineageLimits } from '../../../../gateway-core/agent/lineage/limits.js';
import { findPeerSocket } from '../../../../gateway-core/agent/lineage/peer-socket.js';
import { openProc } from '../../../../gateway-core/agent/lineage/proc.js';
import { asRoot, later, linesOf, listen, onLinux, pidOf, start, startAll } from './support.js';

/** As where koffi is missing. */
const withoutNative = openAttribution({
  proc: openProc(),
  hints: () => [],
  peerOf: (ends) => findPeerSocket(ends, undefined),
});

const toPort = (port: number): string => `exec 3<>/dev/tcp/127.0.0.1/${port}`;

async function leafOf(socket: Socket, by: Attribute = attribute): Promise<number | string> {
  const found = await by(socket);
  if (found.kind === 'unattributed') return found.reason;
  return found.processes[0]?.pid ?? 'nobody';
}

/** What a client says first: its pid. */
async function pidFrom(socket: Socket): Promise<number> {
  socket.resume();
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return Number(bytes.toString());
}

describe('a connection is attributed to the process that made it', () => {
  onLinux('with every ancestor, leaf first', async () => {
    const listener = await listen();
    const client = start('bash', ['-c', `${toPort(listener.port)}; sleep 60; true`]);
    const found = await attribute(await listener.accepted());
    if (found.kind !== 'attributed') throw new Error(found.reason);
    expect(found.processes.slice(0, 2).map(({ pid }) => pid)).toEqual([pidOf(client), process.pid]);
    expect(found.uid).toBe(process.geteuid?.());
    expect(found.stillHolds()).toBe(true);
    const here = self();
    if (here === undefined) throw new Error('Linux tells');
    expect(found.bootId).toBe(here.bootId);
    expect(isWithin(found.processes, here)).toBe(true);
    expect(isWithin(found.processes, { ...here, startTicks: '1' })).toBe(false);
    expect(found.processes.every(({ pid }) => pid > 1)).toBe(true);
  });

  for (const [how, by] of [
    ['by sock_diag', attribute],
    ['by /proc alone', withoutNative],
  ] as const) {
    // On a busy machine it takes its time to start that many.
    onLinux(`each of 300 at once, ${how}`, { timeout: 120_000 }, async () => {
      const listener = await listen();
      const { port } = listener;
      const bash = ['bash', '-c', `${toPort(port)}; echo $$ >&3; sleep 60; true`] as const;
      const node = `require('net').connect(${port}, '127.0.0.1').write(String(process.pid))`;
      const python = `import os, socket, time
s = socket.create_connection(('127.0.0.1', ${port})); s.send(str(os.getpid()).encode()); time.sleep(60)`;
      startAll([
        ...Array.from({ length: 290 }, () => bash),
        ...Array.from({ length: 5 }, () => [process.execPath, '-e', node] as const),
        ...Array.from({ length: 5 }, () => ['/usr/bin/env', 'python3', '-c', python] as const),
      ]);
      const pairs = await Promise.all(
        Array.from({ length: 300 }, async () => {
          const socket = await listener.accepted();
          const leaf = await leafOf(socket, by);
          return { leaf, pid: await pidFrom(socket) };
        }),
      );
      expect(pairs.filter(({ leaf, pid }) => leaf !== pid)).toEqual([]);
      expect(new Set(pairs.map(({ pid }) => pid)).size).toBe(300);
    });
  }

  onLinux('psql', async () => {
    const listener = await listen();
    const client = start('psql', ['-h', '127.0.0.1', '-p', String(listener.port), '-U', 'alice', 'shop'], {
      PGPASSWORD: 'hunter22',
      THROUGHLINE_DELEGATION: 'dlg_01HZX3V9T5Q2M8K7N6P4R3S2T1',
    });
    const found = await attribute(await listener.accepted());
    if (found.kind !== 'attributed') throw new Error(found.reason);
    expect(found.processes[0]).toMatchObject({
      pid: pidOf(client),
      name: 'psql',
      arguments: [
        expect.stringMatching(/psql$/),
        '-h',
        '127.0.0.1',
        '-p',
        `${listener.port}`,
        '-U',
        'alice',
        'shop',
      ],
      markers: { delegation: 'dlg_01HZX3V9T5Q2M8K7N6P4R3S2T1' },
    });
    expect(found.processes[0]?.exe).toMatch(/psql$/);
    expect(JSON.stringify(found)).not.toContain('hunter22');
  });

  onLinux('this process itself, over IPv4, IPv6 and a mapped address', async () => {
    for (const [host, target] of [
      ['127.0.0.1', '127.0.0.1'],
      ['127.0.0.1', '::ffff:127.0.0.1'],
      ['::1', '::1'],
    ] as const) {
      const listener = await listen(host);
      const socket = connect(listener.port, target);
      later(() => socket.destroy());
      const accepted = await listener.accepted();
      expect(await leafOf(accepted)).toBe(process.pid);
      expect(await leafOf(accepted, withoutNative)).toBe(process.pid);
    }
  });

  onLinux('as a whole, and not to a thread of it', async () => {
    const listener = await listen();
    const client = start(process.execPath, [
      '-e',
      `require('net').connect(${listener.port}, '127.0.0.1').on('connect', () => {
         const { Worker } = require('worker_threads');
         new Worker('setInterval(() => {}, 1000)', { eval: true }).on('online', () => console.log('ready'));
       })`,
    ]);
    await linesOf(client)();
    const socket = await listener.accepted();
    for (const by of [attribute, withoutNative]) expect(await leafOf(socket, by)).toBe(pidOf(client));
  });

  onLinux('the one that others got the socket from by fork', async () => {
    const listener = await listen();
    const client = start('bash', [
      '-c',
      `${toPort(listener.port)}; sleep 60 <&3 & (sleep 60; true) & echo ready; wait`,
    ]);
    await linesOf(client)();
    const socket = await listener.accepted();
    for (const by of [attribute, withoutNative]) expect(await leafOf(socket, by)).toBe(pidOf(client));
  });
});

describe('nobody is named who might not be it', () => {
  onLinux('two that share a socket of which neither is the parent', async () => {
    const listener = await listen();
    const script = `${toPort(listener.port)}; sleep 60 & sleep 60 & exec 3>&-; echo ready; wait`;
    const client = start('bash', ['-c', script]);
    await linesOf(client)();
    expect(await leafOf(await listener.accepted())).toBe('ambiguous');
  });

  onLinux('a chain too long to be known whole', async () => {
    const listener = await listen();
    const script = `if [ $1 -gt 0 ]; then bash -c "$0" "$0" $(($1 - 1)); true; else ${toPort(listener.port)}; sleep 60; fi`;
    start('bash', ['-c', script, script, String(lineageLimits.processesMax)]);
    expect(await leafOf(await listener.accepted())).toBe('ambiguous');
  });

  onLinux('a client that has ended already: it, or nobody', async () => {
    const listener = await listen();
    const clients = new Set<number | string>();
    const found = Array.from({ length: 100 }, async () => leafOf(await listener.accepted()));
    for (let at = 0; at < 100; at++) {
      const client = start('bash', ['-c', `${toPort(listener.port)}; echo $$ >&3`]);
      clients.add(pidOf(client));
      if (at % 10 === 9) await once(client, 'exit');
    }
    const wrong = (await Promise.all(found)).filter((leaf) => leaf !== 'gone' && !clients.has(leaf));
    expect(wrong).toEqual([]);
  });

  onLinux('a client that has closed, and a socket of ours that has', async () => {
    const listener = await listen();
    const client = connect(listener.port, '127.0.0.1');
    const accepted = await listener.accepted();
    client.destroy();
    await once(client, 'close');
    expect(await leafOf(accepted)).toBe('gone');
    expect(await leafOf(accepted, withoutNative)).toBe('gone');
    accepted.destroy();
    expect(await leafOf(accepted)).toBe('gone');
  });

  asRoot("another user's process", async () => {
    const listener = await listen();
    start('setpriv', [
      '--reuid=65534',
      '--clear-groups',
      'bash',
      '-c',
      `${toPort(listener.port)}; sleep 60; true`,
    ]);
    const socket = await listener.accepted();
    expect(await leafOf(socket)).toBe('other-user');
    expect(await leafOf(socket, withoutNative)).toBe('other-user');
  });
});

describe('right before forwarding', () => {
  onLinux('a process that has ended does not hold its socket any more', async () => {
    const listener = await listen();
    const client = start('bash', ['-c', `${toPort(listener.port)}; sleep 60; true`]);
    const found = await attribute(await listener.accepted());
    if (found.kind !== 'attributed') throw new Error(found.reason);
    expect(found.stillHolds()).toBe(true);
    process.kill(-pidOf(client), 'SIGKILL');
    await once(client, 'exit');
    expect(found.stillHolds()).toBe(false);
  });

  onLinux('one that let go of it does not, one that moved it to another number does', async () => {
    const listener = await listen();
    const client = start('bash', [
      '-c',
      `${toPort(listener.port)}; trap 'exec 5>&3 3>&-; echo moved' USR1; trap 'exec 5>&-; echo closed' USR2
       echo ready; while true; do sleep 0.05; done`,
    ]);
    const line = linesOf(client);
    await line();
    const found = await attribute(await listener.accepted());
    if (found.kind !== 'attributed') throw new Error(found.reason);
    process.kill(pidOf(client), 'SIGUSR1');
    await line();
    expect(found.stillHolds()).toBe(true);
    process.kill(pidOf(client), 'SIGUSR2');
    await line();
    expect(found.stillHolds()).toBe(false);
  });
});

describe('what it costs', () => {
  onLinux('a thousand attributions leave no descriptor open, and read nothing', async () => {
    const listener = await listen();
    start('bash', ['-c', `${toPort(listener.port)}; echo $$ >&3; sleep 60; true`]);
    const socket = await listener.accepted();
    // What earlier tests held may still close meanwhile; `readdir`'s own descriptor is gone when it is asked for.
    const open = (): string[] =>
      readdirSync('/proc/self/fd').flatMap((fd) => {
        const path = `/proc/self/fd/${fd}`;
        return existsSync(path) ? [`${fd} ${readlinkSync(path)}`] : [];
      });
    for (const by of [attribute, withoutNative]) {
      await leafOf(socket, by);
      const before = new Set(open());
      for (let at = 0; at < (by === attribute ? 1000 : 100); at++) await by(socket);
      await Promise.all(Array.from({ length: 50 }, () => by(socket)));
      expect(open().filter((each) => !before.has(each))).toEqual([]);
    }
    await sleep(20);
    expect(socket.bytesRead).toBe(0);
  });
});
