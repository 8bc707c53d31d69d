-- Views WITH NO SCHEMA BINDING run the text of their query: nothing depends on what it reads.
CREATE OR REPLACE FUNCTION redshift_local.late_rows(query text) RETURNS SETOF record
    LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN QUERY EXECUTE query; END $$;

-- The columns of a view as its definition lists them; NULL where the query cannot run yet.
CREATE OR REPLACE FUNCTION redshift_local.late_columns(query text) RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE 'CREATE TEMPORARY VIEW redshift_late_view AS ' || query;
    SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', '
                      ORDER BY attnum) INTO found
      FROM pg_attribute WHERE attrelid = 'pg_temp.redshift_late_view'::regclass AND attnum > 0;
    DROP VIEW pg_temp.redshift_late_view;
    RETURN found;
EXCEPTION
    WHEN undefined_table OR undefined_column OR invalid_schema_name THEN RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.late_definition(query text, columns text) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT * FROM redshift_local.late_rows(%L) AS late(%s)', query,
                  coalesce(columns, 'unbound text'))
$$;

-- Notes a view of the session's own user.
CREATE OR REPLACE FUNCTION redshift_local.note_late_view(named oid, query text, is_bound boolean)
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.late_views SELECT c.oid, $2, $3
      FROM pg_class c JOIN pg_roles r ON r.oid = relowner AND rolname = session_user
     WHERE c.oid = named AND relkind = 'v'
    ON CONFLICT (view) DO UPDATE SET query = excluded.query, is_bound = excluded.is_bound
$$;

CREATE OR REPLACE FUNCTION redshift_local.create_late_view(name text, query text, replaced boolean)
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    columns text := redshift_local.late_columns(query);
BEGIN
    IF replaced THEN EXECUTE 'DROP VIEW IF EXISTS ' || name; END IF;
    EXECUTE format('CREATE VIEW %s AS %s', name, redshift_local.late_definition(query, columns));
    PERFORM redshift_local.note_late_view(name::regclass, query, columns IS NOT NULL);
END $$;

CREATE OR REPLACE FUNCTION redshift_local.late_views_of_mine()
    RETURNS TABLE (name text, query text, columns text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('%I.%I', nspname, relname), v.query, CASE WHEN is_bound THEN (
        SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', '
                          ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0)
        END
      FROM redshift_local.late_views v JOIN pg_class c ON c.oid = v.view AND relkind = 'v'
      JOIN pg_namespace n ON n.oid = relnamespace
      JOIN pg_roles r ON r.oid = relowner AND rolname = session_user
$$;

-- After a change of tables: what a view's query can read now decides the view's columns. One that
-- another view reads keeps its own.
CREATE OR REPLACE FUNCTION redshift_local.bind_late_views() RETURNS event_trigger
    LANGUAGE plpgsql AS $$
DECLARE
    entry record; columns text;
BEGIN
    IF to_regclass('pg_temp.redshift_late_view') IS NOT NULL THEN RETURN; END IF;
    FOR entry IN SELECT * FROM redshift_local.late_views_of_mine() LOOP
        columns := redshift_local.late_columns(entry.query);
        IF columns IS NOT NULL AND columns IS DISTINCT FROM entry.columns THEN
            BEGIN
                PERFORM redshift_local.create_late_view(entry.name, entry.query, true);
            EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
            END;
        END IF;
    END LOOP;
END $$;

DROP EVENT TRIGGER IF EXISTS redshift_local_late_views;
CREATE EVENT TRIGGER redshift_local_late_views ON ddl_command_end
    WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE VIEW')
    EXECUTE FUNCTION redshift_local.bind_late_views();

CREATE OR REPLACE FUNCTION pg_catalog.pg_get_late_binding_view_cols() RETURNS SETOF record
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT nspname, relname, attname,
           format_type(atttypid, atttypmod)::varchar, attnum::int
      FROM redshift_local.late_views v JOIN pg_class c ON c.oid = v.view AND relkind = 'v'
      JOIN pg_namespace n ON n.oid = relnamespace
      JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0
     WHERE v.is_bound
$$;

CREATE OR REPLACE FUNCTION pg_catalog.pg_get_cols(relation text) RETURNS SETOF record
    LANGUAGE sql STABLE AS $$
    SELECT nspname, relname, attname, format_type(atttypid,
               redshift_local.type_modifier(c.oid, attname, atttypid, atttypmod))::varchar,
           attnum::int
      FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
      JOIN pg_attribute a ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
     WHERE c.oid = to_regclass(relation)
$$;
