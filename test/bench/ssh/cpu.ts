import { readFileSync } from 'node:fs';

export interface Pids {
  readonly gateway: number;
  readonly tunnel?: number;
}

/** Processor time, in seconds or in seconds a GB. */
export interface Cpu {
  readonly gateway?: number;
  readonly tunnel?: number;
}

/** Linux' USER_HZ: 100 for every program, whatever the kernel's own clock (time(7)). */
const ticksPerSecond = 100;

/** proc(5): user and system time of a process, seconds. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

function read(pids: Pids | undefined): Cpu {
  return {
    ...(pids === undefined ? {} : { gateway: cpuSeconds(pids.gateway) }),
    ...(pids?.tunnel === undefined ? {} : { tunnel: cpuSeconds(pids.tunnel) }),
  };
}

/** What is used between the call and the call of what it gives. */
export function watchCpu(pids: Pids | undefined): () => Cpu {
  const before = read(pids);
  return () => less(read(pids), before);
}

/** Of a transfer, less what `without` used: connecting alone. */
export function perGigabyte(all: Cpu, without: Cpu, megabytes: number): Cpu {
  const { gateway, tunnel } = less(all, without);
  const scaled = (seconds: number): number => (seconds * 1000) / megabytes;
  return {
    ...(gateway === undefined ? {} : { gateway: scaled(gateway) }),
    ...(tunnel === undefined ? {} : { tunnel: scaled(tunnel) }),
  };
}

function less(from: Cpu, what: Cpu): Cpu {
  return {
    ...(from.gateway === undefined ? {} : { gateway: from.gateway - (what.gateway ?? 0) }),
    ...(from.tunnel === undefined ? {} : { tunnel: from.tunnel - (what.tunnel ?? 0) }),
  };
}
