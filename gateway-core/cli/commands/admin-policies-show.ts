import { api } from '../../agent/client/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { type Run, withGateway } from '../context.js';
import { printDocument, printJson } from '../output.js';

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const [inForce] = await api.policies(gateway);
    if (inForce === undefined) {
      throw new ThroughlineError('not-found', 'no policies were put yet', {
        action: 'put some: throughline admin policies put FILE',
      });
    }
    if (context.json) return printJson(context.stdout, inForce);
    printDocument(context.stdout, inForce.text);
  });
