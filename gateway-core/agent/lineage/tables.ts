import { endianness } from 'node:os';
import type { Ends } from './ends.js';
import type { End, SocketEntry } from './sock-diag.js';

/**
 * The peer of `ends` as /proc/net/tcp and tcp6 show it: proc_net_tcp(5). Undefined when either end is not there, or
 * when there are two candidates.
 * INVARIANT: both ends of the same connection are in the same reading, so the row that names the user belongs to
 * the socket that was accepted, and not to one that got its port after it was reset.
 */
export function peerInTables(tables: readonly string[], ends: Ends): SocketEntry | undefined {
  const locals = hexForms(ends.local);
  const remotes = hexForms(ends.remote);
  const pairs = locals.flatMap((local) => remotes.map((remote) => ({ local, remote })));
  const rows = (pick: (pair: { local: string; remote: string }) => string): SocketEntry[] =>
    pairs.flatMap((pair) => tables.flatMap((text) => row(text, pick(pair))));
  const own = rows(({ local, remote }) => `${local} ${remote} `);
  const [found, another] = rows(({ local, remote }) => `${remote} ${local} `);
  if (!own.some(({ inode }) => inode === ends.inode)) return undefined;
  return another === undefined ? found : undefined;
}

/** sl local remote state tx:rx timer retransmit uid timeout inode ... */
function row(text: string, addresses: string): SocketEntry[] {
  const at = text.indexOf(`: ${addresses}`);
  if (at === -1) return [];
  const [, , state, , , , uid, , inode] =
    text
      .slice(at + 2, at + 400)
      .split('\n', 1)[0]
      ?.trim()
      .split(/\s+/) ?? [];
  if (state === undefined || uid === undefined || inode === undefined) return [];
  if (!/^[0-9A-F]{2}$/.test(state) || !/^\d+$/.test(uid) || !/^\d+$/.test(inode)) return [];
  return [{ state: Number.parseInt(state, 16), uid: Number(uid), inode }];
}

/** An address as the tables write it: 32-bit words in the machine's byte order; IPv4 also in its IPv6-mapped form. */
function hexForms({ address, port }: End): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (v4 !== undefined) {
    const word = hexWords(v4.split('.').map(Number));
    return [word, `${hexWords([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255])}${word}`].map(
      (hex) => `${hex}${suffix}`,
    );
  }
  return address === '::1' ? [`${hexWords([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])}${suffix}`] : [];
}

function hexWords(bytes: readonly number[]): string {
  let hex = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const word = bytes.slice(at, at + 4);
    if (endianness() === 'LE') word.reverse();
    hex += word.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
  }
  return hex;
}
