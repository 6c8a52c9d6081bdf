/**
 * Which session settings a client may change. Names compare without case, as in guc.c.
 *
 * harmless: planner, time-outs, output format of numbers and times.
 * session: changes what names mean, so that verdicts are made again.
 * write: settings of the application's own (`app.tenant`): row-level security of the target may hang on them.
 * admin: everything else, unknown ones included.
 */
export type SettingClass =
  | 'harmless'
  | 'session'
  | 'application-name'
  | 'write'
  | 'admin'
  | { readonly forbidden: string };

const harmless: ReadonlySet<string> = new Set(
  `array_nulls bytea_output check_function_bodies client_connection_check_interval client_min_messages
  constraint_exclusion cursor_tuple_fraction datestyle default_statistics_target default_table_access_method
  default_tablespace default_text_search_config default_toast_compression default_with_oids effective_cache_size
  effective_io_concurrency escape_string_warning extra_float_digits force_parallel_mode debug_parallel_query
  from_collapse_limit gin_fuzzy_search_limit gin_pending_list_limit hash_mem_multiplier icu_validation_level
  idle_in_transaction_session_timeout idle_session_timeout intervalstyle join_collapse_limit lc_monetary lc_numeric
  lc_time lock_timeout logical_decoding_work_mem maintenance_io_concurrency maintenance_work_mem plan_cache_mode
  quote_all_identifiers random_page_cost recursive_worktable_factor restrict_nonsystem_relation_kind row_security seed
  seq_page_cost statement_timeout stats_fetch_consistency synchronize_seqscans synchronous_commit temp_buffers
  temp_tablespaces timezone timezone_abbreviations transaction_timeout transform_null_equals work_mem xmlbinary
  xmloption transaction_isolation transaction_read_only transaction_deferrable default_transaction_isolation
  default_transaction_read_only default_transaction_deferrable`.split(/\s+/),
);
const harmlessFamily =
  /^(enable_|jit$|jit_|geqo$|geqo_|cpu_|parallel_|max_parallel_|min_parallel_|vacuum_|tcp_)[a-z_]*$/;

/** Values under which the parser and the target read the same bytes alike. */
const pinned: ReadonlyMap<string, { readonly allowed: RegExp; readonly why: string }> = new Map([
  [
    'standard_conforming_strings',
    { allowed: /^(on|true|tru|tr|t|yes|ye|y|1)$/i, why: 'changes how quotes are read' },
  ],
  ['client_encoding', { allowed: /^\s*(utf-?8|unicode)\s*$/i, why: 'changes how bytes are read' }],
  ['backslash_quote', { allowed: /^safe_encoding$/i, why: 'changes how quotes are read' }],
]);

const forbidden: ReadonlyMap<string, string> = new Map([
  ['role', 'changes who acts'],
  ['session_authorization', 'changes who acts'],
  ['is_superuser', 'changes who acts'],
  ['session_preload_libraries', 'loads code into the server'],
  ['local_preload_libraries', 'loads code into the server'],
  ['shared_preload_libraries', 'loads code into the server'],
  ['dynamic_library_path', 'loads code into the server'],
  ['jit_provider', 'loads code into the server'],
  ['archive_command', 'runs a program on the server'],
  ['restore_command', 'runs a program on the server'],
  ['ssl_passphrase_command', 'runs a program on the server'],
]);

/**
 * `value`: the new value's text; undefined: it cannot be known from the text; null: back to the session's start-up
 * value, which the gateway has pinned.
 */
export function settingClass(name: string, value: string | undefined | null): SettingClass {
  const setting = name.toLowerCase();
  const never = forbidden.get(setting);
  if (never !== undefined) return { forbidden: `${setting} ${never}` };
  const pin = pinned.get(setting);
  if (pin !== undefined) {
    if (value === null || (value !== undefined && pin.allowed.test(value))) return 'harmless';
    return { forbidden: `${setting} ${pin.why}` };
  }
  if (setting === 'application_name') return 'application-name';
  if (setting === 'search_path') return 'session';
  if (harmless.has(setting) || harmlessFamily.test(setting)) return 'harmless';
  return setting.includes('.') ? 'write' : 'admin';
}
