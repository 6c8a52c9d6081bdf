import { handlePattern } from '../../contract/delegation.js';
import { ThroughlineError } from '../../contract/errors.js';
import { DelegationId } from '../../contract/ids.js';

/** How a delegation comes down to a program that this one starts. */
export const delegationVariables = {
  id: 'THROUGHLINE_DELEGATION',
  handle: 'THROUGHLINE_HANDLE',
  gateway: 'THROUGHLINE_GATEWAY',
} as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** What a parent has put into the environment. */
export interface InheritedDelegation {
  readonly id: DelegationId;
  readonly handle: string;
}

/** Undefined where nothing is inherited. @throws ThroughlineError usage, when it is there but damaged */
export function inheritedDelegation(env: Environment): InheritedDelegation | undefined {
  const [id, handle] = [env[delegationVariables.id] ?? '', env[delegationVariables.handle] ?? ''];
  if (id === '' || handle === '') return undefined;
  const parsed = DelegationId.safeParse(id);
  if (parsed.success && handlePattern.test(handle)) return { id: parsed.data, handle };
  throw new ThroughlineError('usage', 'the delegation in the environment is damaged', {
    action: `unset ${delegationVariables.id} and ${delegationVariables.handle}, or start again below \`throughline run\``,
  });
}
