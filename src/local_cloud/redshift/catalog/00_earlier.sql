-- A view of an earlier version steps aside: its columns may have been others, and a client's own
-- view may read it. Those that nothing reads go at the end of the last file.
SET allow_system_table_mods = on;
DO $$
DECLARE
    entry record;
BEGIN
    FOR entry IN SELECT c.oid, c.oid::regclass AS name, relname FROM pg_class c
                  JOIN pg_namespace n ON n.oid = relnamespace
                  WHERE nspname IN ('pg_catalog', 'redshift_local') AND relkind = 'v'
                    AND c.oid >= 16384 AND relname !~ '^earlier_' LOOP
        EXECUTE format('ALTER VIEW %s RENAME TO %I', entry.name, 'earlier_' || entry.oid);
    END LOOP;
END $$;
