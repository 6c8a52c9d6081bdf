import { clientLimits } from '../../gateway-core/agent/client/limits.js';
import { gatewayInfo } from '../../gateway-core/agent/client/oauth.js';
import { readUnforged } from '../../gateway-core/agent/client/private-files.js';
import { openState } from '../../gateway-core/agent/client/state.js';
import { createTransport } from '../../gateway-core/agent/client/transport.js';
import { gatewayOrigin, trustAuthority } from '../../gateway-core/agent/client/trust.js';

/** `demoSecret`: path of the file that signs in without a browser. */
export interface RunningDemo {
  readonly url: string;
  readonly demoSecret?: string | undefined;
}

const defaultListen = '127.0.0.1:7443';
const lookTimeoutMs = 2000;

/**
 * The address of a demo gateway that runs already where `up --demo` would listen, or nothing. It counts when this
 * user's own client state names it and it has the certificate that is noted there: anything else on that port is not
 * ours, and `up` will say that the port is taken.
 */
export async function runningDemo(env: NodeJS.ProcessEnv): Promise<RunningDemo | undefined> {
  try {
    const origin = gatewayOrigin(`https://${env['THROUGHLINE_LISTEN'] || defaultListen}`);
    const noted = (await openState(env).settings()).local[origin];
    if (noted?.demoSecret === undefined) return undefined;
    const pem = readUnforged(noted.ca, clientLimits.certificateFileBytesMax)?.toString('utf8');
    if (pem === undefined) return undefined;
    const { demoSecret } = noted;
    return (await isDemo(origin, pem, noted.ca)) ? { url: origin, demoSecret } : undefined;
  } catch {
    return undefined;
  }
}

async function isDemo(origin: string, pem: string, where: string): Promise<boolean> {
  const transport = createTransport(origin, trustAuthority(pem, where));
  const timer = setTimeout(() => transport.close(), lookTimeoutMs);
  try {
    return (await gatewayInfo(transport)).demo;
  } finally {
    clearTimeout(timer);
    transport.close();
  }
}
