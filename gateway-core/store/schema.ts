/**
 * The state database: what the gateway must remember to decide. What *happened* is in the audit log and the
 * recordings, never here. Portable SQL: text, integers (milliseconds since 1970) and blobs only.
 */
export interface MetaTable {
  key: string;
  value: string;
}

export interface ConnectionsTable {
  name: string;
  /** ConnectionConfig as JSON without its credential. */
  config: string;
  /** The credential's references and literals as JSON, sealed with the secrets key, bound to name and address. */
  credential: Uint8Array | null;
  /** SHA-256 of config, hex: to see whether a put changes anything. */
  digest: string;
  updated_at_ms: number;
  updated_by: string;
}

export interface PoliciesTable {
  /** Order of the puts; the highest is in force. */
  number: number;
  version: string;
  text: string;
  put_at_ms: number;
  put_by: string;
}

export interface SignInsTable {
  id: string;
  principal: string;
  display_name: string;
  /** JSON array of strings. */
  groups: string;
  method: string;
  /** RFC 7638 thumbprint of the device's key. */
  device_key: string;
  /** SHA-256 of the refresh token in force, hex; null once signed out. */
  refresh_hash: string | null;
  /** SHA-256 of the one before: its use means theft, and ends the sign-in. */
  refresh_hash_before: string | null;
  created_at_ms: number;
  expires_at_ms: number;
  last_seen_at_ms: number;
  ended_at_ms: number | null;
  end_cause: string | null;
  /** Name of the identity provider that vouched, and the `sub` and `sid` of its id_token; null: it came another way. */
  provider: string | null;
  provider_subject: string | null;
  provider_sid: string | null;
  /** The provider's refresh token, sealed and bound to sign-in, provider and issuer; null: it gave none, or it is over. */
  provider_token: Uint8Array | null;
  /** When the provider last confirmed it. */
  provider_checked_at_ms: number | null;
  /** When the token was last sent without an answer so far: what it was exchanged for may be lost. */
  provider_asked_at_ms: number | null;
}

export interface TicketsTable {
  /** SHA-256 of the ticket, hex. The ticket itself is never stored. */
  hash: string;
  sign_in: string;
  expires_at_ms: number;
}

export interface HandlesTable {
  /** DelegationId. */
  id: string;
  sign_in: string;
  connection: string;
  /** Chain as JSON: what sessions with this handle are attributed to. */
  chain: string;
  groups: string;
  /** SCRAM-SHA-256 verifier (RFC 5802): salt, StoredKey, ServerKey, base64; the handle's secret is never stored. */
  scram_salt: string;
  scram_iterations: number;
  scram_stored_key: string;
  scram_server_key: string;
  expires_at_ms: number;
  sessions_max: number;
  sessions_used: number;
  created_at_ms: number;
  ended_at_ms: number | null;
}

export interface DelegationsTable {
  /** DelegationId. */
  id: string;
  sign_in: string;
  principal: string;
  /** Chain above it as JSON, with the assurance that each hop had when this was minted, and their scopes. */
  chain: string;
  scopes: string;
  groups: string;
  /** Delegations above it and itself, outermost first, as a JSON array. */
  path: string;
  label: string;
  /** Scope as JSON: already within what everything above may. */
  scope: string;
  depth: number;
  depth_max: number;
  purpose: string | null;
  trace: string;
  minted: string;
  /** RFC 7638 thumbprint of its own key. */
  key: string | null;
  /** SHA-256 of the handle, hex, and the handle's SCRAM verifier as JSON. */
  handle_hash: string | null;
  handle_scram: string | null;
  /** SHA-256 of the offline token, hex. */
  token_hash: string | null;
  /** {device, bootId, pid, startTicks} as JSON. */
  evidence: string | null;
  sessions_max: number;
  sessions_used: number;
  children_max: number;
  children_used: number;
  created_at_ms: number;
  expires_at_ms: number;
  ended_at_ms: number | null;
  end_cause: string | null;
}

/** Desktops that record, as their uploads showed them: for people to see, nothing is decided by it. */
export interface SpoolDevicesTable {
  /** RFC 7638 thumbprint. */
  device: string;
  principal: string;
  last_seen_at_ms: number;
  /** SpoolBacklog as JSON. */
  backlog: string | null;
  /** {at, segment, code, reason} as JSON. */
  refused: string | null;
}

/** Host keys that targets had at first contact, where an admin asked for that. */
export interface TargetHostKeysTable {
  connection: string;
  /** Elsewhere is another target. */
  address: string;
  /** As in known_hosts, behind the name. */
  line: string;
  /** `SHA256:...` */
  fingerprint: string;
  seen_at_ms: number;
}

/** Keys with which devices sign in at the SSH listener, each for one connection. */
export interface SshKeysTable {
  /** SHA-256 of the public key, base64url. */
  id: string;
  sign_in: string;
  connection: string;
  created_at_ms: number;
  expires_at_ms: number;
}

export interface StateSchema {
  meta: MetaTable;
  connections: ConnectionsTable;
  policies: PoliciesTable;
  sign_ins: SignInsTable;
  tickets: TicketsTable;
  handles: HandlesTable;
  delegations: DelegationsTable;
  spool_devices: SpoolDevicesTable;
  target_host_keys: TargetHostKeysTable;
  ssh_keys: SshKeysTable;
}
