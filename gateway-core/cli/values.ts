import { ThroughlineError } from '../contract/errors.js';

/** `500ms`, `30s`, `10m`, `2h` as milliseconds. @throws ThroughlineError usage */
export function parseDurationMs(text: string, flag: string): number {
  const [, number, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  const factor = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[unit ?? ''];
  if (number !== undefined && factor !== undefined) return Number(number) * factor;
  throw new ThroughlineError('usage', `${flag} takes a number and a unit: 30s, 10m or 2h`);
}

/** A whole number within bounds, both included. @throws ThroughlineError usage */
export function parseWhole(text: string, flag: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new ThroughlineError('usage', `${flag} takes a whole number from ${min} to ${max}`);
}

/** `HOST:PORT`, `[v6]:PORT`. Port 0 means any. @throws ThroughlineError usage */
export function parseEndpoint(text: string, flag: string): { host: string; port: number } {
  const [, v6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  if (host !== undefined && port !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new ThroughlineError('usage', `${flag} takes HOST:PORT, for example 127.0.0.1:7443`);
}

/** An RFC 3339 time as this machine's wall clock: `2026-11-20 13:00:05`. */
export function localTime(timestamp: string): string {
  const date = new Date(timestamp);
  if (Number.isNaN(date.getTime())) return timestamp;
  const pad = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

/** `840 ms`, `12.5 s`, `3 min 20 s`, `2 h 5 min`. */
export function humanDuration(durationMs: number): string {
  if (durationMs < 1000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  const seconds = Math.round(durationMs / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `1 statement`, `2 statements`. */
export function counted(count: number, noun: string, many = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : many}`;
}
