import { connect } from 'node:net';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { endsOf } from '../../../../gateway-core/agent/lineage/ends.js';
import { loadNative, type Native } from '../../../../gateway-core/agent/lineage/native.js';
import { findPeerSocket } from '../../../../gateway-core/agent/lineage/peer-socket.js';
import { lookUpSocket } from '../../../../gateway-core/agent/lineage/sock-diag.js';
import { later, listen, onLinux } from './support.js';

async function theNative(): Promise<Native> {
  const native = await loadNative();
  if (native === undefined) throw new Error('koffi is installed with this repository');
  return native;
}

describe('the kernel asked for one socket', () => {
  onLinux('says what its tables say', async () => {
    const native = await theNative();
    for (const [host, target] of [
      ['127.0.0.1', '127.0.0.1'],
      ['127.0.0.1', '::ffff:127.0.0.1'],
      ['::1', '::1'],
    ] as const) {
      const listener = await listen(host);
      const client = connect(listener.port, target);
      later(() => client.destroy());
      const ends = await endsOf(await listener.accepted());
      if (ends === undefined) throw new Error('it is connected');
      const exact = await findPeerSocket(ends, native);
      expect(exact).toEqual(await findPeerSocket(ends, undefined));
      expect(exact?.uid).toBe(process.geteuid?.());
      // By that way, and not by the tables after it.
      expect(lookUpSocket(native, ends.remote, ends.local)?.inode).toBe(exact?.inode);
      expect(lookUpSocket(native, ends.local, ends.remote)?.inode).toBe(ends.inode);
    }
  });

  onLinux('does not pass a listener off as a connection to it', async () => {
    const native = await theNative();
    const { port } = await listen();
    const local = { address: '127.0.0.1', port };
    expect(lookUpSocket(native, local, { address: '127.0.0.1', port: 1 })).toBeUndefined();
  });

  onLinux('finds nothing where our own end is not the one that was accepted', async () => {
    const native = await theNative();
    const listener = await listen();
    const client = connect(listener.port, '127.0.0.1');
    later(() => client.destroy());
    const ends = await endsOf(await listener.accepted());
    if (ends === undefined) throw new Error('it is connected');
    expect(await findPeerSocket({ ...ends, inode: '1' }, native)).toBeUndefined();
  });

  test('no answer makes it throw, or name a socket of other ends', () => {
    const local = { address: '127.0.0.1', port: 1234 };
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const native = {
          netlink: () => Buffer.from(bytes),
          prctl: () => false,
          peerProcess: () => undefined,
          reap: () => false,
        };
        expect(lookUpSocket(native, local, { address: '127.0.0.1', port: 5678 })).toBeUndefined();
      }),
    );
  });
});
