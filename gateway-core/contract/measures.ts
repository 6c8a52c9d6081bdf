/** How long and how much, in words: the same in every seat. Pure. */
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
