import { api } from '../../agent/client/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { argument, type Run, withGateway } from '../context.js';
import { print, printJson } from '../output.js';
import { counted } from '../values.js';

export const run: Run = (context, input) => {
  const reason = input.text('reason')?.trim() ?? '';
  if (reason === '') throw new ThroughlineError('usage', '--reason needs a text: it goes into the audit log');
  return withGateway(context, input, async (gateway) => {
    const { ended } = await api.revokeSession(gateway, argument(input), reason);
    if (context.json) return printJson(context.stdout, { ended });
    print(
      context.stdout,
      ended.length === 0 ? 'It had ended before.' : `Ended ${counted(ended.length, 'session')}:`,
    );
    for (const id of ended) print(context.stdout, `  ${id}`);
  });
};
