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
      AND (nspname !~ '^pg_(toast|temp)' OR n.oid = pg_my_temp_schema())
      AND relname !~ '^earlier_[0-9]+$';

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

CREATE VIEW pg_catalog.pg_attribute_info AS SELECT * FROM redshift_local.pg_attribute;

CREATE VIEW pg_catalog.pg_proc_info AS SELECT oid AS prooid, * FROM redshift_local.pg_proc;

-- What the local warehouse has none of, such as external data: Redshift's columns, and no row.
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
    ['svl_query_summary', 'userid int, query int, stm int, seg int, step int, maxtime bigint,
        avgtime bigint, rows bigint, bytes bigint, rate_row double precision,
        rate_byte double precision, label text, is_diskbased char(1), workmem bigint,
        is_rrscan char(1), is_delayed_scan char(1), rows_pre_filter bigint'],
    ['stl_undone', 'userid int, xact_id bigint, xact_id_undone bigint, undo_start_ts timestamp,
        undo_end_ts timestamp, table_id bigint']] LOOP
        EXECUTE format('CREATE VIEW pg_catalog.%I AS SELECT %s WHERE false', entry[1],
            (SELECT string_agg(format('NULL::%s AS %I', m[2], m[1]), ', ')
               FROM regexp_matches(entry[2], '(\w+) ([^,]+)', 'g') AS m));
    END LOOP;
END $$;
