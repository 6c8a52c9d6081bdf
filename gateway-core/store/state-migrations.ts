/**
 * The state database's schema, step by step; `user_version` counts the steps that were made. A step that was
 * released is never changed: what comes later is a new step. Each is portable SQL but for STRICT.
 */
export const stateMigrations: readonly string[] = [
  `
  create table meta (key text primary key, value text not null) strict;

  create table connections (
    name text primary key,
    config text not null,
    credential blob,
    digest text not null,
    updated_at_ms integer not null,
    updated_by text not null
  ) strict;

  create table policies (
    number integer primary key,
    version text not null,
    text text not null,
    put_at_ms integer not null,
    put_by text not null
  ) strict;

  create table sign_ins (
    id text primary key,
    principal text not null,
    display_name text not null,
    groups text not null,
    method text not null,
    device_key text not null,
    refresh_hash text,
    refresh_hash_before text,
    created_at_ms integer not null,
    expires_at_ms integer not null,
    last_seen_at_ms integer not null,
    ended_at_ms integer,
    end_cause text
  ) strict;
  create index sign_ins_by_principal on sign_ins (principal);
  create index sign_ins_by_refresh on sign_ins (refresh_hash);
  create index sign_ins_by_refresh_before on sign_ins (refresh_hash_before);
  create index sign_ins_by_expiry on sign_ins (expires_at_ms);

  create table tickets (
    hash text primary key,
    sign_in text not null,
    expires_at_ms integer not null
  ) strict;
  create index tickets_by_sign_in on tickets (sign_in);
  create index tickets_by_expiry on tickets (expires_at_ms);

  create table handles (
    id text primary key,
    sign_in text not null,
    connection text not null,
    chain text not null,
    groups text not null,
    scram_salt text not null,
    scram_iterations integer not null,
    scram_stored_key text not null,
    scram_server_key text not null,
    expires_at_ms integer not null,
    sessions_max integer not null,
    sessions_used integer not null,
    created_at_ms integer not null,
    ended_at_ms integer
  ) strict;
  create index handles_by_sign_in on handles (sign_in);
  create index handles_by_expiry on handles (expires_at_ms);
  `,
  `
  create table delegations (
    id text primary key,
    sign_in text not null,
    principal text not null,
    chain text not null,
    scopes text not null,
    groups text not null,
    path text not null,
    label text not null,
    scope text not null,
    depth integer not null,
    depth_max integer not null,
    purpose text,
    trace text not null,
    minted text not null,
    key text,
    handle_hash text,
    handle_scram text,
    token_hash text,
    evidence text,
    sessions_max integer not null,
    sessions_used integer not null,
    children_max integer not null,
    children_used integer not null,
    created_at_ms integer not null,
    expires_at_ms integer not null,
    ended_at_ms integer,
    end_cause text
  ) strict;
  create index delegations_by_sign_in on delegations (sign_in);
  create index delegations_by_expiry on delegations (expires_at_ms);
  `,
  `
  alter table sign_ins add column provider text;
  alter table sign_ins add column provider_subject text;
  alter table sign_ins add column provider_sid text;
  alter table sign_ins add column provider_token blob;
  alter table sign_ins add column provider_checked_at_ms integer;
  alter table sign_ins add column provider_asked_at_ms integer;
  create index sign_ins_by_provider_subject on sign_ins (provider, provider_subject);
  create index sign_ins_by_provider_sid on sign_ins (provider, provider_sid);
  `,
  `
  create table spool_devices (
    device text primary key,
    principal text not null,
    last_seen_at_ms integer not null,
    backlog text,
    refused text
  ) strict;
  `,
  `
  create table target_host_keys (
    connection text not null,
    address text not null,
    line text not null,
    fingerprint text not null,
    seen_at_ms integer not null,
    primary key (connection, address, fingerprint)
  ) strict;
  `,
  `
  create table ssh_keys (
    id text primary key,
    sign_in text not null,
    connection text not null,
    created_at_ms integer not null,
    expires_at_ms integer not null
  ) strict;
  create index ssh_keys_by_sign_in on ssh_keys (sign_in);
  create index ssh_keys_by_expiry on ssh_keys (expires_at_ms);
  `,
];
