-- Who has which tables and columns. What the local warehouse has no notion of is 0 or null.
CREATE VIEW pg_catalog.stv_slices AS SELECT 0 AS node, s AS slice, 0 AS localslice,
    'D'::char(1) AS type FROM generate_series(0, 1) AS s;

CREATE VIEW redshift_local.attributes AS SELECT c.oid, n.nspname, c.relname,
    max(d.declaration) FILTER (WHERE d.kind = 'diststyle') AS diststyle,
    max(d.declaration) FILTER (WHERE d.kind = 'distkey') AS distkey,
    max(d.declaration) FILTER (WHERE d.kind LIKE '%sortkey') AS sortkey,
    bool_or(d.kind = 'interleaved sortkey') AS is_interleaved
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN redshift_local.declared_keys d ON d.tbl = c.oid
    WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'redshift_local')
    GROUP BY c.oid, n.nspname, c.relname;

CREATE VIEW pg_catalog.stv_tbl_perm AS SELECT s.slice, a.oid::int AS id,
    a.relname::char(72) AS name, greatest(pg_stat_get_live_tuples(a.oid), 0) AS rows,
    0::bigint AS sorted_rows, 0 AS temp, (SELECT oid::int FROM pg_database
        WHERE datname = current_database()) AS db_id
    FROM redshift_local.attributes a CROSS JOIN pg_catalog.stv_slices s;

CREATE VIEW pg_catalog.svv_table_info AS SELECT
    current_database()::text AS database, nspname::text AS schema, oid AS table_id,
    relname::text AS "table", 'N'::text AS encoded,
    CASE WHEN distkey IS NOT NULL THEN 'KEY(' || (redshift_local.key_columns(distkey))[1] || ')'
         WHEN diststyle ILIKE '%auto%' OR diststyle IS NULL THEN 'AUTO(ALL)'
         ELSE upper(split_part(diststyle, ' ', 2)) END AS diststyle,
    (redshift_local.key_columns(sortkey))[1] AS sortkey1,
    (SELECT max(redshift_local.byte_limit(oid, attname)) FROM pg_attribute
      WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped) AS max_varchar,
    CASE WHEN sortkey IS NOT NULL THEN 'none' END::char(32) AS sortkey1_enc,
    coalesce(cardinality(redshift_local.key_columns(sortkey)), 0) AS sortkey_num,
    (pg_total_relation_size(oid) / 1048576 + 1)::bigint AS size,
    0::numeric(10,4) AS pct_used, 0::bigint AS empty, 0::numeric(5,2) AS unsorted,
    0::numeric(5,2) AS stats_off, greatest(pg_stat_get_live_tuples(oid), 0)::numeric(38,0) AS tbl_rows,
    NULL::numeric(19,2) AS skew_sortkey1, NULL::numeric(19,2) AS skew_rows,
    greatest(pg_stat_get_live_tuples(oid), 0)::numeric(38,0) AS estimated_visible_rows,
    NULL::text AS risk_event, 0::numeric(12,2) AS vacuum_sort_benefit, NULL::timestamp AS create_time
    FROM redshift_local.attributes;

CREATE VIEW pg_catalog.svv_tables AS SELECT table_catalog::text, table_schema::text,
    table_name::text, table_type::text, obj_description(
        to_regclass(quote_ident(table_schema) || '.' || quote_ident(table_name)), 'pg_class') AS remarks
    FROM information_schema.tables
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'redshift_local');

CREATE VIEW pg_catalog.svv_columns AS SELECT table_catalog::text, table_schema::text,
    table_name::text, column_name::text, ordinal_position::int, column_default::text,
    is_nullable::text, data_type::text,
    coalesce(character_maximum_length, redshift_local.byte_limit(
        (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass, column_name))::int
        AS character_maximum_length,
    numeric_precision::int, numeric_scale::int, col_description(
        (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass,
        ordinal_position::int) AS remarks
    FROM information_schema.columns
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'redshift_local');

CREATE VIEW pg_catalog.pg_table_def AS SELECT n.nspname AS schemaname,
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
