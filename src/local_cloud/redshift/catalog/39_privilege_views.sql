-- Who has which rights: AWS's pages r_SVV_RELATION_PRIVILEGES, r_SVV_ROLES, r_SVV_USER_GRANTS, ...
-- The rights of one list: of an object without a list its owner's.
CREATE OR REPLACE FUNCTION redshift_local.rights(acl aclitem[])
    RETURNS TABLE (privilege_type text, identity_id int, identity_name text, identity_type text,
                   admin_option boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT a.privilege_type, grantee::int,
           coalesce(pg_get_userbyid(nullif(grantee, 0))::text, 'public'),
           redshift_local.kind_of(grantee), bool_or(is_grantable)
      FROM aclexplode(acl) AS a GROUP BY 1, grantee
$$;

CREATE VIEW pg_catalog.svv_relation_privileges AS SELECT nspname::text AS namespace_name,
    relname::text AS relation_name, r.* FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    CROSS JOIN redshift_local.rights(coalesce(relacl, acldefault('r', relowner))) AS r
    WHERE relkind IN ('r', 'v', 'm') AND nspname !~ '^pg_'
      AND nspname NOT IN ('information_schema', 'redshift_local');

CREATE VIEW pg_catalog.svv_schema_privileges AS SELECT nspname::text AS namespace_name, r.*
    FROM pg_namespace CROSS JOIN redshift_local.rights(coalesce(nspacl, acldefault('n', nspowner)))
    AS r WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'redshift_local');

CREATE VIEW pg_catalog.svv_database_privileges AS SELECT datname::text AS database_name, r.*,
    'DATABASE'::text AS privilege_scope FROM pg_database
    CROSS JOIN redshift_local.rights(coalesce(datacl, acldefault('d', datdba))) AS r
    WHERE datname = current_database() AND r.identity_name <> 'rdsdb'
      AND r.privilege_type <> 'CONNECT';

CREATE VIEW pg_catalog.svv_column_privileges AS SELECT nspname::text AS namespace_name,
    relname::text AS relation_name, attname::text AS column_name, r.privilege_type, r.identity_id,
    r.identity_name, r.identity_type FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
    JOIN pg_namespace n ON n.oid = relnamespace CROSS JOIN redshift_local.rights(attacl) AS r
    WHERE attacl IS NOT NULL AND nspname !~ '^pg_'
      AND nspname NOT IN ('information_schema', 'redshift_local');

CREATE VIEW pg_catalog.svv_function_privileges AS SELECT nspname::text AS namespace_name,
    proname::text AS function_name, pg_get_function_identity_arguments(p.oid) AS argument_types,
    r.* FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
    CROSS JOIN redshift_local.rights(coalesce(proacl, acldefault('f', proowner))) AS r
    WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'redshift_local');

CREATE VIEW pg_catalog.svv_default_privileges AS SELECT nspname::text AS schema_name,
    CASE defaclobjtype WHEN 'r' THEN 'RELATION' ELSE 'FUNCTION' END AS object_type,
    defaclrole::int AS owner_id, pg_get_userbyid(defaclrole)::text AS owner_name,
    redshift_local.kind_of(defaclrole) AS owner_type, r.privilege_type, r.identity_id AS grantee_id,
    r.identity_name AS grantee_name, r.identity_type AS grantee_type, r.admin_option
    FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
    CROSS JOIN redshift_local.rights(defaclacl) AS r;

CREATE OR REPLACE FUNCTION redshift_local.memberships()
    RETURNS TABLE (kind text, roleid oid, rolename text, member_kind text, memberid oid,
                   membername text, admin_option boolean)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.kind, m.roleid, pg_get_userbyid(m.roleid)::text, redshift_local.kind_of(m.member),
           m.member, pg_get_userbyid(m.member)::text, m.admin_option
      FROM pg_auth_members m JOIN redshift_local.principals p ON p.oid = m.roleid
$$;

CREATE OR REPLACE FUNCTION redshift_local.principals_of(wanted text)
    RETURNS TABLE (id oid, name text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.oid, r.rolname::text FROM redshift_local.principals p JOIN pg_roles r ON r.oid = p.oid
     WHERE p.kind = wanted
$$;

CREATE VIEW pg_catalog.svv_roles AS SELECT id::int AS role_id, name AS role_name,
    'demo'::text AS role_owner, NULL::text AS external_id
    FROM redshift_local.principals_of('role');

CREATE VIEW pg_catalog.svv_user_grants AS SELECT memberid::int AS user_id, membername AS user_name,
    roleid::int AS role_id, rolename AS role_name, admin_option
    FROM redshift_local.memberships() WHERE kind = 'role' AND member_kind = 'user';

CREATE VIEW pg_catalog.svv_role_grants AS SELECT memberid::int AS role_id, membername AS role_name,
    roleid::int AS granted_role_id, rolename AS granted_role_name
    FROM redshift_local.memberships() WHERE kind = 'role' AND member_kind = 'role';

CREATE VIEW redshift_local.pg_group AS SELECT name::name AS groname, id AS grosysid,
    ARRAY(SELECT memberid FROM redshift_local.memberships() WHERE roleid = id) AS grolist
    FROM redshift_local.principals_of('group');
