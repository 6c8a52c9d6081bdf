import { logout } from '../../agent/client/login.js';
import { chosenGateway, defaultGateway, type Run, stateOf } from '../context.js';
import { print, printJson } from '../output.js';

export const run: Run = async (context, input) => {
  const state = await stateOf(context);
  const gateway = (await chosenGateway(context, input, state)) ?? defaultGateway;
  const signedOut = await logout(state, gateway);
  if (context.json) return printJson(context.stdout, { gateway, signedOut });
  print(context.stdout, signedOut ? `Signed out of ${gateway}.` : `Nobody was signed in to ${gateway}.`);
};
