-- The system objects a Redshift session sees, in pg_catalog as there; their rows in
-- redshift_local. Column widths follow the documentation of each view; CHAR is blank padded.
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

-- Keys that tables declare and Redshift does not enforce; the numbers are pg_constraint's.
CREATE SEQUENCE IF NOT EXISTS redshift_local.constraint_ids START 3000000000;
CREATE TABLE IF NOT EXISTS redshift_local.declared_constraints (
    oid oid DEFAULT nextval('redshift_local.constraint_ids')::oid, tbl oid, conname name,
    contype "char", columns smallint[], reference oid, referenced smallint[]);

-- Views WITH NO SCHEMA BINDING: their query, and whether its relations exist.
CREATE TABLE IF NOT EXISTS redshift_local.late_views (
    view oid PRIMARY KEY, query text, is_bound boolean);

CREATE OR REPLACE FUNCTION redshift_local.column_list(tbl oid, numbers smallint[]) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY n)
      FROM unnest(numbers) WITH ORDINALITY AS u(number, n)
      JOIN pg_attribute a ON a.attrelid = tbl AND a.attnum = u.number
$$;

CREATE OR REPLACE FUNCTION redshift_local.column_numbers(tbl oid, names jsonb) RETURNS smallint[]
    LANGUAGE sql STABLE AS $$
    SELECT array_agg(attnum ORDER BY n)
      FROM jsonb_array_elements_text(nullif(names, 'null')) WITH ORDINALITY AS u(name, n)
      JOIN pg_attribute a ON a.attrelid = tbl AND a.attname = u.name
$$;

-- The bytes a character column holds, from its constraint: clients make none of their own.
CREATE OR REPLACE FUNCTION redshift_local.byte_limit(tbl oid, name text) RETURNS integer
    LANGUAGE sql STABLE AS $$
    SELECT substring(pg_get_constraintdef(c.oid) FROM ', ([0-9]+)\)+$')::int
      FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = tbl AND a.attname = name
     WHERE c.conrelid = tbl AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum]
       AND pg_get_constraintdef(c.oid) ~ 'redshift_local\.too_long\(.*, [0-9]+\)+$'
$$;
