-- What Redshift's pg_catalog and information_schema have and PostgreSQL's lack. The translation
-- puts these views in the place of the relations (src/local_cloud/redshift/sql/catalog.py).
CREATE OR REPLACE FUNCTION redshift_local.substitute(
    original regclass, changed jsonb, added text DEFAULT '', source text DEFAULT NULL)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text;
BEGIN
    SELECT string_agg(coalesce((changed ->> attname) || ' AS ', 'x.') || quote_ident(attname), ', '
                      ORDER BY attnum)
      INTO columns FROM pg_attribute WHERE attrelid = original AND attnum > 0 AND NOT attisdropped;
    IF original::oid < 16384 AND (SELECT relkind FROM pg_class WHERE oid = original) = 'r' THEN
        added := format('%s, %s::oid AS tableoid', added, original::oid);
    END IF;
    EXECUTE format('CREATE VIEW redshift_local.%I AS SELECT %s%s FROM %s',
        (SELECT relname FROM pg_class WHERE oid = original), columns, added,
        coalesce(source, original || ' AS x'));
END $$;

-- The keys whose two tables are still there.
CREATE VIEW redshift_local.constraints AS SELECT * FROM redshift_local.declared_constraints
    WHERE EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = tbl)
      AND (reference IS NULL OR EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = reference));

-- VARCHAR columns have their length in a constraint; Redshift has it in the type.
CREATE OR REPLACE FUNCTION redshift_local.type_modifier(tbl oid, name text, type oid, modifier int)
    RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN type = 'varchar'::regtype AND modifier = -1 AND tbl >= 16384
                THEN coalesce(redshift_local.byte_limit(tbl, name) + 4, modifier) ELSE modifier END
$$;

CREATE OR REPLACE FUNCTION redshift_local.key_columns(declaration text) RETURNS text[]
    LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_split_to_array(lower(replace(substring(declaration FROM '\((.*)\)'), ' ', '')), ',')
$$;

CREATE OR REPLACE FUNCTION redshift_local.dist_style(tbl oid) RETURNS smallint
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN style ~* 'key' OR style IS NULL AND has_key THEN 1
                WHEN style ~* 'even' THEN 0 WHEN style ~* 'all' THEN 8 ELSE 10 END::smallint
      FROM (SELECT max(declaration) FILTER (WHERE kind = 'diststyle') AS style,
                   bool_or(kind = 'distkey') AS has_key
              FROM redshift_local.declared_keys WHERE tbl = $1) AS d
$$;

CREATE OR REPLACE FUNCTION redshift_local.key_position(tbl oid, keys text, name text)
    RETURNS integer LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(array_position(redshift_local.key_columns(declaration), $3)
        * CASE WHEN kind ~ '^inter' AND array_position(redshift_local.key_columns(declaration), $3) % 2
               = 0 THEN -1 ELSE 1 END), 0)
      FROM redshift_local.declared_keys WHERE tbl = $1 AND kind ~ $2
$$;

-- All that is stored here is stored without compression.
CREATE OR REPLACE FUNCTION pg_catalog.format_encoding(encoding integer) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$ SELECT CASE encoding WHEN 0 THEN 'none' END $$;

-- A materialized view is a view on Redshift, also in the list of views.
SELECT redshift_local.substitute('pg_class',
    '{"relkind": "CASE x.relkind WHEN ''m'' THEN ''v'' ELSE x.relkind END::\"char\""}', $$,
    CASE WHEN x.relkind = 'r' AND x.oid >= 16384 THEN redshift_local.dist_style(x.oid)
         ELSE 0::smallint END AS reldiststyle,
    CASE WHEN x.relkind = 'r' AND x.oid >= 16384 THEN redshift_local.dist_style(x.oid)
         ELSE 0::smallint END::integer AS releffectivediststyle,
    false AS relhasoids, x.relhastriggers::int::smallint AS reltriggers,
    0::smallint AS relukeys, 0::smallint AS relfkeys, 0::smallint AS relrefs,
    EXISTS (SELECT 1 FROM redshift_local.constraints k
             WHERE k.tbl = x.oid AND k.contype = 'p') AS relhaspkey$$);

SELECT redshift_local.substitute('pg_attribute', '{"atttypmod":
    "redshift_local.type_modifier(x.attrelid, x.attname, x.atttypid, x.atttypmod)"}', $$,
    redshift_local.key_position(x.attrelid, '^distkey', x.attname) > 0 AS attisdistkey,
    redshift_local.key_position(x.attrelid, 'sortkey$', x.attname) AS attsortkeyord,
    0::smallint AS attencodingtype, false AS attispreloaded$$);

CREATE VIEW redshift_local.materialized AS SELECT n.nspname AS schema_name, relname AS name,
    pg_get_userbyid(relowner) AS owner, format('create materialized view %I.%I as %s', nspname, relname,
                                               pg_get_viewdef(c.oid)) AS definition
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'm'
     AND has_table_privilege(c.oid, 'SELECT');
SELECT redshift_local.substitute('pg_views', '{}', '', $$(
    SELECT * FROM pg_catalog.pg_views WHERE schemaname <> 'redshift_local' UNION ALL
    SELECT schema_name, name, owner, definition FROM redshift_local.materialized) AS x$$);
SELECT redshift_local.substitute('information_schema.views', '{}', '', $$(
    SELECT * FROM information_schema.views WHERE table_schema <> 'redshift_local' UNION ALL
    SELECT (jsonb_populate_record(NULL::information_schema.views, jsonb_build_object(
        'table_catalog', current_database(), 'table_schema', schema_name, 'table_name', name,
        'view_definition', definition, 'check_option', 'NONE', 'is_updatable', 'NO',
        'is_insertable_into', 'NO', 'is_trigger_updatable', 'NO', 'is_trigger_deletable', 'NO',
        'is_trigger_insertable_into', 'NO'))).* FROM redshift_local.materialized) AS x$$);

-- This layer's own schema is none of the clients'.
SELECT redshift_local.substitute('pg_namespace', '{}', '',
    $$(SELECT * FROM pg_catalog.pg_namespace WHERE nspname <> 'redshift_local') AS x$$);

SELECT redshift_local.substitute('pg_attrdef', '{}', ', pg_get_expr(x.adbin, x.adrelid) AS adsrc');

SELECT redshift_local.substitute('pg_proc', '{}', $$,
    x.prokind = 'a' AS proisagg, x.prokind = 'w' AS proiswindow$$);

-- The constraints that keep VARCHAR lengths are no constraints on Redshift, its own are declared.
SELECT redshift_local.substitute('pg_constraint', '{}', '', $$(
    SELECT * FROM pg_catalog.pg_constraint WHERE contype NOT IN ('c', 'n') OR conrelid < 16384
    UNION ALL
    SELECT (jsonb_populate_record(NULL::pg_catalog.pg_constraint, jsonb_build_object(
        'oid', k.oid, 'conname', k.conname, 'connamespace', c.relnamespace, 'contype', k.contype,
        'condeferrable', false, 'condeferred', false, 'conenforced', false, 'convalidated', false,
        'conrelid', k.tbl, 'contypid', 0, 'conindid', 0, 'conparentid', 0,
        'confrelid', coalesce(k.reference, 0), 'confupdtype', 'a', 'confdeltype', 'a',
        'confmatchtype', 's', 'conislocal', true, 'coninhcount', 0, 'connoinherit', true,
        'conperiod', false, 'conkey', k.columns, 'confkey', k.referenced))).*
      FROM redshift_local.constraints k JOIN pg_catalog.pg_class c ON c.oid = k.tbl) AS x$$);

CREATE OR REPLACE FUNCTION redshift_local.pg_get_constraintdef(named oid, is_pretty boolean DEFAULT true)
    RETURNS text LANGUAGE sql STABLE
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(pg_catalog.pg_get_constraintdef(named, is_pretty), (
        SELECT CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE'
                              ELSE 'FOREIGN KEY' END
            || ' (' || redshift_local.column_list(k.tbl, k.columns) || ')'
            || coalesce(' REFERENCES ' || (
                SELECT CASE WHEN n.nspname = ANY (current_schemas(true)) THEN ''
                            ELSE quote_ident(n.nspname) || '.' END || quote_ident(c.relname)
                  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.oid = k.reference)
                || '(' || redshift_local.column_list(k.reference, k.referenced) || ')', '')
          FROM redshift_local.constraints k WHERE k.oid = named))
$$;

CREATE OR REPLACE FUNCTION redshift_local.length_of(
    schema_name text, table_name text, column_name text, data_type text)
    RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN data_type = 'character varying' THEN redshift_local.byte_limit(
        to_regclass(quote_ident(schema_name) || '.' || quote_ident(table_name)), column_name) END
$$;

SELECT redshift_local.substitute('information_schema.columns', '{
    "character_maximum_length": "coalesce(x.character_maximum_length, nullif(redshift_local.length_of(x.table_schema, x.table_name, x.column_name, x.data_type), -1))::int",
    "character_octet_length": "coalesce(nullif(redshift_local.length_of(x.table_schema, x.table_name, x.column_name, x.data_type), -1), x.character_octet_length)::int"}');

CREATE VIEW redshift_local.table_constraints AS SELECT
    current_database()::varchar AS constraint_catalog, n.nspname::varchar AS constraint_schema,
    k.conname::varchar AS constraint_name, current_database()::varchar AS table_catalog,
    n.nspname::varchar AS table_schema, c.relname::varchar AS table_name,
    CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' WHEN 'u' THEN 'UNIQUE' ELSE 'FOREIGN KEY' END::varchar
        AS constraint_type, 'NO'::varchar AS is_deferrable, 'NO'::varchar AS initially_deferred
    FROM redshift_local.constraints k JOIN pg_class c ON c.oid = k.tbl
    JOIN pg_namespace n ON n.oid = c.relnamespace;

CREATE VIEW redshift_local.key_column_usage AS SELECT
    t.constraint_catalog, t.constraint_schema, t.constraint_name, t.table_catalog, t.table_schema,
    t.table_name, a.attname::varchar AS column_name, u.n::int AS ordinal_position,
    CASE WHEN k.contype = 'f' THEN u.n END::int AS position_in_unique_constraint
    FROM redshift_local.constraints k JOIN pg_class c ON c.oid = k.tbl
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN redshift_local.table_constraints t ON t.constraint_schema::text = n.nspname::text
     AND t.table_name::text = c.relname::text AND t.constraint_name::text = k.conname::text
    CROSS JOIN unnest(k.columns) WITH ORDINALITY AS u(number, n)
    JOIN pg_attribute a ON a.attrelid = k.tbl AND a.attnum = u.number;

CREATE VIEW redshift_local.referential_constraints AS SELECT
    current_database()::varchar AS constraint_catalog, n.nspname::varchar AS constraint_schema,
    k.conname::varchar AS constraint_name, current_database()::varchar AS unique_constraint_catalog,
    m.nspname::varchar AS unique_constraint_schema, u.conname::varchar AS unique_constraint_name,
    'NONE'::varchar AS match_option, 'NO ACTION'::varchar AS update_rule,
    'NO ACTION'::varchar AS delete_rule
    FROM redshift_local.constraints k JOIN pg_class c ON c.oid = k.tbl
    JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class d ON d.oid = k.reference
    JOIN pg_namespace m ON m.oid = d.relnamespace
    LEFT JOIN redshift_local.constraints u ON u.tbl = k.reference AND u.contype IN ('p', 'u')
     AND u.columns @> k.referenced AND u.columns <@ k.referenced
    WHERE k.contype = 'f';

CREATE VIEW redshift_local.constraint_column_usage AS SELECT
    current_database()::varchar AS table_catalog, n.nspname::varchar AS table_schema,
    c.relname::varchar AS table_name, a.attname::varchar AS column_name,
    current_database()::varchar AS constraint_catalog, m.nspname::varchar AS constraint_schema,
    k.conname::varchar AS constraint_name
    FROM redshift_local.constraints k JOIN pg_class o ON o.oid = k.tbl
    JOIN pg_namespace m ON m.oid = o.relnamespace
    JOIN pg_class c ON c.oid = coalesce(k.reference, k.tbl)
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid
     AND a.attnum = ANY (coalesce(k.referenced, k.columns));

-- Of the server's settings, those that Redshift has as well.
CREATE OR REPLACE FUNCTION redshift_local.common_settings() RETURNS SETOF pg_catalog.pg_settings
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM pg_settings WHERE lower(name) IN ('application_name', 'client_encoding',
        'datestyle', 'extra_float_digits', 'integer_datetimes', 'intervalstyle', 'is_superuser',
        'lc_collate', 'max_function_args', 'max_identifier_length', 'max_index_keys',
        'server_encoding', 'standard_conforming_strings', 'statement_timeout', 'timezone',
        'transaction_isolation')
$$;
CREATE VIEW redshift_local.pg_settings AS SELECT * FROM redshift_local.common_settings();
