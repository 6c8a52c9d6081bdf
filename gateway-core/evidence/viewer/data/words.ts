import type { SessionView } from '../../../contract/api.js';
import type { Assurance, HopKind } from '../../../contract/chain.js';
import type { Corroboration } from '../../../contract/corroboration.js';
import type { AuditEvent, StatementDecision } from '../../../contract/events.js';

export const assuranceWords: Readonly<Record<Assurance, { readonly word: string; readonly how: string }>> = {
  proven: { word: 'proven', how: 'proven by a key' },
  issued: { word: 'issued', how: 'issued by the gateway as a handle' },
  observed: { word: 'observed', how: 'observed by the operating system' },
  claimed: { word: 'claimed', how: 'claimed by itself only' },
};

export const hopWords: Readonly<Record<HopKind, string>> = {
  person: 'person',
  workload: 'workload',
  agent: 'agent',
  process: 'process',
};

export type Tone = 'quiet' | 'good' | 'bad' | 'wait';

export const decisionWords: Readonly<
  Record<StatementDecision, { readonly word: string; readonly tone: Tone }>
> = {
  allowed: { word: 'allowed', tone: 'quiet' },
  approved: { word: 'approved', tone: 'good' },
  denied: { word: 'denied', tone: 'bad' },
  refused: { word: 'refused', tone: 'bad' },
  held: { word: 'held', tone: 'wait' },
  'timed-out': { word: 'timed out', tone: 'bad' },
  interrupted: { word: 'interrupted', tone: 'wait' },
};

export const corroborationWords: Readonly<
  Record<Corroboration | 'unknown', { readonly word: string; readonly tone: Tone; readonly says: string }>
> = {
  corroborated: {
    word: 'corroborated',
    tone: 'good',
    says: 'the desktop’s own record says the same as the gateway’s',
  },
  'gateway-only': {
    word: 'gateway only',
    tone: 'quiet',
    says: 'there is no desktop’s record to hold against the gateway’s',
  },
  'desktop-only': { word: 'desktop only', tone: 'bad', says: 'the gateway knows of no such session' },
  different: { word: 'different', tone: 'bad', says: 'the two records differ: both are kept' },
  pending: {
    word: 'pending',
    tone: 'wait',
    says: 'the desktop’s record had not come when this was exported',
  },
  unknown: { word: 'not compared', tone: 'quiet', says: 'nothing is said about a desktop’s record' },
};

export const endWords: Readonly<Record<NonNullable<SessionView['endCause']>, string>> = {
  client: 'ended by its client',
  target: 'ended by the target',
  revoked: 'revoked',
  expired: 'expired',
  orphaned: 'orphaned',
  idle: 'ended idle',
  fault: 'ended by a fault',
  'gateway-restart': 'cut by a gateway restart',
};

/** What an event outside of statements says, in one line. Its own text follows after a colon. */
export function eventSentence(event: AuditEvent): string {
  switch (event.kind) {
    case 'gateway.started':
      return `gateway started, version ${event.version}${event.demo ? ', as a demo' : ''}`;
    case 'gateway.stopped':
      return 'gateway stopped';
    case 'identity.signed-in':
      return `${event.principal} signed in (${event.method})`;
    case 'identity.signed-out':
      return `${event.principal} signed out: ${event.cause}`;
    case 'identity.refused':
      return `sign-in refused: ${event.reason}`;
    case 'identity.withdrawn':
      return `${event.provider} took back its word for ${event.principal} (${event.cause}): ${event.reason}`;
    case 'identity.groups-changed':
      return `${event.principal} is now in ${event.groups.join(', ')}; before: ${event.before.join(', ')}`;
    case 'identity.provider':
      return `${event.provider} is ${event.state}${event.code === undefined ? '' : `: ${event.code}`}`;
    case 'handle.issued':
      return `handle for ${event.connection} issued to ${event.principal}`;
    case 'ssh-key.registered':
      return `SSH key ${event.fingerprint} of a device of ${event.principal} registered for ${event.connection}`;
    case 'ssh-key.removed':
      return `SSH key ${event.fingerprint} of a device of ${event.principal} removed`;
    case 'ssh-key.used':
      return `${event.principal} came to ${event.connection} with the SSH key ${event.fingerprint}`;
    case 'delegation.minted':
      return `delegation: ${namesOf(event.chain)}${event.purpose === undefined ? '' : `, for: ${event.purpose}`}`;
    case 'delegation.ended':
      return `delegation ended: ${event.cause}${event.reason === undefined ? '' : `, ${event.reason}`}`;
    case 'actor.revoked':
      return `${event.what} ${event.id} revoked by ${namesOf(event.by)}: ${event.reason}`;
    case 'credential.misused':
      return `credential misused (${event.misuse}): ${namesOf(event.chain)}, ${event.verdict}`;
    case 'session.started':
      return `session started: ${namesOf(event.chain)} → ${event.connection}`;
    case 'session.refused':
      return `session refused on ${event.connection}: ${event.reason}`;
    case 'session.unopened':
      return `a desktop was let in and opened no session (${event.why}): ${namesOf(event.chain)} → ${event.connection}`;
    case 'session.ended':
      return `session ${endWords[event.endCause]}${event.reason === undefined ? '' : `: ${event.reason}`}`;
    case 'session.compared':
      return `records compared: ${corroborationWords[event.verdict].word}${
        event.difference === undefined ? '' : `, ${event.difference}`
      }`;
    case 'session.revoked':
      return `session revoked by ${namesOf(event.by)}: ${event.reason}`;
    case 'session.watched':
      return `watched from here on by ${namesOf(event.by)}`;
    case 'session.unwatched':
      return `no longer watched by ${namesOf(event.by)} (${event.why})`;
    case 'spool.refused':
      return `a desktop’s upload was refused (${event.code}): ${event.reason}`;
    case 'log.disputed':
      return `a desktop disputes this log: ${event.why}`;
    case 'evidence.exported':
      return `evidence exported by ${namesOf(event.by)}${event.reason === undefined ? '' : `, for: ${event.reason}`}`;
    case 'statement.decided':
      return `statement ${event.seq} ${decisionWords[event.decision].word}`;
    case 'statement.ended':
      return `statement ${event.seq} ended: ${event.state}`;
    case 'recording.sealed':
      return `recording, segment ${event.segment} sealed: ${event.bytes} bytes`;
    case 'recordings.removed':
      return `retention removed ${event.segments} segments of recordings from before ${event.before}`;
    case 'connection.put':
      return `connection ${event.connection} set by ${event.by}`;
    case 'connection.removed':
      return `connection ${event.connection} removed by ${event.by}`;
    case 'target.pinned':
      return `first contact with the target of ${event.connection}: host key ${event.fingerprint}`;
    case 'target.unknown-key':
      return `the target of ${event.connection} had a host key that is not known: ${event.fingerprint}`;
    case 'policy.put':
      return `policies set by ${event.by}: version ${event.policyVersion}`;
    case 'record.read':
      return `${event.what} by ${event.by}${event.query === undefined ? '' : `: ${event.query}`}`;
  }
}

const namesOf = (chain: readonly { readonly name: string }[]): string =>
  chain.map(({ name }) => name).join(' › ');
