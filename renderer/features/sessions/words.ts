import type { SessionView } from '../../../gateway-core/contract/api.js';

/** Why a session ended, in a word or two. */
export const causes: Readonly<Record<NonNullable<SessionView['endCause']>, string>> = {
  client: 'ended by its client',
  target: 'ended by the target',
  revoked: 'revoked',
  expired: 'expired',
  orphaned: 'orphaned',
  idle: 'ended idle',
  fault: 'ended by a fault',
  'gateway-restart': 'cut by a gateway restart',
};

export const viaWords: Readonly<Record<SessionView['via'], string>> = {
  tunnel: 'through a tunnel',
  native: 'at the native listener',
};

/** Whether a session matches what was typed: any word of it may stand anywhere in the line, the connection or the id. */
export function matches(session: SessionView, words: readonly string[]): boolean {
  if (words.length === 0) return true;
  const text = [
    session.id,
    session.connection,
    session.principal,
    session.application ?? '',
    session.endCause ?? '',
  ]
    .concat(session.chain.map((hop) => hop.name))
    .join(' ')
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

export const wordsOf = (text: string): readonly string[] =>
  text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
