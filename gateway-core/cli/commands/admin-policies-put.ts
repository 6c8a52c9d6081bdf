import { api } from '../../agent/client/api.js';
import { argument, type Run, withGateway } from '../context.js';
import { readInputFile } from '../files.js';
import { bold, print, printJson } from '../output.js';
import { counted } from '../values.js';

export const run: Run = async (context, input) => {
  const text = await readInputFile(context, argument(input));
  return withGateway(context, input, async (gateway) => {
    const result = await api.putPolicies(gateway, text);
    if (context.json) return printJson(context.stdout, result);
    const before = result.previous === undefined ? '' : `, before: ${result.previous}`;
    print(
      context.stdout,
      'In force: ',
      bold(result.version),
      `${before} (${counted(result.policies.length, 'policy').replace('policys', 'policies')})`,
    );
  });
};
