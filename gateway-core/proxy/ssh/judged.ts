import type { Appended, Decision } from '../../contract/decision.js';
import type { SshUse } from '../../contract/ssh.js';
import { decideUse, isFailure, type SshContext } from './context.js';
import type { Use } from './use.js';

type Allowed = Extract<Decision, { kind: 'allow' }>;

/** What is done, and what policy says of it. */
export interface Verdict {
  readonly action: SshUse['action'];
  readonly decision: Decision;
}

export function asked({ judge }: SshContext, use: SshUse): Verdict {
  return { action: use.action, decision: judge.decide(use) };
}

/** What opening the session has decided already: nothing of its own is asked about it. */
export function withinSession({ grounds }: SshContext, action: SshUse['action']): Verdict {
  return { action, decision: { kind: 'allow', grounds, masks: [] } };
}

/**
 * Writes down what was decided, and calls back once that is kept: `allowed` with what may leave, `denied` with
 * the line that the person reads. Neither is called when the journal could not keep it: the session ends then.
 */
export function judged(
  context: SshContext,
  input: Verdict & {
    readonly command: string;
    readonly text: string;
    /** A reason that no policy can lift. */
    readonly forbidden?: string | undefined;
    readonly allowed: (decision: Allowed, appended: Appended, use: Use) => void;
    readonly denied: (line: string) => void;
  },
): void {
  const { action, decision, command, text, forbidden } = input;
  const allowed = forbidden === undefined && decision.kind === 'allow' ? decision : undefined;
  const message = forbidden ?? (decision.kind === 'allow' ? '' : decision.message);
  let begun: Use | undefined;
  begun = decideUse(
    context,
    {
      decision: allowed === undefined ? 'denied' : 'allowed',
      grounds: decision.grounds,
      action,
      command,
      text,
      message: allowed === undefined ? message : undefined,
    },
    (result) => {
      if (isFailure(result)) {
        context.fail('not-recordable', result.message);
        return;
      }
      if (context.isOver()) {
        // What was refused never began.
        if (allowed !== undefined) begun?.end({ state: 'interrupted' });
        return;
      }
      context.guarded(() => {
        if (allowed === undefined || begun === undefined) input.denied(lineOf(decision, message));
        else input.allowed(allowed, result, begun);
      });
    },
  );
}

/** What the person reads: why, which policy says so, and what would change it. */
function lineOf(decision: Decision, message: string): string {
  const { policies, policyVersion } = decision.grounds;
  const named = policies.length === 0 ? '' : ` (policy ${policies.join(', ')}, version ${policyVersion})`;
  const then =
    decision.kind === 'deny'
      ? `; ${decision.action}`
      : decision.kind === 'hold'
        ? `; ask a member of ${decision.approvers.join(' or ')}`
        : '';
  return `throughline: denied: ${message}${named}${then}`;
}
