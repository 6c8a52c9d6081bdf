import { request } from 'node:https';

const timeoutMs = 2500;

/** Where a demo gateway takes logout tokens. */
export interface LogoutPlace {
  readonly url: string;
  /** PEM: who has signed the gateway's certificate. */
  readonly ca: string;
}

/**
 * The `fetch` of a provider that asks nobody but its gateway, which has a certificate of its own. oidc-provider's own
 * keeps away from addresses of this machine.
 */
export function fetchOnly(place: LogoutPlace): typeof fetch {
  return (target, options = {}) => {
    const { method = 'GET', body } = options;
    if (target !== place.url || !(body instanceof URLSearchParams))
      return Promise.reject(new Error('the demo asks its own gateway only'));
    return new Promise((resolve, reject) => {
      const headers = Object.fromEntries(new Headers(options.headers));
      const sent = request(place.url, { method, headers, ca: place.ca, timeout: timeoutMs }, (response) => {
        response.resume();
        response.on('end', () => resolve(new Response(null, { status: response.statusCode ?? 500 })));
      });
      sent.on('timeout', () => sent.destroy(new Error('the gateway does not answer')));
      sent.on('error', reject);
      sent.end(body.toString());
    });
  };
}
