-- Functions that clients made; a name of the server's own functions is none of theirs.
CREATE OR REPLACE FUNCTION redshift_local.user_functions() RETURNS text[]
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(DISTINCT p.proname::text)
      FROM pg_proc p JOIN pg_roles r ON r.oid = proowner AND NOT rolsuper
     WHERE p.oid >= 16384 AND p.prokind = 'f' AND NOT EXISTS (
         SELECT 1 FROM pg_proc o WHERE o.proname = p.proname
            AND o.pronamespace IN ('pg_catalog'::regnamespace, 'redshift_local'::regnamespace))
$$;

CREATE OR REPLACE FUNCTION redshift_local.check_function_name(named text) RETURNS void
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_proc WHERE proname = named AND pronamespace IN (
            'pg_catalog'::regnamespace, 'redshift_local'::regnamespace)) THEN
        RAISE duplicate_function USING MESSAGE = format(
            'function "%s" has the name of a built-in function', named);
    END IF;
END $$;

-- CURRENT_SETTING, of what SHOW shows.
CREATE OR REPLACE FUNCTION redshift_local.shown_setting(named text) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text := coalesce((redshift_local.settings_of(ARRAY[lower(named)]))[1],
        (SELECT s.setting FROM redshift_local.settings() AS s WHERE s.name = lower(named)));
BEGIN
    IF found IS NULL THEN
        RAISE undefined_object USING
            MESSAGE = format('unrecognized configuration parameter "%s"', named);
    END IF;
    RETURN found;
END $$;
