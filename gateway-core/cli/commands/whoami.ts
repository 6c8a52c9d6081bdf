import { api } from '../../agent/client/api.js';
import { type Run, withGateway } from '../context.js';
import { bold, print, printJson } from '../output.js';
import { localTime } from '../values.js';

export const run: Run = (context, input) =>
  withGateway(context, input, async (gateway, state) => {
    const me = await api.whoami(gateway);
    const storage = (await state.settings()).storage ?? 'file';
    if (context.json) return printJson(context.stdout, { ...me, gateway: gateway.url, storage });
    const { stdout } = context;
    print(stdout, bold(me.principal), ` at ${gateway.url}`);
    print(stdout, `groups      ${me.groups.length === 0 ? '(none)' : me.groups.join(', ')}`);
    print(stdout, `signed in   until ${localTime(me.expiresAt)}`);
    print(stdout, `device key  ${me.deviceKey}`);
    print(stdout, `kept in     ${storage === 'keyring' ? 'the keyring' : 'a sealed file (no keyring here)'}`);
  });
