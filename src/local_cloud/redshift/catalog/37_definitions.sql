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
