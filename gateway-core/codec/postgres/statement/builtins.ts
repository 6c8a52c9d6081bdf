import { immutableNames, setReturningNames, stableNames, volatileNames } from './builtin-names.js';

type Volatility = 'immutable' | 'stable' | 'volatile';

/** Added by PostgreSQL 16 to 18, as far as statements of people and tools use them. */
const newerImmutable = `array_reverse array_sort casefold crc32 crc32c erf erfc gamma lgamma to_bin to_oct unicode_version
  unicode_assigned icu_unicode_version uuid_extract_timestamp uuid_extract_version xmltext jsonb_strip_nulls
  json_strip_nulls any_value any_value_transfn date_add date_subtract range_agg`;
const newerStable = `pg_input_is_valid pg_input_error_info system_user pg_get_acl pg_basetype to_regtypemod
  has_largeobject_privilege pg_column_toast_chunk_id pg_get_loaded_modules pg_get_wait_events pg_split_walfile_name
  pg_stat_get_lastscan pg_stat_get_ins_since_vacuum pg_stat_get_io pg_get_sequence_data pg_numa_available`;
const newerVolatile = `random_normal array_sample array_shuffle uuidv4 uuidv7 pg_available_wal_summaries
  pg_log_standby_snapshot pg_sync_replication_slots pg_clear_relation_stats pg_restore_relation_stats
  pg_clear_attribute_stats pg_restore_attribute_stats pg_set_relation_stats pg_set_attribute_stats`;

function namesOf(...lists: readonly string[]): string[] {
  return lists.flatMap((list) => list.split(/\s+/)).filter((name) => name !== '');
}

const volatilityOf: ReadonlyMap<string, Volatility> = new Map([
  ...namesOf(immutableNames, newerImmutable).map((name) => [name, 'immutable'] as const),
  ...namesOf(stableNames, newerStable).map((name) => [name, 'stable'] as const),
  ...namesOf(volatileNames, newerVolatile).map((name) => [name, 'volatile'] as const),
]);

const setReturning: ReadonlySet<string> = new Set(namesOf(setReturningNames));

/**
 * Volatile built-ins that change nothing, reveal nothing of the server's files and end nobody's session. set_config
 * is judged by its arguments.
 */
const harmlessVolatile: ReadonlySet<string> = new Set(
  namesOf(`amvalidate array_sample array_shuffle bernoulli clock_timestamp current_query currtid2 currval gen_random_uuid
  lastval lo_close lo_get lo_lseek lo_lseek64 lo_open lo_tell lo_tell64 loread pg_advisory_lock
  pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared pg_advisory_xact_lock
  pg_advisory_xact_lock_shared pg_blocking_pids pg_collation_actual_version pg_control_checkpoint pg_control_init
  pg_control_recovery pg_control_system pg_current_wal_flush_lsn pg_current_wal_insert_lsn pg_current_wal_lsn
  pg_database_collation_actual_version pg_database_size pg_export_snapshot pg_get_backend_memory_contexts
  pg_get_multixact_members pg_get_shmem_allocations pg_get_wal_replay_pause_state pg_get_wal_resource_managers
  pg_indexes_size pg_is_in_recovery pg_is_wal_replay_paused pg_isolation_test_session_is_blocked pg_jit_available
  pg_last_committed_xact pg_last_wal_receive_lsn pg_last_wal_replay_lsn pg_last_xact_replay_timestamp pg_lock_status
  pg_notification_queue_usage pg_partition_ancestors pg_partition_tree pg_prepared_xact pg_relation_size
  pg_safe_snapshot_blocking_pids pg_sequence_last_value pg_show_replication_origin_status pg_sleep pg_sleep_for
  pg_sleep_until pg_stat_clear_snapshot pg_stat_force_next_flush pg_stat_get_recovery_prefetch
  pg_stat_get_xact_blocks_fetched pg_stat_get_xact_blocks_hit pg_stat_get_xact_function_calls
  pg_stat_get_xact_function_self_time pg_stat_get_xact_function_total_time pg_stat_get_xact_numscans
  pg_stat_get_xact_tuples_deleted pg_stat_get_xact_tuples_fetched pg_stat_get_xact_tuples_hot_updated
  pg_stat_get_xact_tuples_inserted pg_stat_get_xact_tuples_returned pg_stat_get_xact_tuples_updated
  pg_stat_have_stats pg_table_size pg_tablespace_size pg_total_relation_size pg_try_advisory_lock
  pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_xact_commit_timestamp
  pg_xact_commit_timestamp_origin pg_xact_status random random_normal set_config setseed system timeofday txid_status uuidv4
  uuidv7`),
);

/** Volatile built-ins that write what a statement could write as well. */
const writing: ReadonlySet<string> = new Set(
  namesOf(
    `nextval setval pg_notify lo_creat lo_create lo_from_bytea lo_put lo_truncate lo_truncate64 lo_unlink lowrite`,
  ),
);

/** Built-ins that run SQL given as text, or read tables given by name: no analysis can see what they reach. */
const runsText: ReadonlySet<string> = new Set(
  namesOf(`query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema table_to_xml
  table_to_xmlschema table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema
  database_to_xml database_to_xmlschema database_to_xml_and_xmlschema ts_stat ts_rewrite
  pg_logical_slot_get_changes pg_logical_slot_peek_changes pg_logical_slot_get_binary_changes
  pg_logical_slot_peek_binary_changes pg_read_file pg_read_binary_file pg_read_file_old`),
);

/** Built-ins that show samples of columns, or the text of other people's statements. */
const showsStatistics: ReadonlySet<string> = new Set(
  namesOf('pg_mcv_list_items pg_stat_get_activity pg_stat_get_backend_activity'),
);

/** Extension functions with the power of the server's operating system user, or with a password in their arguments. */
const adminExtension = /^(dblink|pg_file_|pg_logdir_ls|plperlu?_|plpythonu?_|pg_execute_)/;
const secretArguments = /^(dblink|crypt$|hmac$|encrypt(_iv)?$|decrypt(_iv)?$|pgp_(sym|pub)_|digest$)/;

export interface FunctionName {
  /** As listed in facts: lower case, schema-qualified where written so; with quotes where case matters. */
  readonly listed: string;
  /** The bare name of a pg_catalog function; undefined for every other. */
  readonly builtin: string | undefined;
  /** The last part as the catalog has it. */
  readonly last: string;
}

/** Reads a function's name as the tree has it. */
export function functionName(parts: readonly string[]): FunctionName {
  const last = parts.at(-1) ?? '';
  const listed = parts
    .map((part) => (/^[^A-Z".]*$/.test(part) ? part : `"${part.replaceAll('"', '""')}"`))
    .join('.');
  const system = parts.length === 2 && (parts[0] === 'pg_catalog' || parts[0] === 'information_schema');
  const known =
    (parts.length === 1 || parts[0] === 'pg_catalog') && parts.length <= 2
      ? volatilityOf.has(last)
      : system && last.startsWith('_pg_');
  return { listed, last, builtin: known ? last : undefined };
}

/** Whether a name out of `StatementFacts.functions` is PostgreSQL's own, as of version 18. */
export function isBuiltin(listed: string): boolean {
  if (volatilityOf.has(listed)) return true;
  if (listed.startsWith('pg_catalog.')) return volatilityOf.has(listed.slice('pg_catalog.'.length));
  return listed.startsWith('information_schema._pg_') && !listed.includes('"');
}

/** What calling a function asks for. Functions that are not built in may do anything their author wrote: write. */
export function functionAction(name: FunctionName): 'sql:read' | 'sql:write' | 'sql:admin' {
  if (name.builtin === undefined) return adminExtension.test(name.last) ? 'sql:admin' : 'sql:write';
  if (runsText.has(name.builtin)) return 'sql:admin';
  if (writing.has(name.builtin)) return 'sql:write';
  if (volatilityOf.get(name.builtin) !== 'volatile' || harmlessVolatile.has(name.builtin)) return 'sql:read';
  return 'sql:admin';
}

export function isVolatileBuiltin(builtin: string): boolean {
  return volatilityOf.get(builtin) === 'volatile';
}

export function isSetReturning(builtin: string): boolean {
  return setReturning.has(builtin);
}

export function runsTextAsQuery(builtin: string): boolean {
  return runsText.has(builtin);
}

export function showsColumnStatistics(builtin: string): boolean {
  return showsStatistics.has(builtin);
}

export function takesSecrets(name: FunctionName): boolean {
  return secretArguments.test(name.last);
}
