import { gatewayOrigin } from '../../agent/client/trust.js';
import { ReceiptFiles } from '../../agent/recording/receipt-file.js';
import { checkReceipt } from '../../agent/recording/receipts.js';
import { errorCodes, ThroughlineError } from '../../contract/errors.js';
import { chosenGateway, defaultGateway, type Run, stateOf } from '../context.js';
import { dim, print, printJson, red } from '../output.js';
import { printTable } from '../table.js';
import { localTime } from '../values.js';

/** What this device keeps of a gateway's log, checked again with nothing but the key of first contact. No gateway is asked. */
export const run: Run = async (context, input) => {
  const state = await stateOf(context);
  const gateway = gatewayOrigin((await chosenGateway(context, input, state)) ?? defaultGateway);
  const logKey = (await state.settings()).gateways[gateway]?.logKey;
  if (logKey === undefined)
    throw new ThroughlineError('not-found', `nothing is kept yet of the log of ${gateway}`, {
      action: 'receipts come with the first session through this desktop',
    });
  const files = new ReceiptFiles(state, gateway);
  const receipts = files.sessions().map((session) => {
    const receipt = files.receipt(session);
    const checked = receipt && checkReceipt(receipt, logKey);
    return {
      session,
      ok: checked !== undefined,
      ...(receipt === undefined
        ? {}
        : { at: receipt.at, indices: receipt.entries.map(({ index }) => index) }),
      ...(checked === undefined ? {} : { proved: checked.entries, size: checked.size }),
    };
  });
  const conflict = files.conflict();
  const checkpoint = files.checkpoint();
  const ok = conflict === undefined && receipts.every((each) => each.ok);
  const status = ok ? 0 : errorCodes['verification-failed'].exit;
  if (context.json) {
    const kept = { gateway, logKey, checkpoint, pending: files.pending(), receipts };
    printJson(context.stdout, { ok, ...kept, ...(conflict === undefined ? {} : { conflict }) });
    return status;
  }
  const { stdout } = context;
  if (receipts.length === 0) print(stdout, 'No receipts yet.');
  else
    printTable(
      stdout,
      [{ title: 'SESSION' }, { title: 'PROVED' }, { title: 'IN A LOG OF', right: true }, { title: 'SINCE' }],
      receipts.map(({ session, proved = [], size, at }) => [
        session,
        proved.map((kind) => kind.replace('session.', '')).join(', ') || { style: 'red', text: 'nothing' },
        size === undefined ? '' : `${size} entries`,
        at === undefined ? '' : localTime(at),
      ]),
    );
  print(stdout, dim(`log key ${logKey}`));
  if (conflict !== undefined) {
    print(stdout, red('The log is not the one that this device knows'), `: ${conflict.why}`);
    print(stdout, `  since ${localTime(conflict.at)}; --json has both checkpoints`);
  }
  return status;
};
