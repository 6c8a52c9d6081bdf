import {
  IconArrowNarrowRight,
  IconDatabase,
  IconRobot,
  IconServerCog,
  IconTerminal2,
  IconUser,
} from '@tabler/icons-react';
import type { Assurance, Hop, HopKind } from '../../gateway-core/contract/chain.js';
import { VisibleText, visibleText } from './visible-text.js';

export const hopKinds: Readonly<Record<HopKind, { readonly icon: typeof IconUser; readonly word: string }>> =
  {
    person: { icon: IconUser, word: 'person' },
    workload: { icon: IconServerCog, word: 'workload' },
    agent: { icon: IconRobot, word: 'agent' },
    process: { icon: IconTerminal2, word: 'process' },
  };

/** One visual language everywhere: the form of the line says it, colour only repeats it. */
export const assurances: Readonly<Record<Assurance, string>> = {
  proven: 'proven by a key',
  issued: 'issued by the gateway as a handle',
  observed: 'observed by the operating system',
  claimed: 'claimed by itself only',
};

/**
 * The line: who acts, from the person at its root to the connection at its end, with how each hop is known. Inner hops
 * give way first when there is little room.
 */
export function Line({
  chain,
  connection,
  onPick,
}: {
  readonly chain: readonly Hop[];
  readonly connection?: string;
  readonly onPick?: (hop: Hop) => void;
}) {
  const spoken = chain.map((hop) => `${hopKinds[hop.kind].word} ${hop.name}, ${assurances[hop.assurance]}`);
  const label = `${spoken.join(', then ')}${connection === undefined ? '' : `, on ${connection}`}`;
  return (
    <span className="tl-line" role="group" aria-label={visibleText(label)}>
      {chain.map((hop, index) => (
        <Link key={hop.id} hop={hop} first={index === 0} {...(onPick === undefined ? {} : { onPick })} />
      ))}
      {connection !== undefined && (
        <span className="tl-hop" data-end>
          <IconArrowNarrowRight size={14} stroke={1.8} aria-hidden />
          <IconDatabase size={13} stroke={1.8} aria-hidden />
          <span className="tl-hop-name">
            <VisibleText text={connection} />
          </span>
        </span>
      )}
    </span>
  );
}

function Link({
  hop,
  first,
  onPick,
}: {
  readonly hop: Hop;
  readonly first: boolean;
  readonly onPick?: (hop: Hop) => void;
}) {
  const { icon: Sign, word } = hopKinds[hop.kind];
  const title = `${word} ${visibleText(hop.name)}: ${assurances[hop.assurance]}`;
  const body = (
    <>
      <Sign size={13} stroke={1.8} aria-hidden />
      <span className="tl-hop-name">
        <VisibleText text={hop.name} />
      </span>
    </>
  );
  return (
    <span className="tl-hop" data-root={first ? '' : undefined}>
      {!first && <span className="tl-link" data-assurance={hop.assurance} aria-hidden />}
      {onPick === undefined ? (
        <span className="tl-hop-body" data-assurance={hop.assurance} title={title}>
          {body}
        </span>
      ) : (
        <button
          type="button"
          className="tl-hop-body"
          data-assurance={hop.assurance}
          title={title}
          onClick={() => onPick(hop)}
        >
          {body}
        </button>
      )}
    </span>
  );
}
