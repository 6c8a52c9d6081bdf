import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

/** Where nobody may forward to, whatever policy says: credentials of cloud machines, and the gateway itself. */
const linkLocal = new BlockList();
linkLocal.addSubnet('169.254.0.0', 16);
linkLocal.addSubnet('fe80::', 10, 'ipv6');
linkLocal.addSubnet('224.0.0.0', 4);
linkLocal.addSubnet('ff00::', 8, 'ipv6');
linkLocal.addAddress('fd00:ec2::254', 'ipv6');

/**
 * Why nobody may reach `host` through a target; undefined: policy decides. Names are resolved by the target, so only
 * what is written as an address can be known here.
 */
export function forbiddenHost(host: string, gatewayHosts: readonly string[]): string | undefined {
  const name = host
    .toLowerCase()
    .replace(/\.$/, '')
    .replaceAll(/^\[|\]$/g, '');
  const address = plainAddress(name);
  if (name === 'metadata.google.internal') return 'forwards to the metadata of a cloud are closed';
  if (gatewayHosts.some((each) => each.toLowerCase() === name))
    return 'forwards to the gateway itself are closed';
  if (address === undefined) return undefined;
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  if (linkLocal.check(address, family)) return 'forwards to link-local and multicast addresses are closed';
  return ownAddresses().has(address) ? 'forwards to the gateway itself are closed' : undefined;
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
    const [high, low] = [Number.parseInt(mapped[1] ?? '', 16), Number.parseInt(mapped[2] ?? '', 16)];
    return [high >> 8, high & 255, low >> 8, low & 255].join('.');
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
