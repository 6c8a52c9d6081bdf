import { useEffect, useState } from 'react';

const secondMs = 1000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** `340 ms`, `2.4 s`, `3 min 20 s`, `5 h 12 min`, `3 d 4 h`: two units at most. */
export function durationText(ms: number): string {
  if (!Number.isFinite(ms)) return '';
  const value = Math.max(0, ms);
  if (value < 1) return value === 0 ? '0 ms' : '< 1 ms';
  if (value < secondMs) return `${Math.round(value)} ms`;
  if (value < minuteMs) return `${(Math.floor(value / 100) / 10).toFixed(1)} s`;
  if (value < hourMs) return two(value, minuteMs, 'min', secondMs, 's');
  if (value < dayMs) return two(value, hourMs, 'h', minuteMs, 'min');
  return two(value, dayMs, 'd', hourMs, 'h');
}

function two(ms: number, large: number, largeName: string, small: number, smallName: string): string {
  const count = Math.floor(ms / large);
  const rest = Math.floor((ms % large) / small);
  return rest === 0 ? `${count} ${largeName}` : `${count} ${largeName} ${rest} ${smallName}`;
}

/** The same without tenths: for what runs, tenths of a second that are never the same again are noise. */
export function secondsText(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / secondMs);
  return seconds < minuteMs / secondMs ? `${seconds} s` : durationText(seconds * secondMs);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(undefined, { year: 'numeric', month: 'short', day: 'numeric' });
const weekday = new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' });

/** Local time; UTC stands in the tooltip. `short`: the clock alone for today, the day alone for older ones. */
export function Time({ at, short }: { readonly at: string; readonly short?: boolean }) {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return null;
  const today = date.toDateString() === new Date().toDateString();
  const text = short === true ? (today ? clock.format(date) : weekday.format(date)) : whole(date, today);
  return (
    <time dateTime={at} title={`${at.replace('T', ' ').replace('Z', '')} UTC`}>
      {text}
    </time>
  );
}

function whole(date: Date, today: boolean): string {
  return today ? clock.format(date) : `${day.format(date)} ${clock.format(date)}`;
}

export function Duration({ ms }: { readonly ms: number }) {
  return <span title={`${ms.toLocaleString()} ms`}>{durationText(ms)}</span>;
}

/** How long something took, or has taken so far. */
export function Lasting({ from, to }: { readonly from: string; readonly to?: string }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (to !== undefined) return undefined;
    const timer = setInterval(() => setNow(Date.now()), secondMs);
    return () => clearInterval(timer);
  }, [to]);
  const ms = (to === undefined ? now : Date.parse(to)) - Date.parse(from);
  return <span>{to === undefined ? secondsText(ms) : durationText(ms)}</span>;
}

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** `1.4 MB`, in steps of 1,000. */
export function bytesText(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit] ?? ''}`;
}
