-- The statements that clients have sent (query_log.py): a client sees its own, the administrator and
-- who has SYSLOG ACCESS UNRESTRICTED all. An entry is kept for seven days, as on Redshift.
CREATE TABLE IF NOT EXISTS redshift_local.query_log (
    query bigint, usename name, userid int, pid int, xid bigint, label text, kind text,
    starttime timestamp, endtime timestamp, rows bigint, code text, error text, is_nested boolean,
    text text);
CREATE INDEX IF NOT EXISTS query_log_times ON redshift_local.query_log (starttime);
CREATE TABLE IF NOT EXISTS redshift_local.connection_log (
    event text, recordtime timestamp, remotehost text, remoteport text, pid int, usename name,
    duration bigint, sslversion text, application_name text, driver_version text,
    os_version text);
DELETE FROM redshift_local.query_log WHERE starttime < now() AT TIME ZONE 'UTC' - interval '7 days';
DELETE FROM redshift_local.connection_log
 WHERE recordtime < now() AT TIME ZONE 'UTC' - interval '7 days';

CREATE OR REPLACE FUNCTION redshift_local.note_queries(queries jsonb, events jsonb) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO redshift_local.query_log
    SELECT coalesce(e.query, nextval('redshift_local.query_ids')), e.user, r.oid::int, e.pid,
           e.transaction, e.label, e.kind, e.starts, e.ends, e.rows, nullif(e.code, ''),
           nullif(e.error, ''), e.is_nested, e.text
      FROM jsonb_to_recordset(queries) AS e (query bigint, "user" name, pid int, transaction bigint,
           label text, kind text, starts timestamp, ends timestamp, rows bigint, code text,
           error text, is_nested boolean, text text)
      LEFT JOIN pg_roles r ON r.rolname = e.user;
    INSERT INTO redshift_local.connection_log
    SELECT (jsonb_populate_record(NULL::redshift_local.connection_log, e)).*
      FROM jsonb_array_elements(events) AS e
$$;

CREATE OR REPLACE FUNCTION redshift_local.sees_all_queries() RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT redshift_local.is_administrator() OR EXISTS (
        SELECT 1 FROM redshift_local.principals p WHERE p.oid = quote_ident(session_user)::regrole
           AND p.options ->> 'syslog' = 'unrestricted')
$$;
CREATE OR REPLACE FUNCTION redshift_local.seen_queries() RETURNS SETOF redshift_local.query_log
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM redshift_local.query_log
     WHERE usename = session_user OR (SELECT redshift_local.sees_all_queries())
$$;
CREATE OR REPLACE FUNCTION redshift_local.seen_connections()
    RETURNS SETOF redshift_local.connection_log
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM redshift_local.connection_log
     WHERE usename = session_user OR (SELECT redshift_local.sees_all_queries())
$$;

CREATE VIEW pg_catalog.stl_query AS SELECT userid, query::int AS query, label::char(320) AS label,
    xid, pid, current_database()::char(32) AS database, left(text, 4000)::char(4000) AS querytxt,
    starttime, endtime, (code IS NOT NULL)::int AS aborted, 0 AS insert_pristine,
    0 AS concurrency_scaling_status
    FROM redshift_local.seen_queries() WHERE kind NOT IN ('DDL', 'UTILITY');

CREATE VIEW redshift_local.query_pieces AS SELECT q.*, n AS sequence,
    substr(text, n * 200 + 1, 200)::char(200) AS piece
    FROM redshift_local.seen_queries() AS q
    CROSS JOIN LATERAL generate_series(0, (greatest(length(text), 1) - 1) / 200) AS n;
CREATE VIEW pg_catalog.stl_querytext AS SELECT userid, xid, pid, query::int AS query, sequence,
    piece AS text FROM redshift_local.query_pieces WHERE kind NOT IN ('DDL', 'UTILITY');
CREATE VIEW pg_catalog.stl_ddltext AS SELECT userid, xid, pid, label::char(320) AS label, starttime,
    endtime, sequence, piece AS text FROM redshift_local.query_pieces WHERE kind IN ('DDL', 'CTAS');
CREATE VIEW pg_catalog.stl_utilitytext AS SELECT userid, xid, pid, label::char(320) AS label,
    starttime, endtime, sequence, piece AS text
    FROM redshift_local.query_pieces WHERE kind = 'UTILITY';
CREATE VIEW pg_catalog.svl_statementtext AS SELECT userid, xid, pid, label::char(320) AS label,
    starttime, endtime, sequence, CASE WHEN kind IN ('DDL', 'UTILITY') THEN kind
        WHEN kind = 'CTAS' THEN 'DDL' ELSE 'QUERY' END::varchar(10) AS type, piece AS text
    FROM redshift_local.query_pieces;
CREATE VIEW pg_catalog.sys_query_text AS SELECT userid AS user_id, query AS query_id,
    xid AS transaction_id, pid AS session_id, starttime AS start_time, sequence, piece AS text
    FROM redshift_local.query_pieces;

CREATE VIEW pg_catalog.svl_qlog AS SELECT userid, query::int AS query, xid, pid, starttime, endtime,
    (extract(epoch FROM endtime - starttime) * 1000000)::bigint AS elapsed,
    (code IS NOT NULL)::int AS aborted, label::char(320) AS label,
    left(text, 60)::char(60) AS substring, NULL::int AS source_query,
    '0 - Ran on the main cluster'::text AS concurrency_scaling_status_txt,
    is_nested::int AS from_sp_call
    FROM redshift_local.seen_queries() WHERE kind NOT IN ('DDL', 'UTILITY');

CREATE VIEW pg_catalog.sys_query_history AS SELECT userid AS user_id, query AS query_id,
    label::char(320) AS query_label, xid AS transaction_id, pid AS session_id,
    current_database()::char(128) AS database_name, kind::char(32) AS query_type,
    CASE WHEN code IS NULL THEN 'success' WHEN code = '57014' THEN 'canceled' ELSE 'failed' END
        ::char(10) AS status,
    false AS result_cache_hit, starttime AS start_time, endtime AS end_time, elapsed AS elapsed_time,
    0::bigint AS queue_time, elapsed AS execution_time, error::char(512) AS error_message,
    CASE kind WHEN 'SELECT' THEN rows ELSE 0 END AS returned_rows, 0::bigint AS returned_bytes,
    left(text, 4000)::char(4000) AS query_text,
    (regexp_match(version(), 'Redshift (.*)'))[1]::char(256) AS redshift_version,
    NULL::char(150) AS usage_limit, 'primary'::varchar(32) AS compute_type, 0::bigint AS compile_time,
    0::bigint AS planning_time, 0::bigint AS lock_wait_time, 100 AS service_class_id,
    'Default queue'::char(64) AS service_class_name, 'Normal'::char(20) AS query_priority,
    'false'::char(10) AS short_query_accelerated, md5(text)::char(40) AS user_query_hash,
    md5(regexp_replace(text, '''[^'']*''|[0-9]+', '?', 'g'))::char(40) AS generic_query_hash,
    1 AS query_hash_version, NULL::bigint AS result_cache_query_id
    FROM (SELECT *, (extract(epoch FROM endtime - starttime) * 1000000)::bigint AS elapsed
            FROM redshift_local.seen_queries()) AS found;

CREATE VIEW pg_catalog.svl_stored_proc_call AS SELECT userid, userid AS session_userid,
    query::int AS query, label::char(320) AS label, xid, pid, current_database()::char(32) AS database,
    left(text, 500)::char(500) AS querytxt, starttime, endtime, (code IS NOT NULL)::int AS aborted,
    CASE WHEN is_nested THEN 1 END AS from_sp_call
    FROM redshift_local.seen_queries() WHERE text ~* '^\s*call\s';

CREATE VIEW pg_catalog.stl_error AS SELECT userid, 'padb'::char(12) AS process,
    endtime AS recordtime, pid, 1000 AS errcode, ''::char(90) AS file, 0 AS linenum,
    code::char(100) AS context, error::char(512) AS error
    FROM redshift_local.seen_queries() WHERE code IS NOT NULL;

-- What runs is what the server behind runs for the session, in its words.
CREATE OR REPLACE FUNCTION redshift_local.running()
    RETURNS TABLE (userid int, user_name text, pid int, starttime timestamp, query text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT usesysid::int, usename::text, a.pid, query_start AT TIME ZONE 'UTC', a.query
      FROM pg_stat_activity a WHERE state = 'active' AND backend_type = 'client backend'
       AND datname = current_database()
       AND (usename = session_user OR redshift_local.sees_all_queries())
$$;
CREATE VIEW pg_catalog.stv_recents AS
    SELECT userid, 'Running'::char(20) AS status, starttime, (extract(epoch FROM
           clock_timestamp() AT TIME ZONE 'UTC' - starttime) * 1000000)::int AS duration,
           user_name::char(50) AS user_name, current_database()::char(50) AS db_name,
           left(query, 600)::char(600) AS query, pid FROM redshift_local.running()
    UNION ALL (
    SELECT userid, 'Done', starttime, least(extract(epoch FROM endtime - starttime) * 1000000,
           2147483647)::int, usename, current_database(), left(text, 600), -1
      FROM redshift_local.seen_queries() ORDER BY starttime DESC LIMIT 100);
CREATE VIEW pg_catalog.stv_inflight AS SELECT userid, 0 AS slice, pid AS query,
    'default'::char(320) AS label, pid::bigint AS xid, pid, starttime,
    left(query, 100)::char(100) AS text, 0 AS suspended, 0 AS insert_pristine,
    0 AS concurrency_scaling_status FROM redshift_local.running();

CREATE VIEW pg_catalog.stl_connection_log AS SELECT event::char(50) AS event, recordtime,
    remotehost::char(45) AS remotehost, remoteport::char(32) AS remoteport, pid,
    current_database()::char(50) AS dbname, usename::char(50) AS username,
    'password'::char(32) AS authmethod, duration::int AS duration,
    sslversion::char(50) AS sslversion, NULL::char(128) AS sslcipher, 0 AS mtu,
    NULL::char(64) AS sslcompression, NULL::char(64) AS sslexpansion, NULL::char(36) AS iamauthguid,
    application_name::char(250) AS application_name, os_version::char(64) AS os_version,
    driver_version::char(64) AS driver_version, NULL::char(32) AS plugin_name,
    0 AS protocol_version, NULL::char(36) AS sessionid, NULL::char(8) AS compression
    FROM redshift_local.seen_connections();
CREATE VIEW pg_catalog.sys_connection_log AS SELECT event, recordtime AS record_time,
    remotehost AS remote_host, remoteport AS remote_port, pid AS session_id, dbname AS database_name,
    username AS user_name, authmethod AS auth_method, duration::bigint AS duration,
    sslversion AS ssl_version, sslcipher AS ssl_cipher, mtu, sslcompression AS ssl_compression,
    sslexpansion AS ssl_expansion, iamauthguid AS iam_auth_guid, application_name, driver_version,
    os_version, plugin_name, protocol_version, sessionid AS global_session_id
    FROM pg_catalog.stl_connection_log;
CREATE VIEW pg_catalog.sys_session_history AS SELECT NULL::int AS user_id, pid AS session_id,
    min(current_database())::char(128) AS database_name,
    CASE WHEN bool_or(event LIKE 'disconnecting%') THEN 'closed' ELSE 'active' END::char(10)
        AS status, 0 AS session_timeout,
    min(recordtime) AS start_time,
    max(recordtime) FILTER (WHERE event LIKE 'disconnecting%') AS end_time
    FROM redshift_local.seen_connections() GROUP BY pid, usename;
