import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Configuration, Provider } from 'oidc-provider';
import { bodyWithin } from '../../../identity/bounded.js';
import { pageHeaders, renderPage } from '../../../identity/html.js';
import { demoRules, type ProviderSettings } from '../../../identity/index.js';
import { equalSecrets } from '../../../identity/secrets.js';
import { type DemoAccount, demoAccounts, demoPassword } from './accounts.js';
import { demoAdapter } from './adapter.js';
import { type DemoKeys, demoKeys } from './keys.js';
import { fetchOnly, type LogoutPlace } from './logout.js';
import { backPage, loginPage, problemPage, signedOutPage, signOutPage } from './pages.js';

const demoClientId = 'throughline-gateway';
const formBytesMax = 4 * 1024;
const requestTimeoutMs = 10_000;
const connectionsMax = 256;
const lifetimeSeconds = 600;
/** As long as the gateway keeps a sign-in, and a little more. */
const offlineSeconds = 13 * 3600;

export interface DemoIdentityProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** All of it, ready for `identity.expectProvider`. */
  readonly settings: ProviderSettings;
  /** As its administrator would do it, for tests: nothing that is served does. */
  readonly people: {
    /** Nobody of that name signs in any more, and no token of theirs is renewed. */
    remove(account: string): void;
    setGroups(account: string, groups: readonly string[]): void;
  };
  close(): Promise<void>;
}

/**
 * The demo's OIDC provider on 127.0.0.1, plain http. Its keys, its port and the tokens that it gave stand in `dir`
 * (0600) and survive a restart. `port` 0: the one of last time, or any. It answers only to gateways on this machine,
 * and tells `logoutTo` who has signed out (its certificate is checked with `ca`). oidc-provider is loaded here and not
 * before. Throws `invalid-config` for unusable keys, and what `listen` throws.
 */
export async function startDemoIdentityProvider(options: {
  readonly dir: string;
  readonly port: number;
  readonly logoutTo?: LogoutPlace;
}): Promise<DemoIdentityProvider> {
  const keys = await demoKeys(options.dir);
  const portFile = join(options.dir, 'identity-provider.port');
  const OidcProvider = await loadProvider();
  const server = createServer({ requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs });
  server.maxConnections = connectionsMax;
  await listenAgain(server, options.port, portFile);
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const issuer = `http://${host}`;
  const accounts = new Map(Object.entries(demoAccounts));
  const adapter = demoAdapter(join(options.dir, 'identity-provider-tokens.json'));
  const provider = new OidcProvider(issuer, configuration(keys, accounts, adapter, options.logoutTo));
  // The gateway's port is its own matter; its path is not.
  Object.defineProperty(provider.Client.prototype, 'redirectUriAllowed', { value: isGatewayCallback });
  serve(server, provider, host, accounts);
  return {
    issuer,
    clientId: demoClientId,
    clientSecret: keys.clientSecret,
    settings: {
      ...demoRules,
      issuer,
      clientId: demoClientId,
      clientSecret: keys.clientSecret,
      scopes: ['openid', 'profile', 'email', 'groups'],
      // So that one browser can sign in as one account after the other.
      prompt: 'login',
      allowInsecureLoopback: true,
      offlineAccess: true,
      providerCheckMinutes: 5,
    },
    people: {
      remove: (account) => {
        accounts.delete(account);
      },
      setGroups: (name, groups) => {
        const account = accounts.get(name);
        if (account !== undefined) accounts.set(name, { ...account, groups });
      },
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** oidc-provider greets every Node below 22 with a warning; the demo's flows are tested on 20. */
async function loadProvider(): Promise<typeof Provider> {
  const { warn } = console;
  console.warn = (...words: unknown[]) => {
    if (!String(words[0]).includes('oidc-provider WARNING: Unsupported runtime')) warn(...words);
  };
  try {
    return (await import('oidc-provider')).Provider;
  } finally {
    console.warn = warn;
  }
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** An issuer is its address: at another port it would be a stranger to everybody who is signed in. */
async function listenAgain(server: Server, port: number, file: string): Promise<void> {
  const before = Number(await readFile(file, 'utf8').catch(() => '0'));
  const again = Number.isInteger(before) && before > 0 && before < 65_536 ? before : 0;
  try {
    await listen(server, port === 0 ? again : port);
  } catch (error) {
    if (port !== 0 || again === 0) throw error;
    await listen(server, 0);
  }
  await writeFile(file, String((server.address() as AddressInfo).port), { mode: 0o600 });
}

function isGatewayCallback(uri: string): boolean {
  return /^https?:\/\/(?:127\.0\.0\.1|\[::1\]|localhost):\d{1,5}\/oauth\/callback$/.test(uri);
}

type Accounts = Map<string, DemoAccount>;

function configuration(
  keys: DemoKeys,
  accounts: Accounts,
  adapter: ReturnType<typeof demoAdapter>,
  logoutTo: LogoutPlace | undefined,
): Configuration {
  return {
    adapter,
    ...(logoutTo === undefined ? {} : { fetch: fetchOnly(logoutTo) }),
    clients: [
      {
        client_id: demoClientId,
        client_secret: keys.clientSecret,
        redirect_uris: ['https://127.0.0.1:7443/oauth/callback'],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        id_token_signed_response_alg: 'ES256',
        ...(logoutTo === undefined
          ? {}
          : { backchannel_logout_uri: logoutTo.url, backchannel_logout_session_required: true }),
      },
    ],
    jwks: { keys: [keys.signingKey] },
    cookies: { keys: [keys.cookieKey] },
    claims: {
      openid: ['sub'],
      profile: ['name'],
      email: ['email', 'email_verified'],
      groups: ['groups'],
    },
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: (context, form) => {
          context.set(pageHeaders);
          context.body = renderPage(signOutPage(form));
        },
        postLogoutSuccessSource: (context) => {
          context.set(pageHeaders);
          context.body = renderPage(signedOutPage);
        },
      },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
      dPoP: { enabled: false },
    },
    interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_context, id) => {
      const claims = accounts.get(id);
      return claims && { accountId: id, claims: () => ({ ...claims, groups: [...claims.groups] }) };
    },
    // Without `prompt=consent` oidc-provider hears no `offline_access`.
    issueRefreshToken: (_context, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: () => false,
    rotateRefreshToken: true,
    // Its only client is the gateway of the same machine: there is nothing to consent to.
    loadExistingGrant: async (context) => {
      const { client, session, provider } = context.oidc;
      if (client === undefined || session?.accountId === undefined) return undefined;
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
      grant.addOIDCScope('openid profile email groups');
      await grant.save();
      return grant;
    },
    renderError: (context, out) => {
      context.set(pageHeaders);
      context.body = renderPage(problemPage(`${out.error}: ${out.error_description ?? 'no details'}`));
    },
    ttl: {
      AccessToken: lifetimeSeconds,
      AuthorizationCode: 60,
      Grant: offlineSeconds,
      IdToken: lifetimeSeconds,
      Interaction: lifetimeSeconds,
      RefreshToken: offlineSeconds,
      Session: lifetimeSeconds,
    },
  };
}

function serve(server: Server, provider: Provider, host: string, accounts: Accounts): void {
  const standard = provider.callback();
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    // A stranger's name that resolves to 127.0.0.1 (DNS rebinding) is not us.
    if (request.headers.host !== host) {
      response.writeHead(421).end();
      return;
    }
    if (!/^\/interaction\/[\w-]{1,64}$/.test(request.url ?? '')) {
      standard(request, response).catch(() => response.destroy());
      return;
    }
    answerInteraction(provider, request, response, accounts).catch(() => {
      if (response.headersSent) response.destroy();
      else send(response, 400, renderPage(problemPage('This sign-in is not waiting any more.')));
    });
  });
}

async function answerInteraction(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
  accounts: Accounts,
): Promise<void> {
  // Throws when this browser has not begun this interaction.
  const { uid, prompt } = await provider.interactionDetails(request, response);
  const path = `/interaction/${uid}`;
  if (request.url !== path || prompt.name !== 'login') throw new Error('no login is waiting here');
  if (request.method !== 'POST') {
    send(response, 200, renderPage(loginPage(path, '')));
    return;
  }
  const body = await bodyWithin(request, formBytesMax);
  const fields = new URLSearchParams(body?.toString('utf8') ?? '');
  const account = fields.get('account') ?? '';
  const cancelled = fields.has('cancel');
  const known = accounts.has(account);
  if (!cancelled && !(equalSecrets(fields.get('password') ?? '', demoPassword) && known)) {
    const problem = known ? 'The password is wrong.' : 'There is no such account.';
    send(response, 401, renderPage(loginPage(path, account.slice(0, 64), problem)));
    return;
  }
  const result = cancelled
    ? { error: 'access_denied', error_description: 'the person cancelled' }
    : { login: { accountId: account, remember: false } };
  const next = await provider.interactionResult(request, response, result, {
    mergeWithLastSubmission: false,
  });
  send(response, 200, renderPage(backPage(next)));
}

function send(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { ...pageHeaders, 'content-length': Buffer.byteLength(text) }).end(text);
}
