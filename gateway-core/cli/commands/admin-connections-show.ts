import { stringify } from 'yaml';
import { api } from '../../agent/client/api.js';
import { argument, type Run, withGateway } from '../context.js';
import { printBlock, printJson } from '../output.js';

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const connection = await api.adminConnection(gateway, argument(input));
    if (context.json) return printJson(context.stdout, connection);
    printBlock(context.stdout, stringify(connection));
  });
