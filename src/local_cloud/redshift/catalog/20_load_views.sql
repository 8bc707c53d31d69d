CREATE VIEW pg_catalog.stl_load_errors AS SELECT
    100 AS userid, 0 AS slice, tbl, starttime, session, query, filename::char(256) AS filename,
    line_number, colname::char(127) AS colname, type::char(10) AS type,
    col_length::char(10) AS col_length, position, raw_line::char(1024) AS raw_line,
    raw_field_value::char(1024) AS raw_field_value, err_code, err_reason::char(100) AS err_reason
    FROM redshift_local.seen_load_errors;

CREATE VIEW pg_catalog.stl_loaderror_detail AS SELECT
    100 AS userid, 0 AS slice, session, query, filename::char(256) AS filename, line_number,
    field, colname::char(1024) AS colname, value::char(1024) AS value, is_null::int AS is_null,
    type::char(10) AS type, col_length::char(10) AS col_length
    FROM redshift_local.seen_load_error_fields;

CREATE VIEW pg_catalog.stl_replacements AS SELECT
    100 AS userid, query, 0 AS slice, tbl, starttime, session, filename::char(256) AS filename,
    line_number, raw_line::char(1024) AS raw_line FROM redshift_local.seen_replacements;

CREATE VIEW pg_catalog.sys_load_error_detail AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, session AS session_id,
    current_database()::char(64) AS database_name, tbl AS table_id, starttime AS start_time,
    filename::char(256) AS file_name, line_number, colname::char(127) AS column_name,
    type::char(10) AS column_type, col_length::char(10) AS column_length, position,
    err_code AS error_code, err_reason::char(512) AS error_message
    FROM redshift_local.seen_load_errors;

CREATE VIEW pg_catalog.sys_load_history AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, session AS session_id,
    current_database()::char(64) AS database_name, status, table_name, start_time, end_time,
    (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS duration, data_source,
    file_format, loaded_rows, loaded_bytes, source_file_count, source_file_bytes,
    source_file_count AS file_count_scanned, source_file_bytes AS file_bytes_scanned, error_count
    FROM redshift_local.seen_load_history;

CREATE VIEW pg_catalog.sys_load_detail AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, 0 AS session_id,
    filename::char(256) AS file_name, bytes AS bytes_scanned, lines_scanned, curtime AS record_time
    FROM redshift_local.seen_load_files;

CREATE VIEW pg_catalog.stl_load_commits AS SELECT
    100 AS userid, query, 0 AS slice, filename::char(256) AS filename, lines_scanned, curtime
    FROM redshift_local.seen_load_files;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT last_copy_count FROM redshift_local.seen_sessions
        WHERE pid = pg_backend_pid() ORDER BY last_copy_id DESC LIMIT 1), 0)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT max(last_copy_id) FROM redshift_local.seen_sessions
        WHERE pid = pg_backend_pid()), -1)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_id() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT max(last_id) FROM redshift_local.seen_unload_sessions
        WHERE pid = pg_backend_pid()), -1)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_count() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT last_count FROM redshift_local.seen_unload_sessions
        WHERE pid = pg_backend_pid() ORDER BY last_id DESC LIMIT 1), 0)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_query_id() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT greatest(pg_last_copy_id(), pg_last_unload_id())';

CREATE VIEW pg_catalog.stl_unload_log AS SELECT
    100 AS userid, query, 0 AS slice, 0 AS pid, path::char(1280) AS path, start_time, end_time,
    rows AS line_count, bytes AS transfer_size, file_format::char(10) AS file_format
    FROM redshift_local.seen_unload_files;

CREATE VIEW pg_catalog.sys_unload_history AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, 0 AS session_id,
    current_database()::char(64) AS database_name, 'completed'::text AS status,
    min(start_time) AS start_time, max(end_time) AS end_time,
    (extract(epoch FROM max(end_time) - min(start_time)) * 1000000)::bigint AS duration,
    min(file_format) AS file_format, sum(rows)::bigint AS unloaded_rows,
    sum(bytes)::bigint AS unloaded_bytes, count(*)::bigint AS unloaded_files_count,
    max(bytes) AS unloaded_files_size FROM redshift_local.seen_unload_files GROUP BY query;
