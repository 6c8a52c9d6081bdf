import { api } from '../../agent/client/api.js';
import type { VerifyReport } from '../../contract/api.js';
import { errorCodes } from '../../contract/errors.js';
import { type Context, type Input, type Run, withGateway } from '../context.js';
import { loadServer } from '../gateway-server.js';
import { dim, green, print, printJson, red } from '../output.js';

export const run: Run = async (context, input) => {
  const report = await reportOf(context, input);
  if (context.json) printJson(context.stdout, report);
  else printReport(context, report);
  return report.ok ? 0 : errorCodes['verification-failed'].exit;
};

async function reportOf(context: Context, input: Input): Promise<VerifyReport> {
  const dataDir = input.text('data');
  if (dataDir === undefined) return withGateway(context, input, (gateway) => api.verifyLog(gateway));
  const server = context.server ?? (await loadServer({ threads: false }));
  return server.verifyLog({ dataDir });
}

function printReport({ stdout }: Context, report: VerifyReport): void {
  const { ok, entries, sessions, proved, problems, keyFingerprint } = report;
  const size = `${entries ?? 0} entries, ${sessions ?? 0} sessions`;
  print(stdout, ok ? green('The audit log holds') : red('The audit log does not hold'), `: ${size}`);
  for (const line of proved) print(stdout, `  proved: ${line}`);
  for (const { code, where, message } of problems)
    print(stdout, red(`  ${code}`), ` at ${where}: ${message}`);
  print(stdout, dim(`  key ${keyFingerprint}`));
}
