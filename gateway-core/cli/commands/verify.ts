import { errorCodes } from '../../contract/errors.js';
import type { BundleReport } from '../../contract/evidence.js';
import { verifyBundle } from '../../evidence/verify/index.js';
import { inflate } from '../../evidence/zip/node.js';
import { withBundleFile } from '../bundle-file.js';
import { argument, type Context, type Run } from '../context.js';
import { readTextFile } from '../files.js';
import { dim, green, type Output, print, printJson, red, yellow } from '../output.js';
import { counted } from '../values.js';

export const run: Run = async (context, input) => {
  const file = argument(input);
  const key = input.text('key');
  const published = key === undefined ? undefined : await keyOf(key);
  const progress = progressOn(context.stderr);
  let report: BundleReport;
  try {
    report = await withBundleFile(file, input.text('identity'), (source) =>
      verifyBundle(source, { inflate, key: published, onProgress: progress.show }),
    );
  } finally {
    progress.end();
  }
  if (context.json) printJson(context.stdout, report);
  else printReport(context, file, report);
  return report.ok ? 0 : errorCodes['verification-failed'].exit;
};

/** A verifier key or a fingerprint has a form that no path has by accident; anything else is a file with one. */
async function keyOf(text: string): Promise<string> {
  const isKey = /^(?:[^+\s]+\+[0-9a-f]{8}\+[0-9A-Za-z+/=]{44}|sha256:[0-9a-f]{64})$/.test(text);
  return isKey ? text : readTextFile(text);
}

function printReport({ stdout }: Context, file: string, report: BundleReport): void {
  const { ok, entries, sessions, proved, notProved, problems, keyFingerprint, keyName, signedAt } = report;
  for (const { code, where, message } of problems) print(stdout, red(code), ` at ${where}: ${message}`);
  if (problems.length > 0) print(stdout, '');
  const size = `${counted(sessions, 'session')}, ${counted(entries, 'entry', 'entries')} of the audit log`;
  print(stdout, ok ? green(`${file} holds`) : red(`${file} does not hold`), `: ${size}`);
  for (const line of proved) print(stdout, green('  proved: '), line);
  for (const line of notProved) print(stdout, yellow('  not proved: '), line);
  if (keyFingerprint === '') return;
  print(stdout, dim(`  signed by ${keyName}${signedAt === undefined ? '' : ` at ${signedAt}`}`));
  print(stdout, `  key ${keyFingerprint}`);
}

/** Says on a terminal how far it is; elsewhere nothing. */
function progressOn(output: Output): { show: (share: number) => void; end: () => void } {
  let shown = -1;
  return {
    show: (share) => {
      const percent = Math.floor(share * 100);
      if (output.isTTY !== true || percent === shown) return;
      shown = percent;
      output.write(`\rchecking ${percent} %`);
    },
    end: () => {
      if (shown >= 0) output.write('\r\u001b[K');
    },
  };
}
