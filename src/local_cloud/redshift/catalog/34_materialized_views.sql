-- Materialized views: each REFRESH computes all (state 0) or, of a streaming view, adds what is new
-- (state 1). Nothing measures what changed since then, so each counts as stale. AWS's pages
-- r_SVV_MV_INFO, r_STV_MV_INFO, r_SVL_MV_REFRESH_STATUS.
CREATE TABLE IF NOT EXISTS redshift_local.refreshes (
    userid bigint, pid int, view oid, xid bigint, starttime timestamp, endtime timestamp);

ALTER TABLE redshift_local.refreshes ADD COLUMN IF NOT EXISTS status text
    DEFAULT 'Refresh successfully recomputed MV from scratch';
ALTER TABLE redshift_local.refreshes ADD COLUMN IF NOT EXISTS kind text DEFAULT 'Manual';
DELETE FROM redshift_local.refreshes WHERE endtime < clock_timestamp() - interval '7 days';

DROP FUNCTION IF EXISTS redshift_local.note_refresh(oid, timestamp);
CREATE OR REPLACE FUNCTION redshift_local.note_refresh(
    named oid, started timestamp, status text, kind text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.refreshes
    SELECT quote_ident(session_user)::regrole::oid::bigint, pg_backend_pid(), oid,
           pg_current_xact_id()::text::bigint, started, clock_timestamp() AT TIME ZONE 'UTC', $3, $4
      FROM pg_class WHERE oid = named AND redshift_local.is_materialized(oid)
       AND pg_has_role(session_user, relowner, 'usage')
$$;

CREATE OR REPLACE FUNCTION redshift_local.is_refreshed_automatically(named oid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(declaration), 'f') FROM redshift_local.declared_keys
     WHERE tbl = named AND kind = 'autorefresh'
$$;

CREATE VIEW pg_catalog.svv_mv_info AS SELECT current_database()::char(128) AS database_name,
    nspname::char(128) AS schema_name, pg_get_userbyid(relowner)::char(128) AS user_name,
    relname::char(128) AS name, 't'::char(1) AS is_stale, (s.view IS NOT NULL)::int AS state,
    'f'::char(1) AS autorewrite, coalesce(left(s.is_automatic::text, 1),
        redshift_local.is_refreshed_automatically(c.oid))::char(1) AS autorefresh
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    LEFT JOIN redshift_local.stream_views s ON s.view = c.oid
    WHERE relkind = 'm' OR s.view IS NOT NULL;

CREATE VIEW pg_catalog.stv_mv_info AS SELECT database_name AS db_name, schema_name AS schema, name,
    0::bigint AS updated_upto_xid, is_stale, user_name AS owner_user_name, state, autorewrite,
    autorefresh FROM pg_catalog.svv_mv_info;

CREATE VIEW pg_catalog.svl_mv_refresh_status AS SELECT current_database()::char(128) AS db_name,
    r.userid, nspname::char(128) AS schema_name, relname::char(128) AS mv_name, r.xid,
    r.starttime, r.endtime, r.status, r.kind::char(32) AS refresh_type FROM redshift_local.refreshes r
    JOIN pg_class c ON c.oid = r.view JOIN pg_namespace n ON n.oid = relnamespace;

CREATE VIEW pg_catalog.sys_mv_refresh_history AS SELECT r.userid::int AS user_id,
    r.pid AS session_id, r.xid AS transaction_id, current_database()::char(128) AS database_name,
    nspname::char(128) AS schema_name, c.oid::bigint AS mv_id, relname::char(128) AS mv_name,
    r.kind::char(32) AS refresh_type, r.status, r.starttime AS start_time,
    r.endtime AS end_time, (extract(epoch FROM r.endtime - r.starttime) * 1000000)::bigint
    AS duration FROM redshift_local.refreshes r
    JOIN pg_class c ON c.oid = r.view JOIN pg_namespace n ON n.oid = relnamespace;
