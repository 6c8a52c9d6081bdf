import type { RevokeResponse } from '../../../gateway-core/contract/api.js';
import type { Assurance, HopKind } from '../../../gateway-core/contract/chain.js';
import type { AgentNode } from '../../../gateway-core/contract/delegation.js';
import type { Ends } from './tree.js';

/** What each way of knowing means for who relies on it. */
export const assuranceWords: Readonly<Record<Assurance, string>> = {
  proven: 'It signs with a key of its own. Nobody without the key can act as it.',
  issued: 'The gateway gave it a handle. Whoever holds the handle acts as it.',
  observed: 'The operating system showed which process this is and who started it.',
  claimed: 'Only its own word says so. It can narrow what is allowed, never widen it.',
};

export const kindWords: Readonly<Record<HopKind, string>> = {
  person: 'person',
  workload: 'workload',
  agent: 'agent',
  process: 'program',
};

export const stateWords: Readonly<Record<AgentNode['state'], string>> = {
  active: 'active',
  idle: 'idle',
  ended: 'ended',
};

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString()} ${count === 1 ? one : many}`;

/** `3 sub-agents and programs`, `1 sub-agent`, `2 programs`; empty for nothing. */
export function belowWords({ agents, programs }: Ends): string {
  if (agents === 0) return programs === 0 ? '' : counted(programs, 'program');
  if (programs === 0) return counted(agents, 'sub-agent');
  return `${(agents + programs).toLocaleString()} sub-agents and programs`;
}

export interface RevokeWords {
  readonly title: string;
  readonly text: string;
}

/** What the dialog says: everything that ends, by number and name. `own`: the person who asks is the one it is about. */
export function revokeWords(node: AgentNode, person: string, ends: Ends, own: boolean): RevokeWords {
  const below = belowWords(ends);
  const clients = clientsWords(ends);
  if (node.kind === 'person' || node.kind === 'workload') {
    const all = below === '' ? '' : ` of ${below}`;
    const again = own ? 'You are signed out, here too.' : `${node.name} is signed out everywhere.`;
    return {
      title: `Revoke everything of ${node.name}`,
      text: `Ends ${counted(ends.sessions, 'session')}${all}, and every sign-in, at once. ${again} ${clients}`,
    };
  }
  const what = `${kindWords[node.kind]} ${node.name}`;
  const self = node.kind === 'agent' ? `the ${what} of ${person}` : `the ${what}`;
  const sessions = counted(ends.sessions, 'session');
  const text =
    below === ''
      ? ends.sessions === 0
        ? `Ends ${self} at once; it has no session now.`
        : `Ends ${sessions} of ${self}, and ${node.name} itself, at once.`
      : `Ends ${sessions} of ${below}, and ${self} itself, at once.`;
  return { title: `Revoke ${what}`, text: `${text} ${clients}` };
}

/** The same for many that look alike, which end together. */
export function revokeAllWords(
  members: readonly [AgentNode, ...AgentNode[]],
  person: string,
  ends: Ends,
): RevokeWords {
  const [{ kind, name }] = members;
  const what = `${counted(members.length, kindWords[kind])} ${name}`;
  const below = belowWords(ends);
  const sessions = counted(ends.sessions, 'session');
  return {
    title: `Revoke ${what}`,
    text:
      `Ends ${sessions} of ${what} of ${person}${below === '' ? '' : `, and ${below} below them`}, at once. ` +
      clientsWords(ends),
  };
}

const clientsWords = ({ sessions }: Ends): string =>
  sessions === 0
    ? 'The reason goes into the audit log.'
    : 'Clients get a clear error, open transactions are rolled back, and the reason goes into the audit log.';

/** What really ended, as the gateway tells it. */
export function endedWords({ ended, delegations, signIns }: RevokeResponse): string {
  const parts = [counted(ended.length, 'session')];
  if (delegations !== undefined && delegations.length > 0) parts.push(counted(delegations.length, 'agent'));
  if (signIns !== undefined && signIns > 0) parts.push(counted(signIns, 'sign-in'));
  return `${parts.length === 1 ? parts[0] : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`} ended.`;
}
