-- What clients ask about databases, schemas, tables and columns (svv_all_*, svv_redshift_*).
CREATE OR REPLACE FUNCTION redshift_local.is_serializable(database oid) RETURNS boolean
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM pg_db_role_setting WHERE setdatabase = database AND setrole = 0
                   AND 'default_transaction_isolation=serializable' = ANY (setconfig))
$$;

CREATE VIEW pg_catalog.svv_redshift_databases AS SELECT datname::varchar(128) AS database_name,
    datdba::int AS database_owner, 'local'::varchar(32) AS database_type,
    array_to_string(datacl, ',')::varchar(128) AS database_acl, ''::varchar(128) AS database_options,
    CASE WHEN redshift_local.is_serializable(oid) THEN 'Serializable' ELSE 'Snapshot Isolation' END
        ::varchar(128) AS database_isolation_level
    FROM pg_database WHERE datname = current_database();

CREATE VIEW pg_catalog.svv_redshift_schemas AS SELECT current_database()::varchar(128) AS database_name,
    nspname::varchar(128) AS schema_name, nspowner::int AS schema_owner,
    'local'::varchar(128) AS schema_type, array_to_string(nspacl, ',')::varchar(128) AS schema_acl,
    NULL::varchar(128) AS schema_option
    FROM pg_namespace WHERE nspname <> 'redshift_local' AND nspname !~ '^pg_(toast|temp)';

CREATE VIEW pg_catalog.svv_all_schemas AS SELECT database_name, schema_name, schema_owner, schema_type,
    schema_acl, NULL::varchar(128) AS source_database, schema_option
    FROM pg_catalog.svv_redshift_schemas;

CREATE VIEW pg_catalog.svv_redshift_tables AS SELECT current_database()::varchar(128) AS database_name,
    nspname::varchar(128) AS schema_name, relname::varchar(128) AS table_name,
    CASE relkind WHEN 'r' THEN 'TABLE' ELSE 'VIEW' END::varchar(128) AS table_type,
    array_to_string(relacl, ',')::varchar(128) AS table_acl,
    obj_description(c.oid, 'pg_class')::varchar(128) AS remarks,
    pg_get_userbyid(relowner)::varchar(128) AS table_owner
    FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind IN ('r', 'v', 'm') AND nspname <> 'redshift_local'
      AND nspname !~ '^pg_(toast|temp)' AND relname !~ '^earlier_[0-9]+$';

CREATE VIEW pg_catalog.svv_all_tables AS SELECT database_name, schema_name, table_name, table_acl,
    table_type, remarks FROM pg_catalog.svv_redshift_tables;

CREATE VIEW pg_catalog.svv_all_columns AS SELECT table_catalog::varchar(128) AS database_name,
    table_schema::varchar(128) AS schema_name, table_name::varchar(128), column_name::varchar(128),
    ordinal_position::int, column_default::varchar(4000), is_nullable::varchar(3),
    data_type::varchar(128), character_maximum_length::int, numeric_precision::int,
    numeric_scale::int, col_description(
        (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass,
        ordinal_position::int)::varchar(256) AS remarks
    FROM redshift_local.columns WHERE table_schema <> 'redshift_local';

CREATE VIEW pg_catalog.svv_redshift_columns AS SELECT database_name, schema_name, table_name,
    column_name, ordinal_position, data_type, column_default, is_nullable,
    'none'::varchar(128) AS encoding, redshift_local.key_position(tbl, '^distkey', column_name) > 0
    AS distkey, redshift_local.key_position(tbl, 'sortkey$', column_name) AS sortkey,
    NULL::varchar(128) AS column_acl, remarks
    FROM pg_catalog.svv_all_columns CROSS JOIN LATERAL (SELECT
        (quote_ident(schema_name) || '.' || quote_ident(table_name))::regclass AS tbl) AS found;

CREATE VIEW pg_catalog.svv_redshift_functions AS SELECT current_database()::varchar(128) AS database_name,
    nspname::varchar(128) AS schema_name, proname::varchar(128) AS function_name,
    CASE prokind WHEN 'p' THEN 'STORED PROCEDURE' WHEN 'a' THEN 'AGGREGATED FUNCTION'
                 ELSE 'REGULAR FUNCTION' END::varchar(128) AS function_type,
    pg_get_function_identity_arguments(p.oid)::varchar(512) AS argument_type,
    pg_get_function_result(p.oid)::varchar(128) AS result_type
    FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE nspname <> 'redshift_local';

CREATE OR REPLACE FUNCTION redshift_local.client_sessions()
    RETURNS TABLE (starttime timestamp, process int, user_name char(50), db_name char(50))
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT backend_start::timestamp, pid, usename::char(50), datname::char(50)
      FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database()
$$;
CREATE VIEW pg_catalog.stv_sessions AS SELECT *, 0 AS timeout_sec
    FROM redshift_local.client_sessions();

CREATE VIEW pg_catalog.pg_user_info AS SELECT u.*, CASE WHEN rolconnlimit < 0 THEN 'UNLIMITED'
    ELSE rolconnlimit::text END AS useconnlimit
    FROM pg_user u JOIN pg_roles r ON r.oid = usesysid;

CREATE VIEW pg_catalog.svv_user_info AS SELECT usename::text AS user_name, usesysid::int AS user_id,
    usecreatedb AS createdb, usesuper AS superuser, false AS catalog_update,
    useconnlimit AS connection_limit, 'RESTRICTED'::text AS syslog_access,
    NULL::timestamp AS last_ddl_ts, 0 AS session_timeout, NULL::text AS external_user_id
    FROM pg_catalog.pg_user_info;

CREATE VIEW pg_catalog.pg_attribute_info AS SELECT * FROM redshift_local.pg_attribute;

CREATE VIEW pg_catalog.pg_proc_info AS SELECT oid AS prooid, * FROM redshift_local.pg_proc;

-- What the local warehouse has none of (no external data), or keeps no
-- record of (its queries): Redshift's columns, and no row.
DO $$
DECLARE
    entry text[];
BEGIN
    FOREACH entry SLICE 1 IN ARRAY ARRAY[
    ['svv_external_databases', 'eskind int, esoptions text, databasename text'],
    ['svv_external_schemas', 'esoid oid, eskind smallint, schemaname name, esowner int,
        databasename text, esoptions text'],
    ['svv_external_tables', 'redshift_database_name text, schemaname text, tablename text,
        tabletype text, location text, input_format text, output_format text,
        serialization_lib text, serde_parameters text, compressed int, parameters text'],
    ['svv_external_columns', 'redshift_database_name text, schemaname text, tablename text,
        columnname text, external_type text, columnnum int, part_key int, is_nullable text'],
    ['svv_external_partitions', 'schemaname text, tablename text, values text, location text,
        input_format text, output_format text, serialization_lib text, serde_parameters text,
        compressed int, parameters text'],
    ['svv_datashares', 'share_name varchar(128), share_id int, share_owner int,
        source_database varchar(128), consumer_database varchar(128), share_type varchar(8),
        createdate timestamp, is_publicaccessible boolean, share_acl varchar(256),
        producer_account varchar(16), producer_namespace varchar(64), managed_by varchar(64)'],
    ['stv_recents', 'userid int, status char(20), starttime timestamp, duration int,
        user_name char(50), db_name char(50), query char(600), pid int'],
    ['stv_inflight', 'userid int, slice int, query int, label char(320), xid bigint, pid int,
        starttime timestamp, text char(100), suspended int, insert_pristine int,
        concurrency_scaling_status int'],
    ['stl_query', 'userid int, query int, label char(320), xid bigint, pid int, database char(32),
        querytxt char(4000), starttime timestamp, endtime timestamp, aborted int,
        insert_pristine int, concurrency_scaling_status int'],
    ['stl_querytext', 'userid int, xid bigint, pid int, query int, sequence int, text char(200)'],
    ['stl_ddltext', 'userid int, xid bigint, pid int, label char(320), starttime timestamp,
        endtime timestamp, sequence int, text char(200)'],
    ['stl_utilitytext', 'userid int, xid bigint, pid int, label char(320), starttime timestamp,
        endtime timestamp, sequence int, text char(200)'],
    ['svl_statementtext', 'userid int, xid bigint, pid int, label char(320), starttime timestamp,
        endtime timestamp, sequence int, type varchar(10), text char(200)'],
    ['svl_qlog', 'userid int, query int, xid bigint, pid int, starttime timestamp,
        endtime timestamp, elapsed bigint, aborted int, label char(320), substring char(60),
        source_query int, concurrency_scaling_status_txt text, from_sp_call int'],
    ['svl_query_summary', 'userid int, query int, stm int, seg int, step int, maxtime bigint,
        avgtime bigint, rows bigint, bytes bigint, rate_row double precision,
        rate_byte double precision, label text, is_diskbased char(1), workmem bigint,
        is_rrscan char(1), is_delayed_scan char(1), rows_pre_filter bigint'],
    ['sys_query_history', 'user_id int, query_id bigint, query_label char(320),
        transaction_id bigint, session_id int, database_name char(128), query_type char(32),
        status char(10), result_cache_hit boolean, start_time timestamp, end_time timestamp,
        elapsed_time bigint, queue_time bigint, execution_time bigint, error_message char(512),
        returned_rows bigint, returned_bytes bigint, query_text char(4000),
        redshift_version char(256), usage_limit char(150), compute_type varchar(32),
        compile_time bigint, planning_time bigint, lock_wait_time bigint, service_class_id int,
        service_class_name char(64), query_priority char(20), short_query_accelerated char(10),
        user_query_hash char(40), generic_query_hash char(40), query_hash_version int,
        result_cache_query_id bigint'],
    ['sys_query_text', 'user_id int, query_id bigint, transaction_id bigint, session_id int,
        start_time timestamp, sequence int, text char(200)'],
    ['stl_error', 'userid int, process char(12), recordtime timestamp, pid int, errcode int,
        file char(90), linenum int, context char(100), error char(512)'],
    ['stl_connection_log', 'event char(50), recordtime timestamp, remotehost char(45),
        remoteport char(32), pid int, dbname char(50), username char(50), authmethod char(32),
        duration int, sslversion char(50), sslcipher char(128), mtu int, sslcompression char(64),
        sslexpansion char(64), iamauthguid char(36), application_name char(250),
        os_version char(64), driver_version char(64), plugin_name char(32), protocol_version int,
        sessionid char(36), compression char(8)'],
    ['stl_undone', 'userid int, xact_id bigint, xact_id_undone bigint, undo_start_ts timestamp,
        undo_end_ts timestamp, table_id bigint']] LOOP
        EXECUTE format('CREATE VIEW pg_catalog.%I AS SELECT %s WHERE false', entry[1],
            (SELECT string_agg(format('NULL::%s AS %I', m[2], m[1]), ', ')
               FROM regexp_matches(entry[2], '(\w+) ([^,]+)', 'g') AS m));
    END LOOP;
END $$;
