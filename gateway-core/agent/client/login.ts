import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DeviceAuthorizationResponse, GatewayInfo } from '../../contract/api.js';
import { ThroughlineError } from '../../contract/errors.js';
import { type BrowserSignIn, startBrowserSignIn } from './browser.js';
import { createDeviceJwk, type DeviceJwk, deviceKey } from './dpop.js';
import { clientLimits } from './limits.js';
import {
  type AuthorizationClient,
  authorizationClient,
  createNonce,
  type Grant,
  gatewayInfo,
  signInRefused,
} from './oauth.js';
import { readPrivate, readUnforged } from './private-files.js';
import type { ClientState, Settings, SignIn } from './state.js';
import { createTransport } from './transport.js';
import {
  certificateProblem,
  fingerprintOf,
  gatewayOrigin,
  isLoopback,
  lookAt,
  type Presented,
  parseFingerprint,
  pin,
  type Trust,
  trustAuthority,
} from './trust.js';

/** How the person (or script) proves who signs in. */
export type SignInMethod =
  /** `show` gets the pending sign-in, prints its address and opens a browser. */
  | { readonly kind: 'browser'; readonly show: (pending: BrowserSignIn) => void }
  | { readonly kind: 'device'; readonly show: (pending: DeviceAuthorizationResponse) => void }
  | { readonly kind: 'demo'; readonly user: string; readonly secretFile: string }
  /** A platform's OIDC token. */
  | { readonly kind: 'workload'; readonly token: string };

/** How the gateway's certificate becomes trusted. Nothing is trusted silently. */
export interface TrustSources {
  /** `--ca FILE` */
  readonly caFile?: string;
  /** `--fingerprint SHA256` */
  readonly fingerprint?: string;
  /** Asks a person who can compare. Absent where nobody is there to ask. */
  readonly confirm?: (gateway: string, fingerprint: string) => Promise<boolean>;
}

export interface LoginOptions {
  readonly state: ClientState;
  readonly gateway: string;
  readonly method: SignInMethod;
  readonly trust: TrustSources;
}

/**
 * Signs in and keeps the sign-in as the current one.
 * @throws ThroughlineError sign-in-refused, gateway-unreachable, usage, invalid-config
 */
export async function login(options: LoginOptions): Promise<{ principal: string; info: GatewayInfo }> {
  const gateway = gatewayOrigin(options.gateway);
  const trust = await decideTrust(options, gateway);
  const transport = createTransport(gateway, trust);
  try {
    const info = await gatewayInfo(transport);
    const jwk = await keptDeviceJwk(options.state, gateway);
    const key = deviceKey(jwk);
    const client = authorizationClient({ transport, key, nonce: createNonce() });
    const keep = (grant: Grant): Promise<{ principal: string }> =>
      exchangeAndKeep(options.state, client, { gateway, trust, jwk }, grant);
    const principal = await obtain(options.method, gateway, info, client, key.thumbprint, keep);
    return { principal, info };
  } finally {
    transport.close();
  }
}

/**
 * Makes a gateway the current one before anybody signs in there: a fingerprint that a person has compared is pinned.
 * @returns the gateway's origin
 * @throws ThroughlineError gateway-unreachable (not reachable, or nobody vouches for its certificate), usage
 */
export async function chooseGateway(
  state: ClientState,
  url: string,
  fingerprint: string | undefined,
): Promise<{ readonly origin: string; readonly trust: Trust }> {
  const origin = gatewayOrigin(url);
  const trust = await decideTrust(
    {
      state,
      gateway: origin,
      method: { kind: 'browser', show: () => undefined },
      trust: fingerprint === undefined ? {} : { fingerprint },
    },
    origin,
  );
  await state.changeSettings((settings) => chosen(settings, origin, trust));
  return { origin, trust };
}

/** The gateway becomes the last one. What its log's key was at first contact stays, whatever its certificate is now. */
function chosen(settings: Settings, origin: string, trust: Trust): Settings {
  const { [origin]: before, ...others } = settings.gateways;
  return { ...settings, gateway: origin, gateways: { ...others, [origin]: { ...before, trust } } };
}

/** The device keeps its key over sign-ins; one that cannot be opened any more is replaced. */
async function keptDeviceJwk(state: ClientState, gateway: string): Promise<DeviceJwk> {
  try {
    return (await state.signIn(gateway))?.deviceKey ?? createDeviceJwk();
  } catch (error) {
    if (error instanceof ThroughlineError && error.code === 'not-signed-in') return createDeviceJwk();
    throw error;
  }
}

async function exchangeAndKeep(
  state: ClientState,
  client: AuthorizationClient,
  kept: { gateway: string; trust: Trust; jwk: DeviceJwk },
  grant: Grant,
): Promise<{ principal: string }> {
  const answer = await client.token(grant);
  if (answer.kind === 'refused') throw signInRefused(answer.error);
  await keepSignIn(state, kept, answer.tokens);
  return { principal: answer.tokens.principal };
}

function keepSignIn(
  state: ClientState,
  { gateway, trust, jwk }: { gateway: string; trust: Trust; jwk: DeviceJwk },
  tokens: NonNullable<SignIn['tokens']>,
): Promise<void> {
  return state.locked(gateway, async () => {
    await state.saveSignIn({ v: 1, gateway, deviceKey: jwk, tokens }, 'fresh');
    await state.changeSettings((settings) => chosen(settings, gateway, trust));
  });
}

async function obtain(
  method: SignInMethod,
  gateway: string,
  info: GatewayInfo,
  client: AuthorizationClient,
  keyThumbprint: string,
  keep: (grant: Grant) => Promise<{ principal: string }>,
): Promise<string> {
  switch (method.kind) {
    case 'browser':
      return byBrowser(method, await startBrowserSignIn(gateway, info.issuer, keyThumbprint), keep);
    case 'device':
      return byDeviceCode(method, client, keep);
    case 'workload':
      return (await keep({ kind: 'workload', token: method.token })).principal;
    case 'demo':
      return (await keep(await demoGrantOf(method, gateway, info))).principal;
  }
}

async function byBrowser(
  method: Extract<SignInMethod, { kind: 'browser' }>,
  pending: BrowserSignIn,
  keep: (grant: Grant) => Promise<{ principal: string }>,
): Promise<string> {
  let principal = '';
  method.show(pending);
  await pending.finish(async (grant) => {
    const kept = await keep(grant);
    principal = kept.principal;
    return kept;
  });
  return principal;
}

/** RFC 8628 3.4 and 3.5. */
async function byDeviceCode(
  method: Extract<SignInMethod, { kind: 'device' }>,
  client: AuthorizationClient,
  keep: (grant: Grant) => Promise<{ principal: string }>,
): Promise<string> {
  const pending = await client.deviceAuthorization();
  method.show(pending);
  const endAtMs = Date.now() + Math.min(pending.expires_in * 1000, clientLimits.deviceLifeMsMax);
  const { deviceIntervalMsMin, deviceIntervalMsMax } = clientLimits;
  let intervalMs = Math.min(Math.max(pending.interval * 1000, deviceIntervalMsMin), deviceIntervalMsMax);
  while (Date.now() < endAtMs) {
    await sleep(intervalMs);
    try {
      return (await keep({ kind: 'device', deviceCode: pending.device_code })).principal;
    } catch (error) {
      const wait = pollAgain(error);
      if (wait === undefined) throw error;
      intervalMs = Math.min(intervalMs + wait, deviceIntervalMsMax);
    }
  }
  throw signInRefused({ error: 'expired_token' });
}

/** How much longer to wait from now on, or undefined when polling is over. */
function pollAgain(error: unknown): number | undefined {
  if (!(error instanceof ThroughlineError)) return undefined;
  if (error.code === 'sign-in-pending') return 0;
  // Slower down also where the gateway was away for a moment.
  const slower = error.code === 'rate-limited' || error.code === 'gateway-unreachable';
  return slower ? clientLimits.deviceSlowDownMs : undefined;
}

async function demoGrantOf(
  method: Extract<SignInMethod, { kind: 'demo' }>,
  gateway: string,
  info: GatewayInfo,
): Promise<Grant> {
  if (!isLoopback(gateway) || !info.demo) {
    throw new ThroughlineError(
      'sign-in-refused',
      'demo accounts exist only on a demo gateway on this machine',
      {
        action: 'leave --demo-user out to sign in with the browser',
      },
    );
  }
  const bytes = readPrivate(method.secretFile, clientLimits.demoSecretBytesMax);
  const secret = bytes?.toString('utf8').trim() ?? '';
  if (secret === '') {
    throw new ThroughlineError('usage', `there is no demo secret in ${method.secretFile}`, {
      action: 'give the path that `throughline up --demo --json` prints as demoSecret',
    });
  }
  return { kind: 'demo', user: method.user, secret };
}

/** In this order: what the caller says, our own gateway on this machine, an earlier pin, the system, a question. */
async function decideTrust(options: LoginOptions, gateway: string): Promise<Trust> {
  const { caFile, fingerprint } = options.trust;
  if (caFile !== undefined) return trustAuthority(await readCaFile(caFile), caFile);
  if (fingerprint !== undefined) return pinned(gateway, parseFingerprint(fingerprint));
  const settings = await options.state.settings();
  const local = isLoopback(gateway) ? await localTrust(options, settings.local[gateway]?.ca) : undefined;
  return local ?? settings.gateways[gateway]?.trust ?? (await systemOrConfirmed(options, gateway));
}

async function readCaFile(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= clientLimits.certificateFileBytesMax) return bytes.toString('latin1');
  } catch (cause) {
    throw new ThroughlineError('usage', `the file ${path} cannot be read`, { cause });
  }
  throw new ThroughlineError('usage', `the file ${path} is too large for a certificate`);
}

async function pinned(gateway: string, fingerprint: string): Promise<Trust> {
  const presented = await lookAt(gateway);
  const trust = pin(presented, fingerprint);
  if (trust !== undefined) return trust;
  throw untrusted(gateway, presented, 'has another fingerprint than the given one');
}

/** The authority of a gateway that runs on this machine: as `up` noted it, or beside its demo secret. */
async function localTrust(options: LoginOptions, noted: string | undefined): Promise<Trust | undefined> {
  const { method } = options;
  const beside = method.kind === 'demo' ? join(dirname(method.secretFile), 'ca.pem') : undefined;
  for (const path of [beside, noted]) {
    const bytes = path === undefined ? undefined : readUnforged(path, clientLimits.certificateFileBytesMax);
    if (bytes !== undefined && path !== undefined) return trustAuthority(bytes.toString('latin1'), path);
  }
  return undefined;
}

async function systemOrConfirmed(options: LoginOptions, gateway: string): Promise<Trust> {
  const presented = await lookAt(gateway);
  if (presented.systemTrusts) return { kind: 'system' };
  const problem = presented.problem ?? 'unknown';
  const unknownAuthority = certificateProblem(problem) && !/ALTNAME|EXPIRED|NOT_YET|REVOKED/.test(problem);
  const { confirm } = options.trust;
  const fingerprint = fingerprintOf(presented.top.ca ? presented.top : presented.leaf);
  if (!unknownAuthority || confirm === undefined || !(await confirm(gateway, fingerprint))) {
    throw untrusted(gateway, presented, `is not trusted here (${problem})`);
  }
  const trust = pin(presented, fingerprint);
  if (trust === undefined) throw untrusted(gateway, presented, 'changed');
  return trust;
}

function untrusted(gateway: string, presented: Presented, why: string): ThroughlineError {
  const fingerprint = fingerprintOf(presented.top.ca ? presented.top : presented.leaf);
  return new ThroughlineError(
    'gateway-unreachable',
    `the certificate of ${gateway} ${why}; its SHA-256 is ${fingerprint}`,
    {
      action: `compare it with what the gateway's admin tells you, then add --fingerprint ${fingerprint}, or give the authority with --ca FILE`,
      fields: { gateway, reason: 'certificate', fingerprint },
    },
  );
}

/**
 * Ends the sign-in at the gateway and forgets it here. It is forgotten in any case.
 * @returns false when nobody was signed in
 * @throws ThroughlineError gateway-unreachable when the gateway could not be told
 */
export async function logout(state: ClientState, gateway: string): Promise<boolean> {
  const origin = gatewayOrigin(gateway);
  return state.locked(origin, async () => {
    const signIn = await state.signIn(origin).catch(() => undefined);
    const trust = (await state.settings()).gateways[origin]?.trust;
    if (signIn?.tokens === undefined || trust === undefined) {
      if (signIn === undefined) await state.forgetSignIn(origin);
      return false;
    }
    const { tokens, ...rest } = signIn;
    await state.saveSignIn(rest);
    const transport = createTransport(origin, trust);
    try {
      const session = { transport, key: deviceKey(signIn.deviceKey), nonce: createNonce() };
      await authorizationClient(session).revoke(tokens.refreshToken ?? tokens.accessToken);
    } finally {
      transport.close();
    }
    return true;
  });
}
