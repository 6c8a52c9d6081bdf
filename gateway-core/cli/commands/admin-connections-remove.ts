import { api } from '../../agent/client/api.js';
import { argument, type Run, withGateway } from '../context.js';
import { print, printJson } from '../output.js';

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const name = argument(input);
    await api.removeConnection(gateway, name);
    if (context.json) return printJson(context.stdout, { removed: name });
    print(context.stdout, `Removed ${name}, its credential with it.`);
  });
