import type * as oidc from 'openid-client';
import { ThroughlineError } from '../contract/errors.js';
import { bodyWithin, isLoopbackHost } from './bounded.js';
import { identityLimits } from './limits.js';

export type BoundedFetch = oidc.CustomFetch;

/** https; plain http only to this machine, where the config allows it. */
export function isAllowedAddress(url: URL, allowInsecureLoopback: boolean): boolean {
  if (url.protocol === 'https:') return true;
  return allowInsecureLoopback && url.protocol === 'http:' && isLoopbackHost(url.hostname);
}

/** `fetch` that leaves https only for loopback and reads a bounded body; openid-client follows no redirect. */
export function boundedFetch(allowInsecureLoopback: boolean): BoundedFetch {
  return async (target, options) => {
    if (!isAllowedAddress(new URL(target), allowInsecureLoopback))
      throw new ThroughlineError('invalid-config', 'the provider names an address that is not https');
    const response = await fetch(target, options);
    const body = response.body && (await bodyWithin(response.body, identityLimits.providerResponseBytesMax));
    if (body === undefined) throw new ThroughlineError('too-large', "the provider's answer is too large");
    const { status, statusText, headers } = response;
    return new Response(body, { status, statusText, headers });
  };
}
