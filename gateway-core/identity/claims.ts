import { PrincipalId } from '../contract/ids.js';
import { identityLimits } from './limits.js';

export type Claims = Readonly<Record<string, unknown>>;

/** How one provider's claims are read. */
export interface ClaimRules {
  readonly name: string;
  readonly principalClaim: string;
  readonly groupsClaim: string;
}

export interface BootstrapAdmin {
  /** Whose word counts; undefined: any provider's. */
  readonly provider: string | undefined;
  readonly claim: string;
  readonly value: string;
}

/** Who signed in. */
export interface Person {
  readonly principal: PrincipalId;
  readonly displayName: string;
  readonly groups: readonly string[];
  /** The provider's login behind this; absent: the person came another way. */
  readonly login?: ProviderLogin;
}

/** What of a login at a provider outlives it. Lives in memory until the sign-in begins; then the token is sealed. */
export interface ProviderLogin {
  readonly provider: string;
  /** As in the config. */
  readonly issuer: string;
  readonly subject: string;
  /** The provider's name for its own session, when the id_token holds one. */
  readonly sid: string | undefined;
  readonly refreshToken: string | undefined;
  /** Not after the provider vouched. */
  readonly atMs: number;
}

export type PersonResult =
  | { readonly ok: true; readonly person: Person }
  /** `reason` is fixed text: it goes into the audit log and onto the page. */
  | { readonly ok: false; readonly reason: string; readonly action: string };

/** An own member of that name, or else a dotted path of own members. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const part of path.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, part)) return undefined;
    value = value[part];
  }
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The person that a provider's verified claims speak of. Refuses rather than guesses: an unverified e-mail, a
 * missing claim, or groups that are malformed, too many or left out by the provider (a `forbid` for a group that
 * was silently dropped would not fire).
 */
export function personOf(claims: Claims, rules: ClaimRules, admin: BootstrapAdmin | undefined): PersonResult {
  const principal = principalOf(claims, rules);
  if (!principal.ok) return principal;
  const groups = groupsOf(claims, rules.groupsClaim);
  if (groups === undefined)
    return {
      ok: false,
      reason: 'the groups claim is malformed or was left out because there are too many groups',
      action: `ask the operator to make the provider send ${rules.groupsClaim} as a list of names`,
    };
  return {
    ok: true,
    person: {
      principal: principal.id,
      displayName: displayNameOf(claims, principal.id),
      groups: isBootstrapAdmin(claims, rules, admin) ? [...new Set([...groups, 'admin'])] : groups,
    },
  };
}

function principalOf(
  claims: Claims,
  rules: ClaimRules,
): { ok: true; id: PrincipalId } | { ok: false; reason: string; action: string } {
  const value = textClaim(claims, rules.principalClaim);
  if (value === undefined)
    return rules.principalClaim === 'email'
      ? {
          ok: false,
          reason: 'the provider does not vouch for a verified e-mail address',
          action: 'verify the address at the provider, or ask the operator to set principalClaim',
        }
      : {
          ok: false,
          reason: 'the claim that names the principal is missing',
          action: `ask the operator to check principalClaim (${rules.principalClaim})`,
        };
  const id = PrincipalId.safeParse(`${rules.name}/${value}`);
  // Invisible characters would let two principals look alike in a log or a policy.
  if (id.success && !/\p{Cf}/u.test(value)) return { ok: true, id: id.data };
  return {
    ok: false,
    reason: 'the claim that names the principal is too long or holds characters that a name cannot have',
    action: `ask the operator to check principalClaim (${rules.principalClaim})`,
  };
}

/** A claim's text. An e-mail address counts only when verified, and then in one spelling. */
function textClaim(claims: Claims, path: string): string | undefined {
  const value = claimAt(claims, path);
  if (typeof value !== 'string' || value === '') return undefined;
  if (path !== 'email') return value;
  return claims.email_verified === true ? value.normalize('NFC').toLowerCase() : undefined;
}

function groupsOf(claims: Claims, path: string): readonly string[] | undefined {
  const value = claimAt(claims, path);
  if (value === undefined || value === null) {
    // OpenID Connect Core 5.6.2: the claim stands elsewhere. Entra does so above 200 groups.
    const elsewhere = claimAt(claims, '_claim_names');
    return isRecord(elsewhere) && Object.hasOwn(elsewhere, path) ? undefined : [];
  }
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length > identityLimits.groupsMax) return undefined;
  const groups = list.filter((group): group is string => typeof group === 'string' && isGroupName(group));
  return groups.length === list.length ? [...new Set(groups)] : undefined;
}

function isGroupName(group: string): boolean {
  return (
    group !== '' && Buffer.byteLength(group) <= identityLimits.groupBytesMax && !/\p{Cc}|\p{Cf}/u.test(group)
  );
}

function isBootstrapAdmin(claims: Claims, rules: ClaimRules, admin: BootstrapAdmin | undefined): boolean {
  if (admin === undefined || (admin.provider !== undefined && admin.provider !== rules.name)) return false;
  const wanted = admin.claim === 'email' ? admin.value.normalize('NFC').toLowerCase() : admin.value;
  return textClaim(claims, admin.claim) === wanted;
}

function displayNameOf(claims: Claims, principal: string): string {
  const candidates = [claims.name, claims.preferred_username, claims.email];
  const name = candidates.find((value) => typeof value === 'string' && cleanText(value) !== '');
  return typeof name === 'string' ? cleanText(name) : principal;
}

/** Text that somebody else chose, fit for one line of a page or a log. */
export function cleanText(
  text: string,
  charactersMax: number = identityLimits.displayNameCharactersMax,
): string {
  return text
    .slice(0, charactersMax * 4)
    .replace(/[\p{C}\p{Z}]+/gu, ' ')
    .trim()
    .slice(0, charactersMax)
    .trim();
}
