import { useEffect, useState } from 'react';
import { durationText, secondsText } from '../../gateway-core/contract/measures.js';

export { bytesText, durationText, secondsText } from '../../gateway-core/contract/measures.js';

const secondMs = 1000;

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
