/** Bounds of the identity room. What other rooms must know too stands in contract/limits.ts. */
export const identityLimits = {
  /** How long a page waits for a provider that starts beside the gateway. */
  providerWaitMs: 15_000,
  /** An authorization code lives this long and is taken once. */
  authorizationCodeTtlMs: 60_000,
  authorizationCodesMax: 10_000,
  /** Used codes are remembered this long: a second use ends the sign-in that the first one began. */
  usedCodeTtlMs: 10 * 60_000,
  /** From the gateway's redirect to the provider until the provider's answer. */
  loginTtlMs: 10 * 60_000,
  loginsMax: 10_000,
  deviceCodeTtlMs: 10 * 60_000,
  deviceCodesMax: 5_000,
  /** RFC 8628 3.2 and 3.5: the first interval, and what `slow_down` adds. */
  devicePollIntervalMs: 5_000,
  deviceNameCharactersMax: 64,

  /** A nonce is issued for one period and accepted in that and the next one. */
  nonceRotationMs: 3 * 60_000,
  proofBytesMax: 4_096,
  proofIdBytesMax: 128,
  /** How far a device's clock may be off. Freshness comes from the nonce, so this may be generous. */
  clockSkewMsMax: 5 * 60_000,
  /** Proofs remembered per nonce period, of one key and of all. Full means refused, never forgotten. */
  proofsPerKeyMax: 20_000,
  proofsMax: 200_000,

  ticketsCachedMax: 10_000,
  /** Ended sign-ins kept in memory; the database holds them for good. */
  endedSignInsMax: 100_000,
  handlesPerSignInMax: 1_000,
  /** SSH keys of one device: one for each client that waits, and those of clients that were killed. */
  sshKeysPerSignInMax: 64,
  /** Processes of ended delegations are refused so long: longer than a sign-in lives. */
  endedDelegationsKeptMs: 24 * 3600_000,
  endedDelegationsMax: 50_000,
  endedDelegationsOfOneMax: 5_000,
  /** RFC 7677 4: at least 4096. The secret has 192 random bits, so a higher count buys nothing. */
  scramIterations: 4_096,
  handlePasswordBytesMax: 64,

  formBytesMax: 16 * 1024,
  queryBytesMax: 8 * 1024,
  addressesMax: 10_000,

  providersMax: 50,
  providerTimeoutMs: 10_000,
  providerResponseBytesMax: 1024 * 1024,
  providerMetadataTtlMs: 3600_000,
  /** Of one provider at once. */
  providerChecksMax: 4,
  /** A check that failed is made again after this, or after the provider's interval where that is shorter. */
  providerCheckAgainMs: 5 * 60_000,
  /** Larger refresh tokens are not kept. */
  providerTokenBytesMax: 16 * 1024,
  /** `sub` and `sid`: OpenID Connect Core 2 bounds the first at 255. */
  subjectCharactersMax: 255,
  /** A provider's keys are read again for a key that is not known, at most so often. */
  providerKeysAgainMs: 60_000,
  logoutTokenBytesMax: 12 * 1024,
  /** Logout tokens are sent at once: an older one is none. Their ids are remembered for as long. */
  logoutTokenAgeMsMax: 10 * 60_000,
  logoutClockSkewMs: 60_000,
  logoutsMax: 100_000,
  /** A logout also ends what is still on its way from the provider to a sign-in. */
  logoutKeptMs: 30 * 60_000,
  groupsMax: 1_000,
  groupBytesMax: 256,
  displayNameCharactersMax: 128,
  peopleMax: 100_000,
  /** Of a platform's token, and how old one may be. */
  workloadTokenBytesMax: 12 * 1024,
  workloadTokenLifeMsMax: 24 * 3600_000,
  workloadTokensMax: 100_000,
  workloadIssuersMax: 50,
  /** For a key that is not known, an issuer is asked again at most so often. */
  workloadKeysAgainMs: 60_000,
  purgeIntervalMs: 10 * 60_000,
} as const;

/** Token buckets per remote address: so many at once, so many a second after that. */
export const rates = {
  authorize: { burst: 60, perSecond: 2 },
  /** Also bounds guesses at user codes: 20^8 codes, one guess every two seconds. */
  device: { burst: 30, perSecond: 0.5 },
  deviceAuthorization: { burst: 30, perSecond: 1 },
  token: { burst: 200, perSecond: 20 },
  /** One provider signs everybody out at once, from one address. */
  logout: { burst: 1_000, perSecond: 100 },
  /** Refusals that are written to the audit log; beyond it the caller is told to wait and nothing is judged. */
  refusal: { burst: 60, perSecond: 1 },
} as const;
