"""The lists of what a statement may use: a name that is on none of them is refused."""

from __future__ import annotations

from typing import Any

from sqlglot import exp

FUNCTIONS = frozenset(
    [
        "abs", "add_months", "and", "any", "approx_distinct", "ascii", "avg", "bit_length",
        "bool_and", "bool_or", "btrim", "byte_length", "case", "cast", "ceil", "chr",
        "coalesce", "concat", "convert_timezone", "cos", "count", "cume_dist",
        "current_database", "current_date", "current_schema", "current_timestamp",
        "current_user", "current_version", "date_add", "date_diff", "date_part",
        "date_trunc", "dateadd", "datediff", "decode_case", "degrees", "dense_rank",
        "distinct_fn", "exists", "exp", "extract", "filter", "first_value", "floor",
        "from_base", "getdate", "greatest", "group_concat", "hex", "if", "initcap",
        "isnull", "json_extract_path_text", "lag", "last_day", "last_value", "lead",
        "least", "left", "len", "length", "length_b", "ln", "log", "logical_and",
        "logical_or", "lower",  "ltrim", "max", "md5", "median", "min", "mod",
        "months_between", "not", "nth_value", "ntile", "nullif", "nvl2", "octet_length",
        "or", "pad", "percent_rank", "percentile_cont", "percentile_disc", "approx_quantile",
        "ignore_nulls", "respect_nulls", "grouping", "session_user", "date", "pg_backend_pid",
        "pg_last_copy_count", "pg_last_copy_id", "pg_last_query_id", "pg_last_unload_count",
        "pg_last_unload_id", "pi", "pow", "power", "quantile", "radians", "rand", "random",
        "rank", "ratio_to_report", "regexp_count", "regexp_extract", "regexp_like",
        "regexp_replace", "regexp_substr", "repeat", "replace", "reverse", "right", "round",
        "row_number", "rtrim", "safe_divide", "sign", "sin", "split_part", "sqrt", "stddev",
        "stddev_pop", "stddev_samp", "str_position", "str_to_date", "str_to_time", "strpos",
        "substring", "sum", "tan", "timestamp_add", "timestamp_diff", "timestamp_trunc",
        "to_char", "to_date", "to_hex", "to_number", "to_timestamp", "translate", "trim",
        "trunc", "try_cast", "ts_or_ds_add", "ts_or_ds_diff", "ts_or_ds_to_date", "upper",
        "current_user_id", "current_setting", "localtimestamp", "pg_terminate_backend",
        "pg_cancel_backend",
        "values", "variance", "variance_pop", "xor",
    ]
)  # fmt: skip
# These the server has by Redshift's name: PostgreSQL's own, or one of catalog/41.
SAME_BY_NAME = frozenset(
    [
        "acos", "age", "any_value", "asin", "atan", "atan2", "bit_and", "bit_or", "bpcharcmp",
        "bttext_pattern_cmp", "cbrt", "charlen", "checksum", "cosh", "cot", "crc32", "date_cmp",
        "date_cmp_timestamp", "date_cmp_timestamptz", "date_part_year", "dexp", "dlog1",
        "dlog10", "fnv_hash", "func_sha1", "interval_cmp", "is_valid_json",
        "is_valid_json_array", "json_array_length", "json_extract_array_element_text",
        "difference", "next_day", "octetindex", "quote_ident", "quote_literal", "regexp_instr",
        "replicate", "sha", "sha1", "sha2", "sinh", "soundex", "tanh", "timeofday", "timestamp_cmp",
        "timestamp_cmp_date", "timestamp_cmp_timestamptz", "timestamptz_cmp",
        "timestamptz_cmp_date", "timestamptz_cmp_timestamp", "timezone",
    ]
)  # fmt: skip
# What clients ask PostgreSQL's catalog with; allowed where a query reads system relations only.
CATALOG_FUNCTIONS = frozenset(
    [
        "acldefault", "aclexplode", "any_value", "array", "array_agg", "array_concat",
        "array_length", "array_lower", "array_position", "array_remove", "array_size",
        "array_to_string", "array_upper", "bool", "cardinality", "col_description", "collate",
        "concat_ws", "current_catalog", "current_database", "current_schemas", "explode",
        "exploding_generate_series",
        "format", "format_encoding", "format_type", "generate_series", "getdatabaseencoding",
        "has_any_column_privilege", "has_column_privilege", "has_database_privilege",
        "has_function_privilege", "has_schema_privilege", "has_sequence_privilege",
        "has_table_privilege", "information_schema._pg_expandarray", "json_agg", "obj_description",
        "pg_available_extensions", "pg_char_to_encoding", "pg_collation_is_visible",
        "pg_conversion_is_visible", "pg_database_size", "pg_encoding_to_char",
        "pg_function_is_visible",
        "pg_get_cols", "pg_get_constraintdef",
        "pg_get_late_binding_view_cols", "pg_get_expr", "pg_get_function_arguments",
        "pg_get_function_identity_arguments", "pg_get_function_result", "pg_get_function_sqlbody",
        "pg_get_functiondef", "pg_get_indexdef", "pg_get_keywords", "pg_get_partkeydef",
        "pg_get_publication_tables", "pg_get_ruledef", "pg_get_serial_sequence",
        "pg_get_statisticsobjdef_columns", "pg_get_triggerdef", "pg_get_userbyid", "pg_get_viewdef",
        "pg_has_role", "pg_indexes_size", "pg_is_other_temp_schema", "pg_my_temp_schema",
        "pg_opclass_is_visible", "pg_operator_is_visible", "pg_partition_ancestors",
        "pg_opfamily_is_visible",
        "pg_relation_is_publishable", "pg_relation_size", "pg_size_pretty",
        "pg_statistics_obj_is_visible", "pg_table_is_visible", "pg_table_size",
        "pg_tablespace_location", "pg_total_relation_size", "pg_ts_config_is_visible",
        "pg_ts_dict_is_visible", "pg_ts_parser_is_visible", "pg_ts_template_is_visible",
        "pg_type_is_visible", "posexplode", "quote_ident", "quote_literal", "regexp_matches",
        "regexp_split", "session_user", "shobj_description", "split", "starts_with", "string_agg",
        "string_to_array", "to_json", "to_regclass", "txid_current", "typeof", "unnest", "version",
    ]
)  # fmt: skip
# Fields of what those functions return: information_schema._pg_expandarray, aclexplode.
CATALOG_ATTRIBUTES = frozenset(["n", "x", "grantor", "grantee", "privilege_type", "is_grantable"])
# PostgreSQL takes row.function for function(row).
ROW_FUNCTIONS = frozenset(
    [
        "any_out", "any_value", "anycompatible_out", "anyelement_out", "anynonarray_out",
        "array_agg", "cume_dist", "dense_rank", "first_value", "hash_record", "json_agg",
        "json_agg_strict", "json_build_array", "json_build_object", "jsonb_agg",
        "jsonb_agg_strict", "jsonb_build_array", "jsonb_build_object", "last_value",
        "num_nonnulls", "num_nulls", "percent_rank", "pg_collation_for", "pg_column_compression",
        "pg_column_size", "pg_column_toast_chunk_id", "pg_restore_attribute_stats",
        "pg_restore_relation_stats", "pg_typeof", "quote_literal", "quote_nullable", "record_out",
        "record_send", "row_to_json", "to_json", "to_jsonb",
    ]
)  # fmt: skip
# The relations of pg_catalog that show a client nothing but what it may read.
CATALOG = frozenset(
    [
        "aggregate", "am", "amop", "amproc", "attrdef", "attribute",
        "attribute_info", "auth_members", "cast", "class", "collation",
        "constraint", "conversion", "database", "db_role_setting", "default_acl", "depend",
        "description", "enum",
        "event_trigger", "extension", "foreign_data_wrapper", "foreign_server", "foreign_table",
        "group", "index", "indexes", "inherits", "language", "largeobject_metadata", "matviews",
        "namespace", "opclass", "operator", "opfamily", "partitioned_table", "policies", "policy",
        "proc", "proc_info", "publication",
        "publication_namespace", "publication_rel", "publication_tables",
        "range", "rewrite", "roles", "rules", "seclabel", "seclabels", "sequence", "sequences",
        "settings", "shdepend", "shdescription", "statistic_ext", "stats", "stats_ext",
        "subscription",
        "table_def", "tables",
        "tablespace", "timezone_names", "trigger", "ts_config", "ts_dict", "ts_parser",
        "ts_template", "type", "user", "user_info", "user_mapping", "user_mappings", "views",
    ]
)  # fmt: skip
# Redshift's own system relations begin so; those that are not here PostgreSQL does not find.
SYSTEM_PREFIXES = ("pg_", "stl_", "stv_", "svl_", "svv_", "svcs_", "sys_")
SYSTEM_SCHEMAS = frozenset(["pg_catalog", "information_schema", "redshift_local", "pg_toast"])
# sqlglot gives LISTAGG and STRING_AGG one name: these are refused by their own.
POSTGRES_WORDS = frozenset(["STRING_AGG", "ARRAY_AGG", "JSON_AGG", "JSONB_AGG", "FORMAT"])
# What CURRENT_SETTING shows: of the server behind, only what SHOW shows as well.
SETTINGS = frozenset(
    ["application_name", "client_encoding", "datestyle", "extra_float_digits", "intervalstyle",
     "is_superuser", "search_path", "server_encoding", "server_version",
     "standard_conforming_strings", "statement_timeout", "timezone", "transaction_isolation"]
)  # fmt: skip
# What the leader node runs in a query without tables.
OF_LEADER = frozenset(["generate_series", "exploding_generate_series"])
POSTGRES_ONLY = frozenset(
    [
        "array", "array_agg", "array_to_string", "explode", "exploding_generate_series",
        "gen_random_uuid", "generate_series", "json_agg", "json_build_object", "jsonb_agg",
        "jsonb_build_object", "pg_input_is_valid", "pg_sleep", "regexp_matches", "row_to_json",
        "string_agg", "to_json", "unnest", "uuid",
    ]
)  # fmt: skip
TYPES = frozenset(
    [
        "VARCHAR", "CHAR", "TEXT", "NVARCHAR", "NCHAR", "BPCHAR", "SMALLINT", "INT", "BIGINT",
        "DECIMAL", "FLOAT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "INTERVAL",
        "TIMESTAMPNTZ", "TIME", "TIMETZ", "DATETIME", "SUPER", "VARBINARY",
    ]
)  # fmt: skip
# Types of the leader node: a query of system relations alone may have them.
CATALOG_TYPES = frozenset(
    ["NAME", "OID", "REGCLASS", "REGNAMESPACE", "REGOPER", "REGPROC", "REGPROCEDURE", "REGTYPE"]
)
# Redshift has these; this emulation has not.
# By PostgreSQL's names; what it keeps of one depends on the fields alone.
INTERVALS = {"intervaly2m": ("YEAR", "MONTH"), "intervald2s": ("DAY", "SECOND")}
INTERVAL_FIELDS = frozenset(["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"])
OTHER_TYPES = frozenset(["GEOMETRY", "GEOGRAPHY", "HLLSKETCH"])


POSTGRES_TYPES = frozenset(
    ["any", "anyarray", "anyelement", "anyenum", "anynonarray", "anyrange", "bit varying", "cidr",
     "event_trigger", "fdw_handler", "inet", "internal", "language_handler", "macaddr", "opaque",
     "pg_ddl_command", "pg_lsn", "record", "trigger", "tsm_handler", "tsquery", "tsvector",
     "txid_snapshot", "void", "xid", "circle", "box", "line", "lseg", "path", "point", "polygon"]
)  # fmt: skip
# What PostgreSQL can create and Redshift cannot.
POSTGRES_KINDS = frozenset(
    ["SEQUENCE", "TRIGGER", "TYPE", "DOMAIN", "RULE", "EXTENSION", "AGGREGATE", "OPERATOR", "CAST",
     "INDEX", "TABLESPACE"]
)  # fmt: skip
POSTGRES_CLAUSES: dict[type[Any], str] = {
    exp.Returning: "RETURNING",
    exp.OnConflict: "ON CONFLICT",
    exp.NullSafeEQ: "IS DISTINCT FROM",
    exp.NullSafeNEQ: "IS DISTINCT FROM",
    exp.Index: "CREATE INDEX",
    exp.TableSample: "TABLESAMPLE",
    exp.Filter: "FILTER of an aggregate",
    exp.Lateral: "LATERAL",
    exp.RegexpILike: "the operator ~*",
    exp.Lock: "SELECT ... FOR UPDATE",
    exp.InheritsProperty: "INHERITS",
    exp.UnloggedProperty: "UNLOGGED",
    exp.PartitionedByProperty: "PARTITION BY",
}
