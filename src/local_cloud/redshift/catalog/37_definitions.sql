-- SHOW TABLE and SHOW VIEW: the statement that makes the table or the view anew.
CREATE OR REPLACE FUNCTION redshift_local.table_definition(named oid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'CREATE TABLE %I.%I (\n    %s%s\n)%s;', nspname, relname, (
        SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid,
                   redshift_local.type_modifier(attrelid, attname, atttypid, atttypmod))
                   || CASE WHEN attidentity <> '' THEN (
                       SELECT format(' IDENTITY(%s,%s)', seqstart, seqincrement) FROM pg_sequence
                        WHERE seqrelid = pg_get_serial_sequence(format('%I.%I', nspname, relname),
                                                                attname)::regclass) ELSE '' END
                   || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
                   || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END, E',\n    ' ORDER BY attnum)
          FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), (
        SELECT string_agg(E',\n    ' || redshift_local.pg_get_constraintdef(k.oid), '' ORDER BY k.oid)
          FROM redshift_local.constraints k WHERE k.tbl = c.oid), (
        SELECT string_agg(E'\n' || CASE WHEN kind = 'distkey' OR kind LIKE '%sortkey'
                   THEN upper(kind) || ' (' || array_to_string(redshift_local.key_columns(declaration), ', ')
                        || ')' ELSE upper(declaration) END, '' ORDER BY kind)
          FROM redshift_local.declared_keys
         WHERE tbl = c.oid AND kind IN ('diststyle', 'distkey', 'sortkey', 'interleaved sortkey')))
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
     WHERE c.oid = named AND relkind = 'r'
$$;

CREATE OR REPLACE FUNCTION redshift_local.view_definition(named oid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'CREATE VIEW %I.%I AS\n%s%s;', nspname, relname,
                  coalesce(v.query, rtrim(pg_get_viewdef(c.oid), ';')),
                  CASE WHEN v.view IS NOT NULL THEN E'\nWITH NO SCHEMA BINDING' ELSE '' END)
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      LEFT JOIN redshift_local.late_views v ON v.view = c.oid
     WHERE c.oid = named AND relkind = 'v'
$$;

-- A late-binding view is shown by its own query.
CREATE OR REPLACE FUNCTION redshift_local.pg_get_viewdef(named oid, is_pretty boolean DEFAULT false)
    RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT query || ';' FROM redshift_local.late_views WHERE view = named),
                    pg_catalog.pg_get_viewdef(named, is_pretty))
$$;
CREATE OR REPLACE FUNCTION redshift_local.pg_get_viewdef(named text, is_pretty boolean DEFAULT false)
    RETURNS text LANGUAGE sql STABLE AS $$
    SELECT redshift_local.pg_get_viewdef(named::regclass::oid, is_pretty)
$$;

-- Quotas of schemas, in megabytes: shown, and not enforced.
CREATE TABLE IF NOT EXISTS redshift_local.schema_quotas (schema oid PRIMARY KEY, quota int);
CREATE OR REPLACE FUNCTION redshift_local.set_quota(named text, megabytes int) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT pg_has_role(session_user, (SELECT nspowner FROM pg_namespace
                                       WHERE oid = quote_ident(named)::regnamespace), 'USAGE') THEN
        RAISE insufficient_privilege USING MESSAGE = format('must be owner of schema %s', named);
    END IF;
    DELETE FROM redshift_local.schema_quotas WHERE schema = quote_ident(named)::regnamespace;
    INSERT INTO redshift_local.schema_quotas
    SELECT quote_ident(named)::regnamespace, megabytes WHERE megabytes > 0;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.seen_quotas()
    RETURNS TABLE (schema_id int, schema_name varchar, schema_owner int, quota int)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.oid::int, nspname, nspowner::int, q.quota
      FROM redshift_local.schema_quotas q JOIN pg_namespace n ON n.oid = q.schema
$$;
CREATE VIEW pg_catalog.svv_schema_quota_state AS SELECT q.*, used AS disk_usage,
    100.0::double precision * used / quota AS disk_usage_pct
    FROM redshift_local.seen_quotas() AS q CROSS JOIN LATERAL (
        SELECT (coalesce(sum(pg_table_size(c.oid)), 0) / 1048576)::int AS used FROM pg_class c
         WHERE c.relnamespace = q.schema_id::oid AND relkind IN ('r', 'm')) AS sizes;

-- A declared key, or a constraint of the server's own; raises where there is none.
CREATE OR REPLACE FUNCTION redshift_local.key_of(tbl regclass, named text) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM redshift_local.declared_constraints d
                    WHERE d.tbl = key_of.tbl AND conname = named) THEN
        RAISE undefined_object USING
            MESSAGE = format('constraint "%s" for table "%s" does not exist', named, tbl);
    END IF;
END $$;

-- The encoding that Redshift gives a column of each type by itself.
CREATE OR REPLACE FUNCTION redshift_local.compression(named regclass, names text[])
    RETURNS TABLE ("Table" text, "Column" text, "Encoding" text, "Est_reduction_pct" numeric(5, 2))
    LANGUAGE sql STABLE AS $$
    SELECT relname, attname, CASE WHEN typcategory = 'S' THEN 'lzo'
               WHEN typname IN ('bool', 'float4', 'float8') THEN 'raw'
               WHEN typcategory IN ('N', 'D') THEN 'az64' ELSE 'raw' END, 0.00
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
      JOIN pg_type t ON t.oid = atttypid
     WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname NOT IN ('redshift_local', 'information_schema')
       AND (named IS NULL OR c.oid = named) AND (names = '{}' OR attname = ANY (names))
     ORDER BY relname, attnum
$$;

-- SHOW PROCEDURE.
CREATE OR REPLACE FUNCTION redshift_local.procedure_definition(named regprocedure) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT format(E'CREATE OR REPLACE PROCEDURE %I.%I(%s)\n%s LANGUAGE plpgsql\n%sAS $_$%s$_$\n', nspname,
                  proname, regexp_replace(pg_get_function_arguments(p.oid), '\mIN ', '', 'g'),
                  CASE WHEN (obj_description(p.oid, 'pg_proc')::jsonb ->> 'nonatomic')::boolean
                       THEN E' NONATOMIC\n' ELSE '' END,
                  CASE WHEN prosecdef THEN E' SECURITY DEFINER\n' ELSE '' END, prosrc)
      FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
     WHERE p.oid = named AND prokind = 'p'
$$;

-- SHOW PROCEDURES and SHOW FUNCTIONS: what clients made.
CREATE VIEW redshift_local.routines AS SELECT current_database()::varchar(128) AS database_name,
    nspname::varchar(128) AS schema_name, proname::varchar(128) AS name, prokind,
    pronargs::int AS number_of_arguments, pg_get_function_identity_arguments(p.oid) AS argument_list,
    pg_get_function_result(p.oid) AS return_type, NULL::varchar(256) AS remarks
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'redshift_local');
-- SHOW CONSTRAINTS
CREATE VIEW redshift_local.shown_constraints AS SELECT current_database()::varchar(128) AS database_name,
    n.nspname::varchar(128) AS schema_name, c.relname::varchar(128) AS table_name,
    a.attname::varchar(128) AS column_name, k.place::int AS key_seq, conname::varchar(128) AS name,
    contype, rn.nspname::varchar(128) AS pk_schema_name, rc.relname::varchar(128) AS pk_table_name,
    ra.attname::varchar(128) AS pk_column_name
    FROM redshift_local.constraints d JOIN pg_class c ON c.oid = d.tbl
    JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL unnest(d.columns, d.referenced) WITH ORDINALITY AS k(number, other, place)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
    LEFT JOIN pg_class rc ON rc.oid = d.reference LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace
    LEFT JOIN pg_attribute ra ON ra.attrelid = rc.oid AND ra.attnum = k.other;

CREATE OR REPLACE FUNCTION redshift_local.check_database(named text) RETURNS void
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF named <> current_database() THEN
        RAISE invalid_catalog_name USING MESSAGE = format('database "%s" does not exist', named);
    END IF;
END $$;
