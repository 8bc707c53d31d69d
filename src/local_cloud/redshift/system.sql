-- The system objects a Redshift session sees, in pg_catalog as there; their rows in
-- redshift_local. Column widths follow the documentation of each view; CHAR is blank padded.
SET allow_system_table_mods = on;
CREATE SCHEMA IF NOT EXISTS redshift_local;

CREATE SEQUENCE IF NOT EXISTS redshift_local.query_ids START 1001;

CREATE TABLE IF NOT EXISTS redshift_local.sessions (
    pid integer PRIMARY KEY, last_copy_id bigint NOT NULL DEFAULT -1,
    last_copy_count bigint NOT NULL DEFAULT 0);

CREATE TABLE IF NOT EXISTS redshift_local.load_errors (
    query bigint, session integer, tbl integer, starttime timestamp, filename text,
    line_number bigint, colname text, type text, col_length text, position integer,
    raw_line text, raw_field_value text, err_code integer, err_reason text);

CREATE TABLE IF NOT EXISTS redshift_local.load_history (
    query bigint, session integer, table_name text, status text, start_time timestamp,
    end_time timestamp, data_source text, file_format text, loaded_rows bigint,
    loaded_bytes bigint, source_file_count integer, source_file_bytes bigint,
    error_count bigint);

CREATE TABLE IF NOT EXISTS redshift_local.load_files (
    query bigint, filename text, lines_scanned bigint, bytes bigint, curtime timestamp);

CREATE TABLE IF NOT EXISTS redshift_local.declared_keys (
    tbl oid, kind text, declaration text);

CREATE OR REPLACE VIEW pg_catalog.stl_load_errors AS SELECT
    100 AS userid, 0 AS slice, tbl, starttime, session, query, filename::char(256) AS filename,
    line_number, colname::char(127) AS colname, type::char(10) AS type,
    col_length::char(10) AS col_length, position, raw_line::char(1024) AS raw_line,
    raw_field_value::char(1024) AS raw_field_value, err_code, err_reason::char(100) AS err_reason
    FROM redshift_local.load_errors;

CREATE OR REPLACE VIEW pg_catalog.sys_load_error_detail AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, session AS session_id,
    current_database()::char(64) AS database_name, tbl AS table_id, starttime AS start_time,
    filename::char(256) AS file_name, line_number, colname::char(127) AS column_name,
    type::char(10) AS column_type, col_length::char(10) AS column_length, position,
    err_code AS error_code, err_reason::char(512) AS error_message
    FROM redshift_local.load_errors;

CREATE OR REPLACE VIEW pg_catalog.sys_load_history AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, session AS session_id,
    current_database()::char(64) AS database_name, status, table_name, start_time, end_time,
    (extract(epoch FROM end_time - start_time) * 1000000)::bigint AS duration, data_source,
    file_format, loaded_rows, loaded_bytes, source_file_count, source_file_bytes,
    source_file_count AS file_count_scanned, source_file_bytes AS file_bytes_scanned, error_count
    FROM redshift_local.load_history;

CREATE OR REPLACE VIEW pg_catalog.stl_load_commits AS SELECT
    100 AS userid, query, 0 AS slice, filename::char(256) AS filename, lines_scanned, curtime
    FROM redshift_local.load_files;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT coalesce((SELECT last_copy_count FROM redshift_local.sessions
        WHERE pid = pg_backend_pid()), 0)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT coalesce((SELECT last_copy_id FROM redshift_local.sessions
        WHERE pid = pg_backend_pid()), -1)';

CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
    AS 'SELECT date_trunc(''second'', localtimestamp)';

CREATE OR REPLACE FUNCTION redshift_local.fail(message text, code text, detail text)
    RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = message, ERRCODE = code, DETAIL = detail;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.info(message text)
    RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE INFO '%', message; END $$;

-- Called by the byte-length constraints; only a value that is too long gets here.
CREATE OR REPLACE FUNCTION redshift_local.too_long(value text, max_bytes integer)
    RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'Value too long for character type', ERRCODE = 'XX000',
        DETAIL = format(E'\n  error:  Value too long for character type\n  code:      8001\n'
            '  context:   Value too long for type character varying(%s)', max_bytes);
END $$;

-- TRUNCATECOLUMNS: at most max_bytes bytes, cut on a character boundary.
CREATE OR REPLACE FUNCTION redshift_local.truncate_bytes(value text, max_bytes integer)
    RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN octet_length(value) <= max_bytes THEN value ELSE (
        SELECT left(value, n) FROM generate_series(max_bytes, 0, -1) AS n
         WHERE octet_length(left(value, n)) <= max_bytes LIMIT 1) END
$$;
