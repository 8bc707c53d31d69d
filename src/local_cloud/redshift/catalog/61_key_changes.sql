-- What ALTER TABLE declares anew of the client's own table goes before what was declared.
CREATE OR REPLACE FUNCTION redshift_local.forget_keys(named oid, kinds text[])
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM redshift_local.declared_keys d USING pg_class c, pg_roles r
     WHERE d.tbl = named AND d.kind = ANY (kinds) AND c.oid = named AND r.oid = c.relowner
       AND r.rolname = session_user
$$;

CREATE OR REPLACE FUNCTION redshift_local.current_user_id() RETURNS integer
    LANGUAGE sql STABLE AS $$ SELECT usesysid::integer FROM pg_user WHERE usename = current_user $$;

-- The declared keys, as a session that trusts them asks for them.
CREATE OR REPLACE FUNCTION redshift_local.trusted_keys()
    RETURNS TABLE (own_schema name, own_table name, kind "char", own_columns text,
                   other_schema name, other_table name, other_columns text)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.nspname, c.relname, k.contype, redshift_local.column_list(k.tbl, k.columns),
           rn.nspname, rc.relname, redshift_local.column_list(k.reference, k.referenced)
      FROM redshift_local.declared_constraints k JOIN pg_class c ON c.oid = k.tbl
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_class rc ON rc.oid = k.reference
      LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace
$$;
