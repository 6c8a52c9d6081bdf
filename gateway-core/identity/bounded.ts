import { isIPv6 } from 'node:net';
import { identityLimits } from './limits.js';

/** Milliseconds since 1970. */
export type Clock = () => number;

/**
 * A map whose entries all live equally long, with a bound. When it is full of live entries, `refuse` makes `set`
 * answer false, and `evict` drops the oldest.
 */
export class ExpiringMap<V> {
  private readonly entries = new Map<string, { readonly value: V; readonly expiresAtMs: number }>();
  private readonly clock: Clock;
  private readonly ttlMs: number;
  private readonly entriesMax: number;
  private readonly whenFull: 'refuse' | 'evict';

  constructor(options: { clock: Clock; ttlMs: number; entriesMax: number; whenFull: 'refuse' | 'evict' }) {
    this.clock = options.clock;
    this.ttlMs = options.ttlMs;
    this.entriesMax = options.entriesMax;
    this.whenFull = options.whenFull;
  }

  set(key: string, value: V): boolean {
    this.sweep();
    this.entries.delete(key);
    if (this.entries.size >= this.entriesMax) {
      if (this.whenFull === 'refuse') return false;
      const oldest = this.entries.keys().next();
      if (oldest.done !== true) this.entries.delete(oldest.value);
    }
    this.entries.set(key, { value, expiresAtMs: this.clock() + this.ttlMs });
    return true;
  }

  get(key: string): V | undefined {
    const entry = this.entries.get(key);
    return entry !== undefined && entry.expiresAtMs > this.clock() ? entry.value : undefined;
  }

  /** The value, and nobody gets it again. */
  take(key: string): V | undefined {
    const value = this.get(key);
    this.entries.delete(key);
    return value;
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  /** Insertion order is expiry order: the sweep stops at the first live entry. */
  private sweep(): void {
    const now = this.clock();
    for (const [key, entry] of this.entries) {
      if (entry.expiresAtMs > now) return;
      this.entries.delete(key);
    }
  }
}

interface Bucket {
  tokens: number;
  atMs: number;
}

const overflow = 'overflow';

/** Token buckets by remote address, bounded: addresses beyond the bound share one bucket. */
export class TokenBuckets {
  private readonly buckets = new Map<string, Bucket>();
  private readonly clock: Clock;
  private readonly burst: number;
  private readonly perSecond: number;
  private sweptAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, rate: { readonly burst: number; readonly perSecond: number }) {
    this.clock = clock;
    this.burst = rate.burst;
    this.perSecond = rate.perSecond;
  }

  /** True when one more is allowed now. */
  take(remoteAddress: string): boolean {
    const bucket = this.bucketOf(addressKey(remoteAddress));
    this.refill(bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  private bucketOf(key: string): Bucket {
    const known = this.buckets.get(key);
    if (known !== undefined) return known;
    if (this.buckets.size >= identityLimits.addressesMax) this.sweep();
    const full = this.buckets.size >= identityLimits.addressesMax;
    const shared = full ? this.buckets.get(overflow) : undefined;
    if (shared !== undefined) return shared;
    const fresh = { tokens: this.burst, atMs: this.clock() };
    this.buckets.set(full ? overflow : key, fresh);
    return fresh;
  }

  private refill(bucket: Bucket): void {
    const now = this.clock();
    const gained = (Math.max(0, now - bucket.atMs) / 1000) * this.perSecond;
    bucket.tokens = Math.min(this.burst, bucket.tokens + gained);
    bucket.atMs = now;
  }

  private sweep(): void {
    const now = this.clock();
    if (now - this.sweptAtMs < 1000) return;
    this.sweptAtMs = now;
    for (const [key, bucket] of this.buckets) {
      this.refill(bucket);
      if (bucket.tokens >= this.burst) this.buckets.delete(key);
    }
  }
}

/** One IPv4 address, or the /64 of an IPv6 one: a single host owns a whole /64. */
function addressKey(remoteAddress: string): string {
  const address = unmapped(remoteAddress);
  if (!isIPv6(address)) return address.slice(0, 64);
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array<string>(zeros).fill('0'), ...last];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/** `::ffff:127.0.0.1` is how a dual-stack listener names an IPv4 peer. */
function unmapped(address: string): string {
  return /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(address)?.[1] ?? address;
}

/** A peer address of this machine. Take it from the socket, never from a header. */
export function isLoopbackAddress(remoteAddress: string): boolean {
  const address = unmapped(remoteAddress);
  return address === '::1' || /^127(?:\.\d{1,3}){3}$/.test(address);
}

/** The host of a URL (as `URL.hostname` gives it) that never leaves this machine. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** A whole body, or undefined when it is larger; then the rest is not read. */
export async function bodyWithin(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
