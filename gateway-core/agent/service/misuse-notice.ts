import type { LiveItem } from '../../contract/api.js';
import type { EventPayload } from '../../contract/bridge/calls.js';

type Misuse = Extract<LiveItem, { kind: 'misuse' }>;

const happened: Readonly<Record<Misuse['misuse'], string>> = {
  shared: 'A process that it was not given to used its credential.',
  inherited: 'A sub-agent used the credential of the agent above it.',
  'other-device': 'Its credential came with the key of another device.',
  overlapping: 'Its handle was used from two addresses at once.',
};

/** What a person is told when a credential of one of their agents turns up elsewhere. */
export function misuseNotice({ misuse, chain, verdict, delegation }: Misuse): EventPayload<'notice'> {
  const agent = chain.find(({ id }) => id === delegation)?.name ?? delegation;
  const end =
    verdict === 'denied'
      ? 'It was refused.'
      : 'It was let in as whoever used it: look at the line of the session.';
  return {
    level: 'warning',
    title: `A credential of ${agent} was misused`,
    text: `${happened[misuse]} ${end} ${chain[0].name}: revoke ${agent} if you do not know why.`,
  };
}
