import { api } from '../../agent/client/api.js';
import { readConnectionsFile } from '../connections-file.js';
import { argument, type Run, withGateway } from '../context.js';
import { print, printJson } from '../output.js';

export const run: Run = async (context, input) => {
  // Read and checked before the gateway is asked: a wrong file is told without a sign-in.
  const connections = await readConnectionsFile(context, argument(input));
  return withGateway(context, input, async (gateway) => {
    const result = await api.putConnections(gateway, connections);
    if (context.json) return printJson(context.stdout, result);
    for (const [word, names] of Object.entries(result)) {
      if (names.length > 0) print(context.stdout, `${word}: ${names.join(', ')}`);
    }
  });
};
