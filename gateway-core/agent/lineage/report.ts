import { delegationLimits, type Lineage, type ReportedProcess } from '../../contract/delegation.js';
import { type Ancestry, ancestorsOf, isChainUnchanged } from './ancestors.js';
import { type Attribution, failures } from './attribute.js';
import { factsOf, type ProcessFacts, type Recognise } from './facts.js';
import { lineageLimits } from './limits.js';
import { openProc, type Proc } from './proc.js';

/** What the gateway is told of an attribution: bounded, the processes nearest to the socket in most detail. */
export function reportOf(attribution: Attribution): Lineage {
  if (attribution.kind === 'unattributed') return { kind: 'unattributed', reason: attribution.reason };
  return bounded(attribution.bootId, attribution.processes);
}

/**
 * Who stands behind this process itself, for what it does on its own. Leaf: this process, as `name` if given. Undefined
 * where there is no look-up at all: whoever cannot be told although there is one must say so, or would pass for somebody
 * about whom there is nothing to tell.
 */
export function ownLineage(recognise: Recognise, name?: string): Lineage | undefined {
  return process.platform === 'linux' ? lineageIn(openProc(), process.pid, recognise, name) : undefined;
}

/** Who stands behind a process of this user. Leaf: that process. Undefined as for `ownLineage`. */
export function lineageOf(pid: number, recognise: Recognise): Lineage | undefined {
  return process.platform === 'linux' ? lineageIn(openProc(), pid, recognise) : undefined;
}

/** Leaf: that process, as `name` if given. */
export function lineageIn(proc: Proc, pid: number, recognise: Recognise, name?: string): Lineage | undefined {
  const bootId = proc.bootId();
  // Some systems show processes and no boot id: there is nothing to name them by, as where there is no look-up.
  if (bootId === undefined && proc.stat(pid) !== undefined) return undefined;
  if (bootId === undefined) return { kind: 'unattributed', reason: 'unreadable' };
  let reason: Exclude<Ancestry['kind'], 'chain'> = 'changed';
  for (let attempt = 1; attempt <= lineageLimits.attemptsMax; attempt++) {
    const ancestry = ancestorsOf(proc, pid);
    if (ancestry.kind !== 'chain') {
      reason = ancestry.kind;
      continue;
    }
    const facts = ancestry.chain.map((stat, index) =>
      factsOf(proc, index === 0 && name !== undefined ? { ...stat, name } : stat, recognise),
    );
    // What was read of somebody who ended meanwhile is nothing.
    if (isChainUnchanged(proc, ancestry.chain)) return bounded(bootId, facts);
    reason = 'changed';
  }
  return { kind: 'unattributed', reason: failures[reason].reason };
}

function bounded(bootId: string, facts: readonly ProcessFacts[]): Lineage {
  const processes = facts.slice(0, delegationLimits.processesMax).map(processOf);
  const lineage: Lineage = { kind: 'attributed', bootId, processes };
  // What is dropped first is what says least about the socket: command lines and paths of distant ancestors.
  for (const name of ['arguments', 'exe'] as const) {
    for (let at = processes.length - 1; at >= 0 && isTooLong(lineage); at -= 1) delete processes[at]?.[name];
  }
  return lineage;
}

const isTooLong = (lineage: Lineage): boolean =>
  Buffer.byteLength(JSON.stringify(lineage)) > delegationLimits.lineageBytesMax;

function processOf(facts: ProcessFacts): ReportedProcess {
  const agent = facts.agent?.slice(0, delegationLimits.labelCharactersMax);
  const words = facts.arguments
    .slice(0, delegationLimits.argumentsMax)
    .map((word) => word.slice(0, delegationLimits.argumentCharactersMax));
  const { delegation } = facts.markers;
  return {
    pid: facts.pid,
    startTicks: facts.startTicks,
    name: facts.name.slice(0, 256),
    ...(facts.exe === undefined ? {} : { exe: facts.exe.slice(0, 1024) }),
    ...(words.length === 0 ? {} : { arguments: words }),
    ...(agent === undefined || agent === '' ? {} : { agent }),
    ...(delegation === undefined ? {} : { claims: delegation as NonNullable<ReportedProcess['claims']> }),
  };
}
