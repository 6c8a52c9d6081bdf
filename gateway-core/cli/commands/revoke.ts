import { api } from '../../agent/client/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { argument, type Run, withGateway } from '../context.js';
import { print, printJson } from '../output.js';
import { counted } from '../values.js';

/** Ends a session, a node of the agent tree, a device or a person, with everything below. */
const revoking =
  (kind: 'session' | 'agent' | 'device' | 'principal'): Run =>
  (context, input) => {
    const reason = input.text('reason')?.trim() ?? '';
    if (reason === '')
      throw new ThroughlineError('usage', '--reason needs a text: it goes into the audit log');
    return withGateway(context, input, async (gateway) => {
      const [id, ...more] = [argument(input), ...input.arguments.slice(1)];
      const answer = await api.revoke(
        gateway,
        more.length === 0 ? { kind, id, reason } : { kind: 'agents', ids: [id, ...more], reason },
      );
      if (context.json) return printJson(context.stdout, answer);
      const { ended, delegations = [], signIns = 0 } = answer;
      const parts = [
        counted(ended.length, 'session'),
        ...(delegations.length === 0 ? [] : [counted(delegations.length, 'delegation')]),
        ...(signIns === 0 ? [] : [counted(signIns, 'sign-in')]),
      ];
      print(context.stdout, `Ended ${parts.join(', ')}${ended.length === 0 ? '.' : ':'}`);
      for (const each of ended) print(context.stdout, `  ${each}`);
    });
  };

export const revokeSession = { run: revoking('session') };
export const revokeAgent = { run: revoking('agent') };
export const revokeDevice = { run: revoking('device') };
export const revokePrincipal = { run: revoking('principal') };
