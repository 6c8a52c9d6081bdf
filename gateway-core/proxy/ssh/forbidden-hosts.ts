import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { absolutePath } from '../../codec/sftp/paths.js';

/** Where nobody may forward to, whatever policy says: credentials of cloud machines, and the gateway itself. */
const linkLocal = new BlockList();
linkLocal.addSubnet('169.254.0.0', 16);
linkLocal.addSubnet('fe80::', 10, 'ipv6');
linkLocal.addSubnet('224.0.0.0', 4);
linkLocal.addSubnet('ff00::', 8, 'ipv6');
linkLocal.addSubnet('fd00:ec2::', 32, 'ipv6');
// What else clouds answer on with credentials: Azure, Alibaba, Oracle, Google.
linkLocal.addAddress('168.63.129.16');
linkLocal.addAddress('100.100.100.200');
linkLocal.addAddress('192.0.0.192');
linkLocal.addAddress('fd20:ce::254', 'ipv6');
const metadataNames: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'instance-data',
  'instance-data.ec2.internal',
]);

/**
 * A host as policy sees it: addresses in their usual form, names in small letters without the dot at their end.
 * undefined: no resolver should see it (some cut it at a blank or a NUL, and reach another one).
 */
export function plainHost(host: string): string | undefined {
  if (/[^!-~]/.test(host)) return undefined;
  const name = host
    .toLowerCase()
    .replace(/\.$/, '')
    .replaceAll(/^\[|\]$/g, '');
  return plainAddress(name) ?? name;
}

/**
 * Why nobody may reach `host` through a target; undefined: policy decides. Names are resolved by the target, so only
 * what is written as an address can be known here.
 */
export function forbiddenHost(host: string, gatewayHosts: readonly string[]): string | undefined {
  const name = plainHost(host);
  if (name === undefined) return unplaced;
  if (metadataNames.has(name)) return 'forwards to the metadata of a cloud are closed';
  const addresses = reachedBy(name);
  if (gatewayHosts.some((each) => [name, ...addresses].includes(plainHost(each) ?? each)))
    return 'forwards to the gateway itself are closed';
  for (const address of addresses) {
    const family = address.includes(':') ? 'ipv6' : 'ipv4';
    if (linkLocal.check(address, family)) return 'forwards to link-local and multicast addresses are closed';
    if (ownAddresses().has(address)) return 'forwards to the gateway itself are closed';
  }
  return undefined;
}

interface Place {
  readonly host: string;
  readonly port: number;
}

/** Why what has no place is refused. */
export const unplaced = 'a host has no blanks, and a socket’s path begins with a slash';

/**
 * A forward's place as policy sees it: one spelling for each host, and for the path of a unix socket, which has port 0.
 * undefined: it has none, and so cannot be judged.
 */
export function judgedPlace({ host, port }: Place, isPath: boolean): Place | undefined {
  const plain = isPath ? socketPath(host) : plainHost(host);
  return plain === undefined ? undefined : { host: plain, port };
}

/** Relative ones begin where the target's server stands; a NUL, or what is not UTF-8, is another path there. */
function socketPath(path: string): string | undefined {
  return /[\0\uFFFD]/.test(path) ? undefined : absolutePath(path, undefined);
}

/** The address, and the IPv4 one inside of it where a translator may unpack it (RFC 6052, 3056, 4291 2.5.5.1, 2765). */
function reachedBy(name: string): string[] {
  if (isIP(name) !== 6) return isIP(name) === 4 ? [name] : [];
  const [front = '', back] = name.split('::');
  const groups = (text: string | undefined): string[] =>
    text === undefined || text === '' ? [] : text.split(':');
  const [first, last] = [groups(front), groups(back)];
  const all = [...first, ...Array.from({ length: 8 - first.length - last.length }, () => '0'), ...last];
  const start = all.slice(0, 6).join(':');
  if (['0:0:0:0:0:0', '0:0:0:0:ffff:0', '64:ff9b:0:0:0:0'].includes(start))
    return [name, ipv4Of(all.slice(6))];
  return all[0] === '2002' ? [name, ipv4Of(all.slice(1, 3))] : [name];
}

function ipv4Of(groups: readonly string[]): string {
  return groups
    .map((group) => Number.parseInt(group, 16))
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}

/** Addresses of this machine but for loopback, which at the target means the target. */
function ownAddresses(): Set<string> {
  const own = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return new Set(own.filter(({ internal }) => !internal).map(({ address }) => address));
}

/**
 * The address that C libraries read in a text, in its usual form: `0xa9fea9fe`, `2852039166` and `0251.0376.1` are
 * addresses to them (inet_aton). IPv4 in IPv6 is the IPv4 address.
 */
export function plainAddress(host: string): string | undefined {
  const zoneless = host.split('%')[0] ?? host;
  if (isIP(zoneless) === 6) {
    const plain = new URL(`http://[${zoneless}]`).hostname.slice(1, -1);
    const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(plain);
    if (mapped === null) return plain;
    return ipv4Of([mapped[1] ?? '', mapped[2] ?? '']);
  }
  const parts = zoneless.split('.');
  if (parts.length > 4) return undefined;
  const numbers = parts.map(numberOf);
  if (numbers.some((each) => each === undefined)) return undefined;
  const last = numbers.at(-1) ?? 0;
  if (last >= 256 ** (5 - parts.length)) return undefined;
  let value = last;
  for (const [at, each] of numbers.slice(0, -1).entries()) {
    if ((each ?? 256) > 255) return undefined;
    value += (each ?? 0) * 256 ** (3 - at);
  }
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255]
    .map((each) => each >>> 0)
    .join('.');
}

function numberOf(part: string): number | undefined {
  if (/^0x[0-9a-f]{1,8}$/i.test(part)) return Number.parseInt(part, 16);
  if (/^0[0-7]{1,11}$/.test(part)) return Number.parseInt(part, 8);
  return /^(0|[1-9]\d{0,9})$/.test(part) ? Number(part) : undefined;
}
