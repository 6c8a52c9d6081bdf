import { ThroughlineError } from '../../contract/errors.js';
import { completionScript } from '../completion-scripts.js';
import { argument, type Run } from '../context.js';

export const run: Run = async (context, input) => {
  const shell = argument(input);
  const script = completionScript(shell);
  if (script === undefined) throw new ThroughlineError('usage', 'completion takes bash, zsh or fish');
  context.stdout.write(script);
};
