-- Streaming ingestion from Kinesis. A streaming materialized view is a view of a table beside it,
-- mv_tbl__NAME__0 (Redshift calls its own so), to which each REFRESH adds rows in one transaction
-- with the position of each shard.
CREATE TABLE IF NOT EXISTS redshift_local.external_schemas (
    schema oid PRIMARY KEY, region text, role text);

CREATE TABLE IF NOT EXISTS redshift_local.stream_views (
    view oid PRIMARY KEY, rows_table oid, external_schema text, stream text, query text,
    is_automatic boolean);

CREATE TABLE IF NOT EXISTS redshift_local.stream_positions (
    view oid, shard text, sequence_number text, is_finished boolean, PRIMARY KEY (view, shard));

CREATE TABLE IF NOT EXISTS redshift_local.stream_scans (
    view oid, xid bigint, query bigint, record_time timestamp, shard text, latest_position text,
    scanned_rows bigint, skipped_rows bigint, scanned_bytes bigint, time_min timestamp,
    time_max timestamp);

CREATE TABLE IF NOT EXISTS redshift_local.stream_errors (
    view oid, xid bigint, query bigint, arrived timestamp, record_time timestamp, shard text,
    position text, error_code integer, error_reason text);

-- Redshift keeps such rows for seven days.
DELETE FROM redshift_local.stream_scans WHERE record_time < clock_timestamp() - interval '7 days';
DELETE FROM redshift_local.stream_errors WHERE record_time < clock_timestamp() - interval '7 days';

CREATE OR REPLACE FUNCTION redshift_local.note_external_schema(name text, region text, role text)
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.external_schemas SELECT oid, $2, $3 FROM pg_namespace
     WHERE nspname = name AND pg_has_role(session_user, nspowner, 'usage')
    ON CONFLICT (schema) DO UPDATE SET region = excluded.region, role = excluded.role
$$;

-- Of some names, those of external schemas; NULL for none.
CREATE OR REPLACE FUNCTION redshift_local.external_schemas_among(names text[]) RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(nspname::text) FROM redshift_local.external_schemas
      JOIN pg_namespace n ON n.oid = schema WHERE nspname = ANY (names)
$$;

CREATE OR REPLACE FUNCTION redshift_local.note_stream_view(
    named oid, stored oid, external_schema text, stream text, query text, is_automatic boolean)
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.stream_views
    SELECT c.oid, stored, $3, $4, $5, $6 FROM pg_class c JOIN pg_class t ON t.oid = stored
     WHERE c.oid = named AND c.relkind = 'v' AND t.relowner = c.relowner
       AND pg_has_role(session_user, c.relowner, 'usage')
$$;

CREATE OR REPLACE FUNCTION redshift_local.is_materialized(named oid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM pg_class WHERE oid = named AND relkind = 'm')
        OR EXISTS (SELECT 1 FROM redshift_local.stream_views WHERE view = named)
$$;

-- A streaming view, of those who may refresh it: its oid, its schema, the table of its rows.
CREATE OR REPLACE FUNCTION redshift_local.stream_view(named oid)
    RETURNS TABLE (view oid, rows_table text, external_schema text, stream text, query text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT v.view, format('%I.%I', nspname, t.relname), v.external_schema, v.stream, v.query
      FROM redshift_local.stream_views v JOIN pg_class c ON c.oid = v.view
      JOIN pg_class t ON t.oid = v.rows_table JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE v.view = named AND pg_has_role(session_user, c.relowner, 'usage')
$$;

CREATE OR REPLACE FUNCTION redshift_local.stream_positions(named oid) RETURNS jsonb
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(jsonb_object_agg(shard, jsonb_build_array(sequence_number, is_finished)), '{}')
      FROM redshift_local.stream_positions WHERE view = named
$$;

-- What one step of a refresh has read, as an array of an object for each shard.
CREATE OR REPLACE FUNCTION redshift_local.note_scans(named oid, scans jsonb, errors jsonb)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    xid bigint := pg_current_xact_id()::text::bigint;
    query bigint := nextval('redshift_local.query_ids');
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_class WHERE oid = named
                   AND pg_has_role(session_user, relowner, 'usage')) THEN
        RAISE EXCEPTION 'must be owner of the materialized view' USING ERRCODE = '42501';
    END IF;
    INSERT INTO redshift_local.stream_positions
    SELECT named, s ->> 'shard', s ->> 'position', (s ->> 'is_finished')::boolean
      FROM jsonb_array_elements(scans) AS s
    ON CONFLICT (view, shard) DO UPDATE SET
        sequence_number = coalesce(excluded.sequence_number, stream_positions.sequence_number),
        is_finished = excluded.is_finished;
    INSERT INTO redshift_local.stream_scans
    SELECT named, xid, query, clock_timestamp() AT TIME ZONE 'UTC', s ->> 'shard', s ->> 'position',
           (s ->> 'rows')::bigint, (s ->> 'skipped')::bigint, (s ->> 'bytes')::bigint,
           (s ->> 'first')::timestamp, (s ->> 'last')::timestamp
      FROM jsonb_array_elements(scans) AS s WHERE s ->> 'position' IS NOT NULL;
    INSERT INTO redshift_local.stream_errors
    SELECT named, xid, query, (e ->> 'arrived')::timestamp, clock_timestamp() AT TIME ZONE 'UTC',
           e ->> 'shard', e ->> 'position', (e ->> 'code')::integer, e ->> 'reason'
      FROM jsonb_array_elements(errors) AS e;
END $$;

-- ALTER TABLE ... APPEND from one streaming view to another of the same stream: a view that has
-- read nothing yet continues where the other one is.
CREATE OR REPLACE FUNCTION redshift_local.pass_positions(source oid, target oid) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.stream_positions
    SELECT target, p.shard, p.sequence_number, p.is_finished
      FROM redshift_local.stream_positions p
      JOIN redshift_local.stream_views s ON s.view = source AND p.view = source
      JOIN redshift_local.stream_views t ON t.view = target AND t.stream = s.stream
      JOIN pg_class c ON c.oid = target AND pg_has_role(session_user, c.relowner, 'usage')
     WHERE NOT EXISTS (SELECT 1 FROM redshift_local.stream_positions WHERE view = target)
$$;

CREATE OR REPLACE FUNCTION redshift_local.set_auto_refresh(named oid, is_on boolean) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_class WHERE oid = named
                   AND pg_has_role(session_user, relowner, 'usage')) THEN
        RAISE EXCEPTION 'must be owner of the materialized view' USING ERRCODE = '42501';
    END IF;
    UPDATE redshift_local.stream_views SET is_automatic = is_on WHERE view = named;
    UPDATE redshift_local.declared_keys SET declaration = CASE WHEN is_on THEN 't' ELSE 'f' END
     WHERE tbl = named AND kind = 'autorefresh';
END $$;

-- The streaming views to be refreshed in the background, by those who may.
CREATE OR REPLACE FUNCTION redshift_local.automatic_views() RETURNS SETOF oid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT view FROM redshift_local.stream_views JOIN pg_class c ON c.oid = view
     WHERE is_automatic AND pg_has_role(session_user, relowner, 'usage')
$$;

-- What is dropped with a view: its rows, its positions. Also by DROP SCHEMA ... CASCADE.
CREATE OR REPLACE FUNCTION redshift_local.forget_streams() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    entry record;
BEGIN
    DELETE FROM redshift_local.external_schemas WHERE schema IN (
        SELECT objid FROM pg_event_trigger_dropped_objects() WHERE object_type = 'schema');
    FOR entry IN DELETE FROM redshift_local.stream_views v
                  USING pg_event_trigger_dropped_objects() AS d
                  WHERE v.view = d.objid AND d.object_type = 'view' RETURNING v.* LOOP
        DELETE FROM redshift_local.stream_positions WHERE view = entry.view;
        IF EXISTS (SELECT 1 FROM pg_class WHERE oid = entry.rows_table) THEN
            EXECUTE 'DROP TABLE ' || entry.rows_table::regclass;
        END IF;
    END LOOP;
END $$;

DROP EVENT TRIGGER IF EXISTS redshift_local_streams;
CREATE EVENT TRIGGER redshift_local_streams ON sql_drop WHEN TAG IN ('DROP VIEW', 'DROP SCHEMA')
    EXECUTE FUNCTION redshift_local.forget_streams();

-- AWS's pages r_SYS_STREAM_SCAN_STATES and r_SYS_STREAM_SCAN_ERRORS. The codes of errors are not
-- documented there; those here are this layer's own.
CREATE VIEW pg_catalog.sys_stream_scan_states AS SELECT
    v.external_schema::char(128) AS external_schema_name, v.stream::char(255) AS stream_name,
    relname::char(128) AS mv_name, s.xid AS transaction_id, s.query AS query_id, s.record_time,
    s.shard::char(128) AS partition_id, s.latest_position::char(128) AS latest_position,
    s.scanned_rows, s.skipped_rows, s.scanned_bytes, s.time_min AS stream_record_time_min,
    s.time_max AS stream_record_time_max
    FROM redshift_local.stream_scans s JOIN redshift_local.stream_views v USING (view)
    JOIN pg_class c ON c.oid = view;

CREATE VIEW pg_catalog.sys_stream_scan_errors AS SELECT
    v.external_schema::char(128) AS external_schema_name, v.stream::char(255) AS stream_name,
    relname::char(128) AS mv_name, e.xid AS transaction_id, e.query AS query_id,
    'L'::char(1) AS stream_timestamp_type, e.arrived AS stream_timestamp, e.record_time,
    e.shard::char(128) AS partition_id, e.position::char(128) AS position, e.error_code,
    left(e.error_reason, 128)::char(128) AS error_reason
    FROM redshift_local.stream_errors e JOIN redshift_local.stream_views v USING (view)
    JOIN pg_class c ON c.oid = view;
