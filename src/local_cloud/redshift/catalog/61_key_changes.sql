-- What ALTER TABLE declares anew of the client's own table goes before what was declared.
CREATE OR REPLACE FUNCTION redshift_local.forget_keys(named oid, kinds text[])
    RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    DELETE FROM redshift_local.declared_keys d USING pg_class c, pg_roles r
     WHERE d.tbl = named AND d.kind = ANY (kinds) AND c.oid = named AND r.oid = c.relowner
       AND r.rolname = session_user
$$;

CREATE OR REPLACE FUNCTION redshift_local.current_user_id() RETURNS integer
    LANGUAGE sql STABLE AS $$ SELECT usesysid::integer FROM pg_user WHERE usename = current_user $$;
