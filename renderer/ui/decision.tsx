import {
  IconAlertTriangle,
  IconBan,
  IconCheck,
  IconClockPause,
  IconPlayerStop,
  IconUserCheck,
  IconUserX,
} from '@tabler/icons-react';
import type { StatementView } from '../../gateway-core/contract/api.js';
import style from './decision.module.css';

type Decision = StatementView['decision'];

/** Each has a word, an icon and a tone: colour is never the only sign. */
export const decisions: Readonly<
  Record<Decision, { readonly word: string; readonly icon: typeof IconCheck; readonly tone: string }>
> = {
  allowed: { word: 'allowed', icon: IconCheck, tone: 'quiet' },
  approved: { word: 'approved', icon: IconUserCheck, tone: 'good' },
  denied: { word: 'denied', icon: IconBan, tone: 'bad' },
  refused: { word: 'refused', icon: IconUserX, tone: 'bad' },
  held: { word: 'held', icon: IconClockPause, tone: 'wait' },
  'timed-out': { word: 'timed out', icon: IconAlertTriangle, tone: 'bad' },
  interrupted: { word: 'interrupted', icon: IconPlayerStop, tone: 'wait' },
};

/** A decision as a mark: the icon alone where room is scarce, its word for those who do not see it. */
export function DecisionMark({ decision, bare }: { readonly decision: Decision; readonly bare?: boolean }) {
  const { word, icon: Icon, tone } = decisions[decision];
  return (
    <span className={style['decision']} data-tone={tone} title={word}>
      <Icon size={14} stroke={2} aria-hidden />
      <span className={bare === true ? style['hidden'] : undefined}>{word}</span>
    </span>
  );
}
