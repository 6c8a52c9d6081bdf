import type { Kysely } from 'kysely';
import { demoGrant, deviceGrant, paths, workloadGrant } from '../contract/api.js';
import { ThroughlineError } from '../contract/errors.js';
import type { StateSchema } from '../store/schema.js';
import { type Authenticate, createAuthenticate } from './authenticate.js';
import { createAuthorize } from './authorize.js';
import { createBackChannelLogout, RecentLogouts } from './back-channel-logout.js';
import { type Clock, isLoopbackHost } from './bounded.js';
import { Codes } from './codes.js';
import type { IdentitySettings, ProviderSettings } from './config.js';
import type { DemoSignIn, IdentityContext } from './context.js';
import { actorOfDelegation, Delegations } from './delegations.js';
import { createDevice } from './device.js';
import { DeviceGrants } from './device-grants.js';
import { Nonces, proofAlgorithms } from './dpop.js';
import { createHandles, type Handle, type Handles } from './handles.js';
import { cookiesFor, type Endpoint, failureOf, json, oauthError, page, type RequestInfo } from './http.js';
import { identityLimits } from './limits.js';
import { createLogins } from './logins.js';
import { errorPage } from './pages.js';
import { ProviderChecks } from './provider-checks.js';
import { ProviderTokens, type Sealer } from './provider-tokens.js';
import { createProvider, type Provider } from './providers.js';
import { fitsVerifier } from './scram.js';
import { createSignIns, type RecordEvent, type SignIns } from './sign-ins.js';
import { createSshKeys, type SshKeys } from './ssh-keys.js';
import { createToken } from './token.js';
import { createWorkloads } from './workloads.js';

export { mayGiveTo } from './attribution.js';
export { challengeOf } from './authenticate.js';
export type { Clock } from './bounded.js';
export { IdentityConfig, type IdentitySettings, type ProviderSettings } from './config.js';
export { type DemoSignIn, demoRules } from './context.js';
export type { Delegation } from './delegation.js';
export { type Delegations, type EndedDelegation, givenAs, mintedChain } from './delegations.js';
export { keyThumbprint } from './dpop.js';
export type { RequestInfo } from './http.js';
export type { ScramVerifier } from './scram.js';
export type { RecordEvent } from './sign-ins.js';

/** Answers the gateway's OAuth endpoints; undefined for every other path. */
export type IdentityRoutes = (request: Request, info: RequestInfo) => Promise<Response | undefined>;

export interface Identity {
  readonly routes: IdentityRoutes;
  readonly authenticate: Authenticate;
  /** See Handles.mint. */
  readonly mintHandle: Handles['mint'];
  /** What a SCRAM server needs for this user name. Undefined, without saying why: no session may begin with it. */
  readonly handleForScram: Handles['find'];
  /** For names without a handle: run the exchange with it, and it fails like a wrong password. */
  readonly decoyForScram: Handles['decoy'];
  /** The handle, when this is its password. Spends nothing: call `useHandle` before the session begins. */
  readonly verifyHandlePassword: Handles['verify'];
  /** Spends one session of the budget. Only after a `true` may the session begin. */
  readonly useHandle: Handles['use'];
  /** Keys of devices for the SSH listener. */
  readonly sshKeys: SshKeys;
  /** Ends a sign-in and everything below it. False: it had ended before. Throws `not-recordable` (it has ended all the same). */
  readonly signOut: SignIns['end'];
  /** Called once for every sign-in that ends before its time, in a microtask. Gives the function that unsubscribes. */
  readonly onSignInEnded: SignIns['onEnded'];
  /**
   * Whether it ended before its time, as far as this process knows. A sign-in can end between `authenticate` or
   * `useHandle` and the moment in which the listener would find the session: enter the session first, then ask this.
   */
  readonly isSignInEnded: SignIns['isEnded'];
  /** The actor with the groups that its person has now. Decisions are made with these. */
  readonly asNow: SignIns['asNow'];
  /** To be loaded before anything is served. */
  readonly checks: Pick<ProviderChecks, 'load' | 'refusal' | 'onRegrouped' | 'stop'>;
  /** Asks providers about the sign-ins that are due: see ProviderChecks.run. To be called every few seconds. */
  readonly checkProviders: () => Promise<void>;
  readonly delegations: Delegations;
  readonly liveSignIn: SignIns['live'];
  readonly signInsOf: SignIns['of'];
  /** Everybody who ever signed in, last seen first. */
  readonly people: SignIns['people'];
  /**
   * A provider that is known only later: the demo's, which starts beside the gateway. Who comes to sign in meanwhile
   * waits for it. Rejects with what `coming` rejects with, and with `invalid-config` for a name that is taken.
   */
  readonly expectProvider: (coming: Promise<ProviderSettings>) => Promise<void>;
}

/**
 * The identity room: OAuth 2.1 authorization server for the gateway's own clients, OIDC relying party towards the
 * company's providers, tickets, and handles.
 *
 * `issuerUrl` is the gateway's external origin, without a path. `record` makes an event durable and rejects when it
 * cannot. `clock` gives milliseconds since 1970. Throws `invalid-config`.
 */
export function createIdentity(options: {
  readonly config: IdentitySettings;
  readonly state: Kysely<StateSchema>;
  readonly clock: Clock;
  readonly issuerUrl: string;
  readonly demo?: DemoSignIn | undefined;
  readonly record: RecordEvent;
  /** Seals what providers give the gateway to keep. */
  readonly sealer: Sealer;
  /** Whether a process was revoked, by the id of its node in the tree. */
  readonly isRevoked?: (node: string) => boolean;
}): Identity {
  const { config, state, clock, record } = options;
  const origin = originOf(options.issuerUrl);
  const providers = new Map<string, Provider>();
  const admin =
    config.bootstrapAdmin === undefined
      ? undefined
      : { ...config.bootstrapAdmin, provider: config.bootstrapAdmin.provider ?? config.providers[0]?.name };
  const cookies = cookiesFor(origin);
  let expected: Promise<void> = Promise.resolve();
  const nonces = new Nonces(clock);
  const tokens = new ProviderTokens(options.sealer);
  const signIns = createSignIns({ state, clock, record, tokens });
  const handles = createHandles({ state, clock, record, signIns });
  const delegations = new Delegations({ state, clock, record, signIns });
  const checks = new ProviderChecks({ state, clock, record, signIns, tokens, providers, admin });
  const logouts = new RecentLogouts(clock);
  const context: IdentityContext = {
    checks,
    logouts,
    backChannelLogout: createBackChannelLogout({ state, clock, record, signIns, providers, logouts }),
    clock,
    origin,
    record,
    cookies,
    nonces,
    providers,
    providersKnown: () => expected,
    admin,
    demo: demoOf(options.demo, origin),
    codes: new Codes(clock),
    devices: new DeviceGrants(clock),
    logins: createLogins({ clock, cookies, providers, admin }),
    signIns,
    workloads: createWorkloads(config.workloadIssuers, clock),
  };

  /** A delegation's handle at a native listener: nobody there can tell which process holds it. */
  async function delegationForScram(id: string): Promise<Handle | undefined> {
    const found = delegations.get(id);
    const root = found?.scram === undefined ? undefined : await signIns.live(found.signIn);
    if (found?.scram === undefined || root === undefined) return undefined;
    return {
      ...found.scram,
      id: found.id,
      connection: undefined,
      expiresAtMs: found.expiresAtMs,
      actor: {
        ...actorOfDelegation(found, 'issued', root.actor.expiresAtMs),
        groups: root.actor.groups,
      },
    };
  }

  const addProvider = (settings: ProviderSettings): void => {
    if (providers.has(settings.name))
      throw new ThroughlineError('invalid-config', `two identity providers are named ${settings.name}`, {
        action: 'give each provider a name of its own',
      });
    const callback = `${origin}${paths.callback}`;
    providers.set(settings.name, createProvider(settings, callback, admin?.claim, clock));
  };
  for (const settings of config.providers) addProvider(settings);

  return {
    routes: createRoutes(context),
    authenticate: createAuthenticate({
      clock,
      origin,
      nonces,
      record,
      signIns,
      delegations,
      isRevoked: options.isRevoked ?? (() => false),
      misuse: config.misuse,
    }),
    delegations,
    liveSignIn: signIns.live,
    signInsOf: signIns.of,
    mintHandle: handles.mint,
    handleForScram: async (id) => (await handles.find(id)) ?? delegationForScram(id),
    decoyForScram: handles.decoy,
    verifyHandlePassword: async (id, password) => {
      const delegation = await delegationForScram(id);
      if (delegation === undefined) return handles.verify(id, password);
      return (await fitsVerifier(password, delegation)) ? delegation : undefined;
    },
    // A delegation's budget is spent when its session begins, whichever way it came.
    useHandle: async (id) => delegations.get(id) !== undefined || handles.use(id),
    sshKeys: createSshKeys({ state, clock, record, signIns, issuer: origin }),
    signOut: signIns.end,
    onSignInEnded: signIns.onEnded,
    isSignInEnded: signIns.isEnded,
    asNow: signIns.asNow,
    people: signIns.people,
    checks,
    checkProviders: async () => {
      await expected;
      await checks.run();
    },
    expectProvider: (coming) => {
      const added = coming.then(addProvider);
      expected = Promise.race([added.catch(() => undefined), wait(identityLimits.providerWaitMs)]);
      return added;
    },
  };
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

function createRoutes(context: IdentityContext): IdentityRoutes {
  const { authorize, callback } = createAuthorize(context);
  const device = createDevice(context);
  const { token, revoke } = createToken(context);
  const metadata = metadataOf(context);
  const pages = new Set<string>([paths.authorize, paths.callback, paths.device]);
  const endpoints = new Map<string, Readonly<Record<string, Endpoint>>>([
    [paths.authorizationServer, { GET: () => Promise.resolve(json(metadata)) }],
    [paths.authorize, { GET: authorize }],
    [paths.callback, { GET: callback }],
    [paths.deviceAuthorization, { POST: device.authorization }],
    [paths.device, { GET: device.show, POST: device.answer }],
    [paths.token, { POST: token }],
    [paths.revokeToken, { POST: revoke }],
  ]);
  const logoutPath = new RegExp(`^${paths.backChannelLogout('')}([a-z0-9-]{1,32})$`);
  return async (request, info) => {
    const { pathname } = new URL(request.url);
    const provider = logoutPath.exec(pathname)?.[1];
    const methods =
      provider === undefined
        ? endpoints.get(pathname)
        : { POST: () => context.backChannelLogout(provider, request, info) };
    if (methods === undefined) return undefined;
    const endpoint = new Map(Object.entries(methods)).get(request.method);
    if (endpoint === undefined)
      return new Response(null, { status: 405, headers: { allow: Object.keys(methods).join(', ') } });
    try {
      if (pages.has(pathname)) await context.providersKnown();
      return await endpoint(request, info);
    } catch (error) {
      if (!(error instanceof ThroughlineError)) throw error;
      const failure = failureOf(error);
      if (!pages.has(pathname)) return oauthError(failure);
      return page(
        errorPage('This did not work', error.message, error.action ?? 'Try again.'),
        failure.status,
      );
    }
  };
}

/** RFC 8414. */
function metadataOf({ origin, demo, workloads }: IdentityContext) {
  return {
    issuer: origin,
    authorization_endpoint: `${origin}${paths.authorize}`,
    token_endpoint: `${origin}${paths.token}`,
    device_authorization_endpoint: `${origin}${paths.deviceAuthorization}`,
    revocation_endpoint: `${origin}${paths.revokeToken}`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: [
      'authorization_code',
      'refresh_token',
      deviceGrant,
      ...(workloads.any ? [workloadGrant] : []),
      ...(demo === undefined ? [] : [demoGrant]),
    ],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none'],
    revocation_endpoint_auth_methods_supported: ['none'],
    dpop_signing_alg_values_supported: proofAlgorithms,
    authorization_response_iss_parameter_supported: true,
  };
}

function originOf(issuerUrl: string): string {
  const url = URL.canParse(issuerUrl) ? new URL(issuerUrl) : undefined;
  const web = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopbackHost(url.hostname));
  if (url === undefined || !web || `${url.origin}/` !== url.href)
    throw new ThroughlineError('invalid-config', "the gateway's external URL must be an https origin", {
      action: 'give scheme, host and port only, for example https://gateway.example.com',
    });
  return url.origin;
}

/** The demo sign-in exists only on a gateway that is reached over loopback. */
function demoOf(demo: DemoSignIn | undefined, origin: string): DemoSignIn | undefined {
  if (demo === undefined || !isLoopbackHost(new URL(origin).hostname)) return undefined;
  if (demo.secret.length >= 32) return demo;
  throw new ThroughlineError('invalid-config', 'the demo secret is shorter than 32 characters', {
    action: 'delete the demo secret file: the gateway makes a new one',
  });
}
