import { z } from 'zod';
import { SecretReference } from '../contract/connection.js';
import { MisuseRules } from '../contract/delegation.js';
import { isLoopbackHost } from './bounded.js';
import { identityLimits } from './limits.js';

const ProviderName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,31}$/, 'lower-case letters, digits and dash, 32 at most');

/** Own member `path` of the claims, or a dotted path into them; namespaced claims are URLs and match whole. */
const ClaimPath = z.string().min(1).max(256);

/**
 * One OIDC provider. Its `name` is the first half of every principal that it vouches for, so two providers can
 * never vouch for the same one, and renaming it makes everybody a stranger.
 *
 * `principalClaim` is one claim, without a fallback: if a missing e-mail fell back to `sub`, whoever can choose
 * one of the two could take the name of someone known by the other. The default is `email`, which counts only
 * with `email_verified: true` and is compared in lower case. Providers that say nothing of verification
 * (Microsoft Entra, for one) need `principalClaim: sub`, or another claim that its users cannot change.
 * Groups carry no prefix: every provider named here is trusted to say who is in `admin`.
 */
export const ProviderConfig = z
  .object({
    name: ProviderName,
    issuer: z.string().max(1024),
    clientId: z.string().min(1).max(512),
    clientSecret: SecretReference,
    /** How the gateway shows the secret; by default what the provider's metadata offers, `basic` first. */
    clientAuthentication: z.enum(['basic', 'post']).optional(),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/))
      .max(50)
      .default(['openid', 'email', 'profile']),
    principalClaim: ClaimPath.default('email'),
    groupsClaim: ClaimPath.default('groups'),
    /**
     * Ask the provider for a fresh login, a choice of account, or consent, at every sign-in. Some providers give a
     * refresh token only with `consent` (OpenID Connect Core 11).
     */
    prompt: z.enum(['login', 'select_account', 'consent']).optional(),
    /** Ask for a refresh token where the provider's metadata offer `offline_access`, and check sign-ins with it. */
    offlineAccess: z.boolean().default(true),
    /** Each live sign-in with a refresh token is confirmed by the provider at least so often. */
    providerCheckMinutes: z.number().int().min(1).max(1440).default(5),
    /** Unconfirmed for longer than that, a sign-in begins no new session. Default: an hour, or two checks. */
    providerOutageMaxMinutes: z.number().int().min(2).max(10_080).optional(),
    /** Plain http to a provider on this machine: the demo's. */
    allowInsecureLoopback: z.boolean().default(false),
  })
  .strict()
  .superRefine((provider, context) => {
    const problem = issuerProblem(provider.issuer, provider.allowInsecureLoopback);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['issuer'], message: problem });
    if (!provider.scopes.includes('openid'))
      context.addIssue({ code: 'custom', path: ['scopes'], message: 'must contain openid' });
    if (provider.providerCheckMinutes >= outageMaxMinutes(provider))
      context.addIssue({
        code: 'custom',
        path: ['providerOutageMaxMinutes'],
        message: 'must be more than providerCheckMinutes',
      });
  });
export type ProviderConfig = z.infer<typeof ProviderConfig>;

/** For how many minutes a sign-in may go unconfirmed and still begin sessions. */
export function outageMaxMinutes(
  provider: Pick<ProviderConfig, 'providerCheckMinutes' | 'providerOutageMaxMinutes'>,
): number {
  return provider.providerOutageMaxMinutes ?? Math.max(60, 2 * provider.providerCheckMinutes);
}

/**
 * A platform whose OIDC tokens sign workloads in, without any stored secret (RFC 8693): CI systems, clusters, clouds.
 * Whoever can get a token with this audience from this issuer, and meets `require`, is `name/<principalClaim>`.
 */
export const WorkloadIssuer = z
  .object({
    name: ProviderName,
    /** Exactly as in the tokens' `iss`. */
    issuer: z.string().max(1024),
    audience: z.string().min(1).max(512),
    principalClaim: ClaimPath.default('sub'),
    groupsClaim: ClaimPath.default('groups'),
    /** Groups of everybody from here, besides those of the claim. */
    groups: z.array(z.string().min(1).max(256)).max(100).default([]),
    /** Claims that a token must have, each with one of these values: `{repository: org/app, ref: [main, release]}`. */
    require: z
      .record(ClaimPath, z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(100)]))
      .default({}),
    /** Where the issuer's metadata are not to be asked. */
    jwksUri: z.url().max(1024).optional(),
    /** How long such a sign-in lasts: `30m`, `12h`. */
    ttl: z
      .string()
      .regex(/^[1-9]\d{0,3}[mh]$/, 'minutes or hours: 30m, 12h')
      .default('1h')
      .transform((text) => Number(text.slice(0, -1)) * (text.endsWith('h') ? 3600_000 : 60_000)),
    allowInsecureLoopback: z.boolean().default(false),
  })
  .strict()
  .superRefine((issuer, context) => {
    const problem = issuerProblem(issuer.issuer, issuer.allowInsecureLoopback);
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['issuer'], message: problem });
  });
export type WorkloadIssuer = z.infer<typeof WorkloadIssuer>;

/** A provider with its secret resolved. */
export type ProviderSettings = Omit<ProviderConfig, 'clientSecret'> & { readonly clientSecret: string };

/** The `identity` part of the gateway's config file. */
export const IdentityConfig = z
  .object({
    providers: z.array(ProviderConfig).max(identityLimits.providersMax).default([]),
    workloadIssuers: z.array(WorkloadIssuer).max(identityLimits.workloadIssuersMax).default([]),
    misuse: MisuseRules.prefault({}),
    /**
     * Whoever the provider vouches for with exactly this claim gets the group `admin`. `email` counts only when
     * it is verified. With several providers, `provider` says whose word is meant.
     */
    bootstrapAdmin: z
      .object({ provider: ProviderName.optional(), claim: ClaimPath, value: z.string().min(1).max(256) })
      .strict()
      .optional(),
  })
  .strict()
  .superRefine((config, context) => {
    const names = config.providers.map((provider) => provider.name);
    // Its name is the first half of every principal: one for each who vouches.
    const all = [...names, ...config.workloadIssuers.map((issuer) => issuer.name)];
    const twice = all.find((name, index) => all.indexOf(name) !== index);
    if (twice !== undefined)
      context.addIssue({ code: 'custom', path: ['providers'], message: `two providers are named ${twice}` });
    const admin = config.bootstrapAdmin;
    if (admin === undefined) return;
    if (admin.provider === undefined ? names.length > 1 : !names.includes(admin.provider))
      context.addIssue({
        code: 'custom',
        path: ['bootstrapAdmin', 'provider'],
        message: 'must name one of the providers',
      });
  });
export type IdentityConfig = z.infer<typeof IdentityConfig>;

/** The config as the room takes it: secrets resolved by the server. */
export type IdentitySettings = Omit<IdentityConfig, 'providers'> & {
  readonly providers: readonly ProviderSettings[];
};

function issuerProblem(issuer: string, allowInsecureLoopback: boolean): string | undefined {
  if (!URL.canParse(issuer)) return 'must be a URL';
  const url = new URL(issuer);
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    return 'must be a URL without query, fragment or credentials';
  if (url.protocol === 'https:') return undefined;
  if (url.protocol === 'http:' && isLoopbackHost(url.hostname) && allowInsecureLoopback) return undefined;
  return 'must be an https URL (http only on loopback, with allowInsecureLoopback)';
}
