-- The system tables are no part of a transaction's snapshot on Redshift: what a COPY notes is seen in
-- its own transaction, and stays after a ROLLBACK. The entries are therefore written twice: by a
-- connection of their own (10_tables.sql), and by the client's transaction, which alone reads these.
DO $$
DECLARE
    kind text; columns text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['load_errors', 'load_error_fields', 'replacements', 'load_history',
                                'load_files', 'unload_files', 'sessions', 'unload_sessions'] LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
         WHERE attrelid = ('redshift_local.' || kind)::regclass AND attnum > 0 AND NOT attisdropped;
        EXECUTE format('CREATE TABLE IF NOT EXISTS redshift_local.own_%1$s (
            LIKE redshift_local.%1$s, backend integer, writer xid8)', kind);
        EXECUTE format('CREATE VIEW redshift_local.seen_%1$s AS
            SELECT %2$s FROM redshift_local.%1$s UNION ALL SELECT %2$s FROM redshift_local.own_%1$s
             WHERE writer = pg_current_xact_id_if_assigned()', kind, columns);
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.record_own(entry redshift_local.%1$s)
            RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $f$
            INSERT INTO redshift_local.own_%1$s
            SELECT (entry).*, pg_backend_pid(), pg_current_xact_id()$f$', kind);
    END LOOP;
END $$;

-- Leave out what earlier transactions of this session wrote, and what this one noted before of the
-- counts that its last COPY and UNLOAD have.
CREATE OR REPLACE FUNCTION redshift_local.forget_own(sessions_table text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['load_errors', 'load_error_fields', 'replacements', 'load_history',
                                'load_files', 'unload_files', 'sessions', 'unload_sessions'] LOOP
        EXECUTE format('DELETE FROM redshift_local.own_%I WHERE backend = pg_backend_pid() AND
            (writer <> pg_current_xact_id() OR %L = %L)', kind, kind, sessions_table);
    END LOOP;
END $$;
