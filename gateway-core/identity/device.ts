import { randomBytes } from 'node:crypto';
import { clientId, type DeviceAuthorizationResponse, paths } from '../contract/api.js';
import { TokenBuckets } from './bounded.js';
import { cleanText } from './claims.js';
import type { IdentityContext } from './context.js';
import type { DeviceGrant } from './device-grants.js';
import {
  type Endpoint,
  type Fields,
  formOf,
  isSameOrigin,
  json,
  oauthError,
  page,
  queryOf,
  type RequestInfo,
  randomId,
  rateLimited,
} from './http.js';
import { identityLimits, rates } from './limits.js';
import {
  codeEntryPage,
  confirmPage,
  noProviderPage,
  onwardPage,
  providerDownPage,
  refusedPage,
  strayPage,
  tooManyPage,
} from './pages.js';
import { equalSecrets, hmac } from './secrets.js';
import { keep } from './sign-ins.js';

/** The device authorization endpoint and the page where a person answers (RFC 8628 3.1 and 3.3). */
export function createDevice(
  context: IdentityContext,
): Readonly<Record<'authorization' | 'show' | 'answer', Endpoint>> {
  const { clock, cookies, devices, logins, origin, providers, record } = context;
  const authorizations = new TokenBuckets(clock, rates.deviceAuthorization);
  const visits = new TokenBuckets(clock, rates.device);
  const csrfKey = randomBytes(32);
  const csrfOf = (browser: string, grant: DeviceGrant) =>
    hmac(csrfKey, `${browser} ${grant.userCode} ${grant.createdAtMs}`).toString('base64url');

  async function authorization(request: Request, info: RequestInfo): Promise<Response> {
    if (!authorizations.take(info.remoteAddress)) return oauthError(rateLimited);
    const fields = await formOf(request);
    const deviceKey = fields?.get('dpop_jkt');
    if (fields === undefined || (deviceKey !== undefined && !/^[A-Za-z0-9_-]{43}$/.test(deviceKey)))
      return oauthError({
        error: 'invalid_request',
        description: 'a form with client_id is needed, and dpop_jkt must be a SHA-256 thumbprint',
        code: 'invalid-request',
      });
    if (fields.get('client_id') !== clientId) return oauthError(invalidClient);
    const issued = devices.issue({
      deviceKey,
      deviceName: deviceNameOf(fields),
      remoteAddress: info.remoteAddress,
    });
    if (issued === undefined)
      return oauthError({
        error: 'temporarily_unavailable',
        description: 'too many devices are waiting',
        code: 'busy',
        status: 503,
      });
    const { deviceCode, grant } = issued;
    const issuedAnswer: DeviceAuthorizationResponse = {
      device_code: deviceCode,
      user_code: grant.userCode,
      verification_uri: `${origin}${paths.device}`,
      verification_uri_complete: `${origin}${paths.device}?user_code=${grant.userCode}`,
      expires_in: identityLimits.deviceCodeTtlMs / 1000,
      interval: identityLimits.devicePollIntervalMs / 1000,
    };
    return json(issuedAnswer);
  }

  async function show(request: Request, info: RequestInfo): Promise<Response> {
    const typed = queryOf(request)?.get('user_code');
    if (typed === undefined) return page(codeEntryPage(paths.device));
    if (!visits.take(info.remoteAddress)) return page(tooManyPage, 429);
    const grant = devices.waiting(typed);
    if (grant === undefined) return page(codeEntryPage(paths.device, noSuchCode), 404);
    if (providers.size === 0) return page(noProviderPage, 503);
    const browser = cookies.read(request, 'device') ?? randomId();
    return page(
      confirmPage({
        action: paths.device,
        csrf: csrfOf(browser, grant),
        grant,
        providers: [...providers.keys()],
      }),
      200,
      [cookies.set('device', browser, identityLimits.deviceCodeTtlMs)],
    );
  }

  async function answer(request: Request, info: RequestInfo): Promise<Response> {
    if (!visits.take(info.remoteAddress)) return page(tooManyPage, 429);
    const browser = cookies.read(request, 'device');
    const fields = isSameOrigin(request, origin) ? await formOf(request) : undefined;
    const grant = devices.waiting(fields?.get('user_code') ?? '');
    if (fields === undefined || browser === undefined || grant === undefined) return page(strayPage, 400);
    if (!equalSecrets(fields.get('csrf') ?? '', csrfOf(browser, grant))) return page(strayPage, 400);
    if (fields.has('refuse')) return refuse(grant, info);
    const provider = providers.get(fields.get('provider') ?? '');
    if (provider === undefined) return page(strayPage, 400);
    const begun = await logins.begin({ kind: 'device', grant }, provider);
    if (begun.ok) return page(onwardPage(provider.settings.name, begun.url), 200, [begun.cookie]);
    if (begun.why === 'busy') return page(tooManyPage, 503);
    return page(providerDownPage(provider.settings.name, `${paths.device}?user_code=${grant.userCode}`), 503);
  }

  async function refuse(grant: DeviceGrant, info: RequestInfo): Promise<Response> {
    devices.answer(grant, { kind: 'refused' });
    await keep(record, {
      kind: 'identity.refused',
      code: 'sign-in-refused',
      reason: 'a person refused the device',
      from: info.remoteAddress,
    });
    return page(refusedPage);
  }

  return { authorization, show, answer };
}

export const invalidClient = {
  error: 'invalid_client',
  description: `client_id must be ${clientId}`,
  code: 'invalid-request',
  status: 401,
} as const;

const noSuchCode = 'No device waits with this code. Check it, or ask for a new one on the device.';

function deviceNameOf(fields: Fields): string | undefined {
  const name = cleanText(fields.get('device_name') ?? '', identityLimits.deviceNameCharactersMax);
  return name === '' ? undefined : name;
}
