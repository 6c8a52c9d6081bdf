import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { openInBrowser } from '../../agent/client/browser.js';
import { type LoginOptions, login, type SignInMethod } from '../../agent/client/login.js';
import type { ClientState } from '../../agent/client/state.js';
import { gatewayOrigin } from '../../agent/client/trust.js';
import { ThroughlineError } from '../../contract/errors.js';
import { type Context, chosenGateway, defaultGateway, type Input, type Run, stateOf } from '../context.js';
import { bold, print, printJson } from '../output.js';

export const run: Run = async (context, input) => {
  const state = await stateOf(context);
  const gateway = gatewayOrigin((await chosenGateway(context, input, state)) ?? defaultGateway);
  const method = await methodOf(context, input, state, gateway);
  const { principal, info } = await login({ state, gateway, method, trust: trustSources(context, input) });
  const storage = (await state.settings()).storage ?? 'file';
  if (context.json) return printJson(context.stdout, { principal, gateway, storage, demo: info.demo });
  print(context.stdout, 'Signed in to ', gateway, ' as ', bold(principal), '.');
  if (storage === 'file')
    print(context.stdout, 'There is no keyring here: the sign-in is kept in a sealed file.');
  print(context.stdout, 'Next: throughline connections');
};

function trustSources(context: Context, input: Input): LoginOptions['trust'] {
  const caFile = input.text('ca');
  const fingerprint = input.text('fingerprint');
  if (caFile !== undefined && fingerprint !== undefined) {
    throw new ThroughlineError('usage', '--ca and --fingerprint exclude each other');
  }
  const asks = context.stdin.isTTY === true && context.stderr.isTTY === true && !context.json;
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(asks ? { confirm: (gateway: string, print256: string) => confirm(context, gateway, print256) } : {}),
  };
}

async function methodOf(
  context: Context,
  input: Input,
  state: ClientState,
  gateway: string,
): Promise<SignInMethod> {
  const user = input.text('demo-user');
  const secretFile = input.text('demo-secret');
  if (user === undefined && secretFile !== undefined) {
    throw new ThroughlineError('usage', '--demo-secret goes with --demo-user NAME');
  }
  if (user !== undefined && input.flag('device')) {
    throw new ThroughlineError('usage', '--demo-user and --device exclude each other');
  }
  if (user !== undefined) {
    return { kind: 'demo', user, secretFile: secretFile ?? (await notedSecret(state, gateway)) };
  }
  const jwt = input.text('jwt');
  if (jwt !== undefined && input.flag('device')) {
    throw new ThroughlineError('usage', '--jwt and --device exclude each other');
  }
  if (jwt !== undefined) return { kind: 'workload', token: await tokenFrom(context, jwt) };
  return input.flag('device') ? deviceMethod(context) : browserMethod(context);
}

const tokenBytesMax = 12 * 1024;

/** A platform's token, from a file or from stdin: in an argument every process of the machine could read it. */
async function tokenFrom(context: Context, source: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    const stream = source === '-' ? context.stdin : createReadStream(source);
    for await (const chunk of stream) {
      const bytes = Buffer.from(chunk as Uint8Array | string);
      length += bytes.length;
      if (length > tokenBytesMax) throw new Error('too long');
      chunks.push(bytes);
    }
  } catch (cause) {
    throw new ThroughlineError('usage', 'the token of --jwt cannot be read', {
      action: 'give the path of a file with one JWT of at most 12 KiB, or - for stdin',
      cause,
    });
  }
  const token = Buffer.concat(chunks).toString('utf8').trim();
  if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) return token;
  throw new ThroughlineError('usage', 'what --jwt names is no JWT');
}

async function notedSecret(state: ClientState, gateway: string): Promise<string> {
  const noted = (await state.settings()).local[gateway]?.demoSecret;
  if (noted !== undefined) return noted;
  throw new ThroughlineError('usage', `no demo gateway of yours is known to run at ${gateway}`, {
    action: 'give --demo-secret FILE, the path that `throughline up --demo --json` prints as demoSecret',
  });
}

/** What a person has to read goes to stderr: stdout is for the result. */
function deviceMethod({ stderr }: Context): SignInMethod {
  return {
    kind: 'device',
    show: (pending) => {
      print(stderr, 'Open ', bold(pending.verification_uri), ' on any device and enter this code:');
      print(stderr);
      print(stderr, '    ', bold(pending.user_code));
      print(stderr);
      print(stderr, 'Waiting for the confirmation. Ctrl-C gives up.');
    },
  };
}

function browserMethod(context: Context): SignInMethod {
  return {
    kind: 'browser',
    show: (pending) => {
      print(context.stderr, 'Sign in with your browser. If it does not open by itself, open this address:');
      print(context.stderr);
      print(context.stderr, `  ${pending.authorizeUrl}`);
      print(context.stderr);
      (context.openBrowser ?? openInBrowser)(pending.startUrl);
    },
  };
}

async function confirm({ stdin, stderr }: Context, gateway: string, fingerprint: string): Promise<boolean> {
  print(stderr, `Nobody whom this machine trusts vouches for ${gateway}.`);
  print(stderr, 'SHA-256 of its certificate: ', bold(fingerprint.replaceAll(/..(?!$)/g, '$&:')));
  print(stderr, "Compare it with what the gateway's admin tells you. Trust it from now on? Type yes:");
  const lines = createInterface({ input: stdin });
  try {
    for await (const line of lines) return line.trim().toLowerCase() === 'yes';
    return false;
  } finally {
    lines.close();
  }
}
