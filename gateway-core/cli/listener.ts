import type { Gateway } from '../agent/client/gateway.js';
import { bareHost } from '../agent/client/trust.js';
import { ThroughlineError } from '../contract/errors.js';
import { parseEndpoint } from './values.js';

const tools = { postgres: 'PostgreSQL', ssh: 'SSH' } as const;

/** Where the gateway's own listener for a protocol is reached from here. @throws ThroughlineError not-found */
export function listenerOf(
  listeners: Readonly<Record<string, string>>,
  gateway: Gateway,
  protocol: keyof typeof tools,
): { host: string; port: number } {
  const address = listeners[protocol];
  if (address === undefined) {
    throw new ThroughlineError('not-found', `the gateway has no listener for ${tools[protocol]} tools`, {
      action: 'use a tunnel: throughline connect NAME',
    });
  }
  const { host, port } = parseEndpoint(address, 'listener');
  // A listener on every address is reached where the gateway itself is.
  const everywhere = host === '0.0.0.0' || host === '::';
  return { host: everywhere ? bareHost(new URL(gateway.url)) : host, port };
}
