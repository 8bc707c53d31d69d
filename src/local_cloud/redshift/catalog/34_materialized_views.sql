-- Materialized views: each REFRESH computes all (state 0), and nothing measures what changed since
-- then, so each counts as stale. AWS's pages r_SVV_MV_INFO, r_STV_MV_INFO, r_SVL_MV_REFRESH_STATUS.
CREATE TABLE IF NOT EXISTS redshift_local.refreshes (
    userid bigint, pid int, view oid, xid bigint, starttime timestamp, endtime timestamp);

CREATE OR REPLACE FUNCTION redshift_local.note_refresh(named oid, started timestamp) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.refreshes
    SELECT quote_ident(session_user)::regrole::oid::bigint, pg_backend_pid(), oid,
           pg_current_xact_id()::text::bigint, started, clock_timestamp()::timestamp
      FROM pg_class WHERE oid = named AND relkind = 'm' AND pg_has_role(session_user, relowner, 'usage')
$$;

CREATE OR REPLACE FUNCTION redshift_local.is_refreshed_automatically(named oid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(max(declaration), 'f') FROM redshift_local.declared_keys
     WHERE tbl = named AND kind = 'autorefresh'
$$;

CREATE VIEW pg_catalog.svv_mv_info AS SELECT current_database()::char(128) AS database_name,
    nspname::char(128) AS schema_name, pg_get_userbyid(relowner)::char(128) AS user_name,
    relname::char(128) AS name, 't'::char(1) AS is_stale, 0 AS state, 'f'::char(1) AS autorewrite,
    redshift_local.is_refreshed_automatically(c.oid)::char(1) AS autorefresh
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'm';

CREATE VIEW pg_catalog.stv_mv_info AS SELECT database_name AS db_name, schema_name AS schema, name,
    0::bigint AS updated_upto_xid, is_stale, user_name AS owner_user_name, state, autorewrite,
    autorefresh FROM pg_catalog.svv_mv_info;

CREATE VIEW pg_catalog.svl_mv_refresh_status AS SELECT current_database()::char(128) AS db_name,
    r.userid, nspname::char(128) AS schema_name, relname::char(128) AS mv_name, r.xid,
    r.starttime, r.endtime, 'Refresh successfully recomputed MV from scratch'::text AS status,
    'Manual'::char(32) AS refresh_type FROM redshift_local.refreshes r
    JOIN pg_class c ON c.oid = r.view JOIN pg_namespace n ON n.oid = relnamespace;

CREATE VIEW pg_catalog.sys_mv_refresh_history AS SELECT r.userid::int AS user_id,
    r.pid AS session_id, r.xid AS transaction_id, current_database()::char(128) AS database_name,
    nspname::char(128) AS schema_name, c.oid::bigint AS mv_id, relname::char(128) AS mv_name,
    'Manual'::char(32) AS refresh_type,
    'Refresh successfully recomputed MV from scratch'::text AS status, r.starttime AS start_time,
    r.endtime AS end_time, (extract(epoch FROM r.endtime - r.starttime) * 1000000)::bigint
    AS duration FROM redshift_local.refreshes r
    JOIN pg_class c ON c.oid = r.view JOIN pg_namespace n ON n.oid = relnamespace;
