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

-- ALTER DATABASE ... ISOLATION LEVEL; of those who may create schemas in it.
CREATE OR REPLACE FUNCTION redshift_local.set_isolation(name text, level text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT has_database_privilege(session_user, name, 'CREATE') THEN
        RAISE EXCEPTION 'must be owner of database %', name USING ERRCODE = '42501';
    END IF;
    EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation TO %L', name, level);
END $$;

-- Settings that are Redshift's own; of PostgreSQL's a client has SHOW.
CREATE OR REPLACE FUNCTION redshift_local.setting(name text, otherwise text) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(nullif(current_setting('redshift.' || name, true), ''), otherwise)
$$;

-- SHOW ALL: what a client may see of both.
CREATE OR REPLACE FUNCTION redshift_local.settings()
    RETURNS TABLE (name text, setting text, description text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT lower(s.name), s.setting, s.short_desc FROM pg_settings s
     WHERE lower(s.name) IN ('application_name', 'client_encoding', 'datestyle', 'extra_float_digits',
        'intervalstyle', 'standard_conforming_strings', 'statement_timeout', 'timezone',
        'transaction_isolation', 'is_superuser', 'server_encoding', 'integer_datetimes')
     UNION ALL SELECT 'server_version', '8.0.2', 'Shows the server version.'
     UNION ALL SELECT substr(s.name, 10), s.setting, '' FROM pg_settings s
     WHERE s.name LIKE 'redshift.%' ORDER BY 1
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

-- The keys that a client's own table declares, each {"name", "type", "columns", "reference",
-- "referenced"}; a key without a name gets the one that PostgreSQL would give it.
CREATE OR REPLACE FUNCTION redshift_local.declare_constraints(named oid, declared jsonb, is_new boolean)
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    WITH key AS (
        SELECT c.oid, c.relname, k ->> 'name' AS name, k ->> 'type' AS type, reference,
               k -> 'columns' ->> 0 AS first, redshift_local.column_numbers(c.oid, k -> 'columns')
               AS columns, redshift_local.column_numbers(reference, k -> 'referenced') AS referenced
          FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner AND r.rolname = session_user
         CROSS JOIN jsonb_array_elements(declared) AS k
         CROSS JOIN LATERAL (SELECT (k ->> 'found')::oid AS reference) AS other
         WHERE c.oid = named AND NOT (is_new AND EXISTS (
             SELECT 1 FROM redshift_local.declared_constraints WHERE tbl = named)))
    INSERT INTO redshift_local.declared_constraints (tbl, conname, contype, columns, reference, referenced)
    SELECT oid, coalesce(name, concat_ws('_', relname, CASE WHEN type <> 'p' THEN first END,
               CASE type WHEN 'p' THEN 'pkey' WHEN 'u' THEN 'key' ELSE 'fkey' END)),
           type::"char", columns, reference, coalesce(referenced, (
               SELECT o.columns FROM redshift_local.declared_constraints o
                WHERE o.tbl = key.reference AND o.contype = 'p' LIMIT 1))
      FROM key WHERE columns IS NOT NULL
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
    FOR entry IN SELECT oid::regclass AS name FROM pg_class
                  WHERE relnamespace = 'redshift_local'::regnamespace AND relkind = 'v'
                    AND relname NOT IN ('attributes', 'constraints') LOOP
        EXECUTE format('GRANT SELECT ON %s TO PUBLIC', entry.name);
    END LOOP;
    REVOKE SELECT ON pg_catalog.pg_settings FROM PUBLIC;
    -- What has effects outside of the client's own data is volatile; these alone are needed.
    FOR entry IN SELECT oid::regprocedure AS name FROM pg_proc
                  WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND oid < 16384
                    AND (provolatile = 'v' AND proname !~ 'handler$|validator$|^RI_FKey'
                         AND proname NOT IN ('random', 'nextval', 'clock_timestamp', 'timeofday',
                             'pg_partition_ancestors', 'pg_sequence_last_value', 'pg_indexes_size',
                             'pg_database_size', 'pg_relation_size', 'pg_table_size', 'pg_total_relation_size')
                         OR proname ~ '^inet_|^pg_stat_|^pg_show_|_to_xml|_load_time$|_start_time$'
                            AND proname <> 'pg_stat_get_live_tuples'
                         OR proname IN ('current_setting', 'pg_config', 'pg_cursor',
                             'pg_prepared_statement', 'pg_relation_filepath')) LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', entry.name);
    END LOOP;
END $$;

-- Views of an earlier version that nothing reads any more.
DO $$
DECLARE
    entry record; was_dropped boolean := true;
BEGIN
    WHILE was_dropped LOOP
        was_dropped := false;
        FOR entry IN SELECT oid::regclass AS name FROM pg_class
                      WHERE relkind = 'v' AND relname ~ '^earlier_[0-9]+$' AND oid >= 16384 LOOP
            BEGIN
                EXECUTE format('DROP VIEW %s', entry.name);
                was_dropped := true;
            EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
            END;
        END LOOP;
    END LOOP;
END $$;
