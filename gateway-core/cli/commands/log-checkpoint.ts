import { api } from '../../agent/client/api.js';
import { type Run, withGateway } from '../context.js';
import { printDocument, printJson } from '../output.js';

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway) => {
    const checkpoint = await api.checkpoint(gateway);
    if (!context.json) return printDocument(context.stdout, checkpoint);
    // C2SP tlog-checkpoint: origin, size, root hash, then extensions and signatures.
    const [origin, size, rootHash] = checkpoint.split('\n');
    printJson(context.stdout, { origin, size: Number(size), rootHash, checkpoint });
  });
