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

CREATE TABLE IF NOT EXISTS redshift_local.load_error_fields (
    query bigint, filename text, line_number bigint, field integer, colname text, type text,
    col_length text, value text, is_null boolean, err_code integer, err_reason text,
    session integer, starttime timestamp, tbl integer);

CREATE TABLE IF NOT EXISTS redshift_local.replacements (
    query bigint, session integer, tbl integer, starttime timestamp, filename text,
    line_number bigint, raw_line text);

CREATE TABLE IF NOT EXISTS redshift_local.load_history (
    query bigint, session integer, table_name text, status text, start_time timestamp,
    end_time timestamp, data_source text, file_format text, loaded_rows bigint,
    loaded_bytes bigint, source_file_count integer, source_file_bytes bigint,
    error_count bigint);

CREATE TABLE IF NOT EXISTS redshift_local.load_files (
    query bigint, filename text, lines_scanned bigint, bytes bigint, curtime timestamp);

CREATE TABLE IF NOT EXISTS redshift_local.unload_sessions (
    pid integer PRIMARY KEY, last_id bigint, last_count bigint);

CREATE TABLE IF NOT EXISTS redshift_local.unload_files (
    query bigint, path text, bytes bigint, rows bigint, start_time timestamp, end_time timestamp,
    file_format text);

CREATE TABLE IF NOT EXISTS redshift_local.declared_keys (
    tbl oid, kind text, declaration text);

-- The bytes a character column holds, from its constraint: clients make none of their own.
CREATE OR REPLACE FUNCTION redshift_local.byte_limit(tbl oid, name text) RETURNS integer
    LANGUAGE sql STABLE AS $$
    SELECT substring(pg_get_constraintdef(c.oid) FROM ', ([0-9]+)\)+$')::int
      FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = tbl AND a.attname = name
     WHERE c.conrelid = tbl AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]
       AND pg_get_constraintdef(c.oid) ~ 'redshift_local\.too_long\(.*, [0-9]+\)+$'
$$;

CREATE OR REPLACE VIEW pg_catalog.stl_load_errors AS SELECT
    100 AS userid, 0 AS slice, tbl, starttime, session, query, filename::char(256) AS filename,
    line_number, colname::char(127) AS colname, type::char(10) AS type,
    col_length::char(10) AS col_length, position, raw_line::char(1024) AS raw_line,
    raw_field_value::char(1024) AS raw_field_value, err_code, err_reason::char(100) AS err_reason
    FROM redshift_local.load_errors;

CREATE OR REPLACE VIEW pg_catalog.stl_loaderror_detail AS SELECT
    100 AS userid, 0 AS slice, session, query, filename::char(256) AS filename, line_number,
    field, colname::char(1024) AS colname, value::char(1024) AS value, is_null::int AS is_null,
    type::char(10) AS type, col_length::char(10) AS col_length
    FROM redshift_local.load_error_fields;

CREATE OR REPLACE VIEW pg_catalog.stl_replacements AS SELECT
    100 AS userid, query, 0 AS slice, tbl, starttime, session, filename::char(256) AS filename,
    line_number, raw_line::char(1024) AS raw_line FROM redshift_local.replacements;

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

CREATE OR REPLACE VIEW pg_catalog.sys_load_detail AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, 0 AS session_id,
    filename::char(256) AS file_name, bytes AS bytes_scanned, lines_scanned, curtime AS record_time
    FROM redshift_local.load_files;

CREATE OR REPLACE VIEW pg_catalog.stl_load_commits AS SELECT
    100 AS userid, query, 0 AS slice, filename::char(256) AS filename, lines_scanned, curtime
    FROM redshift_local.load_files;

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_count() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT last_copy_count FROM redshift_local.sessions
        WHERE pid = pg_backend_pid()), 0)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_copy_id() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT last_copy_id FROM redshift_local.sessions
        WHERE pid = pg_backend_pid()), -1)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_id() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT last_id FROM redshift_local.unload_sessions
        WHERE pid = pg_backend_pid()), -1)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_unload_count() RETURNS bigint LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT coalesce((SELECT last_count FROM redshift_local.unload_sessions
        WHERE pid = pg_backend_pid()), 0)';

CREATE OR REPLACE FUNCTION pg_catalog.pg_last_query_id() RETURNS bigint LANGUAGE sql STABLE
    AS 'SELECT greatest(pg_last_copy_id(), pg_last_unload_id())';

CREATE OR REPLACE VIEW pg_catalog.stl_unload_log AS SELECT
    100 AS userid, query, 0 AS slice, 0 AS pid, path::char(1280) AS path, start_time, end_time,
    rows AS line_count, bytes AS transfer_size, file_format::char(10) AS file_format
    FROM redshift_local.unload_files;

CREATE OR REPLACE VIEW pg_catalog.sys_unload_history AS SELECT
    100 AS user_id, query AS query_id, query AS transaction_id, 0 AS session_id,
    current_database()::char(64) AS database_name, 'completed'::text AS status,
    min(start_time) AS start_time, max(end_time) AS end_time,
    (extract(epoch FROM max(end_time) - min(start_time)) * 1000000)::bigint AS duration,
    min(file_format) AS file_format, sum(rows)::bigint AS unloaded_rows,
    sum(bytes)::bigint AS unloaded_bytes, count(*)::bigint AS unloaded_files_count,
    max(bytes) AS unloaded_files_size FROM redshift_local.unload_files GROUP BY query;

-- Who has which tables and columns. What the local warehouse has no notion of is 0 or null.
CREATE OR REPLACE VIEW pg_catalog.stv_slices AS SELECT 0 AS node, s AS slice, 0 AS localslice,
    'D'::char(1) AS type FROM generate_series(0, 1) AS s;

CREATE OR REPLACE VIEW redshift_local.attributes AS SELECT c.oid, n.nspname, c.relname,
    max(d.declaration) FILTER (WHERE d.kind = 'diststyle') AS diststyle,
    max(d.declaration) FILTER (WHERE d.kind = 'distkey') AS distkey,
    max(d.declaration) FILTER (WHERE d.kind LIKE '%sortkey') AS sortkey,
    bool_or(d.kind = 'interleaved sortkey') AS is_interleaved
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN redshift_local.declared_keys d ON d.tbl = c.oid
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'redshift_local')
    GROUP BY c.oid, n.nspname, c.relname;

CREATE OR REPLACE VIEW pg_catalog.stv_tbl_perm AS SELECT s.slice, a.oid::int AS id,
    a.relname::char(72) AS name, greatest(pg_stat_get_live_tuples(a.oid), 0) AS rows,
    0::bigint AS sorted_rows, 0 AS temp, (SELECT oid::int FROM pg_database
        WHERE datname = current_database()) AS db_id
    FROM redshift_local.attributes a CROSS JOIN pg_catalog.stv_slices s;

CREATE OR REPLACE FUNCTION redshift_local.key_columns(declaration text) RETURNS text[]
    LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_split_to_array(lower(replace(substring(declaration FROM '\((.*)\)'), ' ', '')), ',')
$$;

CREATE OR REPLACE VIEW pg_catalog.svv_table_info AS SELECT
    current_database()::text AS database, nspname::text AS schema, oid AS table_id,
    relname::text AS "table", 'N'::text AS encoded,
    CASE WHEN distkey IS NOT NULL THEN 'KEY(' || (redshift_local.key_columns(distkey))[1] || ')'
         WHEN diststyle ILIKE '%auto%' OR diststyle IS NULL THEN 'AUTO(ALL)'
         ELSE upper(split_part(diststyle, ' ', 2)) END AS diststyle,
    (redshift_local.key_columns(sortkey))[1] AS sortkey1,
    coalesce(cardinality(redshift_local.key_columns(sortkey)), 0) AS sortkey_num,
    (pg_total_relation_size(oid) / 1048576 + 1)::bigint AS size, 0::numeric AS unsorted,
    0::numeric AS stats_off, greatest(pg_stat_get_live_tuples(oid), 0)::numeric AS tbl_rows
    FROM redshift_local.attributes;

CREATE OR REPLACE VIEW pg_catalog.svv_tables AS SELECT table_catalog::text, table_schema::text,
    table_name::text, table_type::text, NULL::text AS remarks FROM information_schema.tables
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'redshift_local');

CREATE OR REPLACE VIEW pg_catalog.svv_columns AS SELECT table_catalog::text, table_schema::text,
    table_name::text, column_name::text, ordinal_position::int, column_default::text,
    is_nullable::text, data_type::text,
    coalesce(character_maximum_length, redshift_local.byte_limit(
        (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass, column_name))::int
        AS character_maximum_length,
    numeric_precision::int, numeric_scale::int, NULL::text AS remarks
    FROM information_schema.columns
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'redshift_local');

CREATE OR REPLACE VIEW pg_catalog.pg_table_def AS SELECT n.nspname AS schemaname,
    c.relname AS tablename, a.attname AS "column",
    CASE WHEN redshift_local.byte_limit(c.oid, a.attname) IS NULL
         THEN format_type(a.atttypid, a.atttypmod)
         ELSE format_type(a.atttypid, NULL) || '(' || redshift_local.byte_limit(c.oid, a.attname) || ')'
    END AS type, 'none'::text AS encoding,
    coalesce(a.attname = ANY (redshift_local.key_columns(k.distkey)), false) AS distkey,
    coalesce(array_position(redshift_local.key_columns(k.sortkey), a.attname::text), 0) AS sortkey,
    a.attnotnull AS "notnull"
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN redshift_local.attributes k ON k.oid = c.oid
    WHERE n.nspname = ANY (current_schemas(false));

CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
    AS 'SELECT date_trunc(''second'', localtimestamp)';

CREATE OR REPLACE FUNCTION pg_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE
    AS 'SELECT localtimestamp';

-- TRUNC of a timestamp is its date.
CREATE OR REPLACE FUNCTION pg_catalog.trunc(timestamp) RETURNS date LANGUAGE sql IMMUTABLE
    AS 'SELECT $1::date';

CREATE OR REPLACE FUNCTION pg_catalog.strtol(digits text, base integer) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    result bigint := 0; digit integer; body text := lower(ltrim(digits, '+-'));
BEGIN
    IF base = 16 THEN body := regexp_replace(body, '^0x', ''); END IF;
    FOR i IN 1..length(body) LOOP
        digit := position(substr(body, i, 1) IN '0123456789abcdefghijklmnopqrstuvwxyz') - 1;
        IF digit < 0 OR digit >= base THEN
            RAISE EXCEPTION 'The input % is not valid to be converted to base %', digits, base
                USING ERRCODE = 'XX000';
        END IF;
        result := result * base + digit;
    END LOOP;
    RETURN CASE WHEN digits LIKE '-%' THEN -result ELSE result END;
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.months_between(late timestamp, early timestamp)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT (extract(year FROM late) - extract(year FROM early)) * 12
         + extract(month FROM late) - extract(month FROM early)
         + CASE WHEN extract(day FROM late) = extract(day FROM early)
                  OR (late::date = (date_trunc('month', late) + interval '1 month - 1 day')::date
                 AND early::date = (date_trunc('month', early) + interval '1 month - 1 day')::date)
                THEN 0 ELSE (extract(day FROM late) - extract(day FROM early)) / 31.0 END
$$;

CREATE OR REPLACE FUNCTION redshift_local.last_day(moment timestamp) RETURNS date
    LANGUAGE sql IMMUTABLE AS $$
    SELECT (date_trunc('month', moment) + interval '1 month - 1 day')::date
$$;

-- DATE_TRUNC of a date has no time zone.
CREATE OR REPLACE FUNCTION pg_catalog.date_trunc(part text, day date) RETURNS timestamp
    LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.date_trunc(part, day::timestamp)';

CREATE OR REPLACE FUNCTION redshift_local.concat(early text, late text) RETURNS text
    LANGUAGE sql IMMUTABLE AS 'SELECT early || late';

-- AVG: an average in its argument's own type; `sample` is a value of the argument.
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample smallint) RETURNS bigint
    LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average)::bigint';
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample integer) RETURNS bigint
    LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average)::bigint';
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average)::bigint';
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average, scale(sample))';
CREATE OR REPLACE FUNCTION redshift_local.avg(average double precision, sample real)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT average';
CREATE OR REPLACE FUNCTION redshift_local.avg(average double precision, sample double precision)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT average';
CREATE OR REPLACE FUNCTION redshift_local.avg(average interval, sample interval) RETURNS interval
    LANGUAGE sql IMMUTABLE AS 'SELECT average';

-- DATEDIFF counts the boundaries of the part that lie between two moments.
CREATE OR REPLACE FUNCTION redshift_local.datediff(part text, early timestamp, late timestamp)
    RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE part
        WHEN 'year' THEN extract(year FROM late) - extract(year FROM early)
        WHEN 'quarter' THEN (extract(year FROM late) - extract(year FROM early)) * 4
            + extract(quarter FROM late) - extract(quarter FROM early)
        WHEN 'month' THEN (extract(year FROM late) - extract(year FROM early)) * 12
            + extract(month FROM late) - extract(month FROM early)
        WHEN 'week' THEN (date_trunc('week', late)::date - date_trunc('week', early)::date) / 7
        WHEN 'day' THEN late::date - early::date
        WHEN 'decade' THEN extract(decade FROM late) - extract(decade FROM early)
        WHEN 'century' THEN extract(century FROM late) - extract(century FROM early)
        WHEN 'millennium' THEN extract(millennium FROM late) - extract(millennium FROM early)
        WHEN 'milliseconds' THEN floor(extract(epoch FROM late) * 1000)
            - floor(extract(epoch FROM early) * 1000)
        WHEN 'microseconds' THEN floor(extract(epoch FROM late) * 1000000)
            - floor(extract(epoch FROM early) * 1000000)
        ELSE (extract(epoch FROM date_trunc(part, late)) - extract(epoch FROM date_trunc(part, early)))
            / CASE part WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 ELSE 1 END
    END::bigint
$$;

CREATE OR REPLACE FUNCTION redshift_local.json_text(value text, VARIADIC keys text[])
    RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT coalesce(value::json #>> keys, '') $$;

-- No SQL function: in one the text of a constant is read before the condition is.
CREATE OR REPLACE FUNCTION redshift_local.json_text_or_null(value text, VARIADIC keys text[])
    RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN value IS JSON THEN redshift_local.json_text(value, VARIADIC keys) END;
END $$;

-- Where the day is the last of its month, the result is too.
CREATE OR REPLACE FUNCTION redshift_local.add_months(moment timestamp, months integer)
    RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN extract(day FROM moment + interval '1 day') = 1
                THEN date_trunc('month', moment) + make_interval(months => months + 1)
                     - interval '1 day' + (moment - date_trunc('day', moment))
                ELSE moment + make_interval(months => months) END
$$;

CREATE OR REPLACE FUNCTION redshift_local.regexp_substr(
    value text, pattern text, start integer, occurrence integer, flags text, inner_no integer)
    RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT coalesce(regexp_substr(value, pattern, start, occurrence, flags, inner_no), '')
$$;

-- PostgreSQL rounds a NUMERIC to digits only. (Each type has its own: FLOAT would be preferred.)
CREATE OR REPLACE FUNCTION pg_catalog.round(value double precision, digits integer)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value::text IN ('NaN', 'Infinity', '-Infinity') THEN value
                ELSE round(value::numeric, digits)::double precision END $$;
CREATE OR REPLACE FUNCTION pg_catalog.round(value bigint, digits integer)
    RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(value::numeric, digits) $$;
CREATE OR REPLACE FUNCTION pg_catalog.round(value integer, digits integer)
    RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(value::numeric, digits) $$;
CREATE OR REPLACE FUNCTION pg_catalog.round(value smallint, digits integer)
    RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(value::numeric, digits) $$;

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

-- Called by the constraints of CHAR columns; only a value with characters of several bytes gets here.
CREATE OR REPLACE FUNCTION redshift_local.multibyte(value text)
    RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'CHAR string contains invalid ASCII character',
        ERRCODE = 'XX000',
        DETAIL = E'\n  error:  CHAR string contains invalid ASCII character\n  code:      8001\n'
            '  context:   CHAR columns hold characters of a single byte; use VARCHAR';
END $$;

-- TRUNCATECOLUMNS: at most max_bytes bytes, cut on a character boundary.
CREATE OR REPLACE FUNCTION redshift_local.truncate_bytes(value text, max_bytes integer)
    RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN octet_length(value) <= max_bytes THEN value ELSE (
        SELECT left(value, n) FROM generate_series(max_bytes, 0, -1) AS n
         WHERE octet_length(left(value, n)) <= max_bytes LIMIT 1) END
$$;

-- Clients are no superusers (decision 0014). What they may change here they change through these.
DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['load_errors', 'load_error_fields', 'replacements',
                                'load_history', 'load_files', 'unload_files'] LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.record(entry redshift_local.%1$I)
            RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
            AS $f$INSERT INTO redshift_local.%1$I SELECT (entry).*$f$', kind);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.record(entry redshift_local.sessions) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.sessions SELECT (entry).* ON CONFLICT (pid) DO UPDATE SET
        last_copy_id = excluded.last_copy_id, last_copy_count = excluded.last_copy_count
$$;

CREATE OR REPLACE FUNCTION redshift_local.record(entry redshift_local.unload_sessions) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.unload_sessions SELECT (entry).* ON CONFLICT (pid) DO UPDATE SET
        last_id = excluded.last_id, last_count = excluded.last_count
$$;

-- Settings that are Redshift's own; of PostgreSQL's a client has SHOW.
CREATE OR REPLACE FUNCTION redshift_local.setting(name text, otherwise text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(current_setting('redshift.' || name, true), ''), otherwise)
$$;

-- What CREATE and ALTER TABLE declare of the client's own table.
CREATE OR REPLACE FUNCTION redshift_local.declare_keys(
    named oid, kinds text[], declarations text[], is_new boolean)
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.declared_keys
    SELECT c.oid, d.kind, d.declaration
      FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner AND r.rolname = session_user
     CROSS JOIN unnest(kinds, declarations) AS d(kind, declaration)
     WHERE c.oid = named
       AND NOT (is_new AND EXISTS (SELECT 1 FROM redshift_local.declared_keys WHERE tbl = named))
$$;

-- Every client may see the system views; the tables behind them are their owner's alone. What
-- shows the server behind, or keeps objects outside of tables, is closed.
DO $$
DECLARE
    entry record;
BEGIN
    REVOKE ALL ON ALL TABLES IN SCHEMA redshift_local FROM PUBLIC;
    GRANT USAGE ON SCHEMA redshift_local TO PUBLIC;
    GRANT USAGE ON SEQUENCE redshift_local.query_ids TO PUBLIC;
    FOR entry IN SELECT oid::regclass AS name FROM pg_class
                  WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'v'
                    AND oid >= 16384 LOOP
        EXECUTE format('GRANT SELECT ON %s TO PUBLIC', entry.name);
    END LOOP;
    REVOKE SELECT ON pg_catalog.pg_settings FROM PUBLIC;
    -- What has effects outside of the client's own data is volatile; these alone are needed.
    FOR entry IN SELECT oid::regprocedure AS name FROM pg_proc
                  WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND oid < 16384
                    AND (provolatile = 'v' AND proname !~ 'handler$|validator$|^RI_FKey'
                         AND proname NOT IN ('random', 'nextval', 'clock_timestamp', 'timeofday',
                             'pg_partition_ancestors', 'pg_sequence_last_value', 'pg_indexes_size',
                             'pg_relation_size', 'pg_table_size', 'pg_total_relation_size')
                         OR proname ~ '^inet_|^pg_stat_|^pg_show_|_to_xml|_load_time$|_start_time$'
                            AND proname <> 'pg_stat_get_live_tuples'
                         OR proname IN ('current_setting', 'pg_config', 'pg_cursor',
                             'pg_prepared_statement', 'pg_relation_filepath')) LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', entry.name);
    END LOOP;
END $$;
