import type { BackChannelLogout, RecentLogouts } from './back-channel-logout.js';
import type { Clock } from './bounded.js';
import type { BootstrapAdmin, ClaimRules, Claims } from './claims.js';
import type { Codes } from './codes.js';
import type { DeviceGrants } from './device-grants.js';
import type { Nonces } from './dpop.js';
import type { Cookies } from './http.js';
import type { Logins } from './logins.js';
import type { ProviderChecks } from './provider-checks.js';
import type { Provider } from './providers.js';
import type { RecordEvent, SignIns } from './sign-ins.js';
import type { Workloads } from './workloads.js';

/** Sign-in without a browser on a demo gateway. */
export interface DemoSignIn {
  /** Content of the 0600 secret file in the demo's data directory; at least 32 characters. */
  readonly secret: string;
  /** Claims by account name, as the demo identity provider vouches for them. */
  readonly accounts: Readonly<Record<string, Claims>>;
}

/** How the demo provider's claims are read; the demo sign-in yields the same principals. */
export const demoRules: ClaimRules = { name: 'demo', principalClaim: 'sub', groupsClaim: 'groups' };

/** What the endpoints share. */
export interface IdentityContext {
  readonly clock: Clock;
  /** The gateway's own origin, which is also the issuer (RFC 8414). */
  readonly origin: string;
  readonly record: RecordEvent;
  readonly cookies: Cookies;
  readonly nonces: Nonces;
  /** In the order of the config; the demo's is added once it runs. */
  readonly providers: ReadonlyMap<string, Provider>;
  /** Resolves when nothing more is expected to be added, or was waited for long enough. */
  readonly providersKnown: () => Promise<void>;
  readonly admin: BootstrapAdmin | undefined;
  /** Set only where the demo sign-in may be used at all: on a loopback gateway. */
  readonly demo: DemoSignIn | undefined;
  readonly codes: Codes;
  readonly devices: DeviceGrants;
  readonly logins: Logins;
  readonly signIns: SignIns;
  readonly checks: ProviderChecks;
  readonly logouts: RecentLogouts;
  readonly backChannelLogout: BackChannelLogout;
  readonly workloads: Workloads;
}
