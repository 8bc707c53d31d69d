-- A VARCHAR and a catalog's name are compared as PostgreSQL does: beside the comparisons of
-- 45_comparisons.sql it would not find its own. First of all, for a warehouse that has those.
DO $$
DECLARE
    sign text; early text; late text; made text;
BEGIN
    IF EXISTS (SELECT 1 FROM pg_operator WHERE oprname = '=' AND oprleft = 'varchar'::regtype
               AND oprright = 'name'::regtype) THEN
        RETURN;
    END IF;
    FOREACH sign IN ARRAY ARRAY['=', '<>', '<', '<=', '>', '>='] LOOP
        FOR early, late IN VALUES ('varchar', 'name'), ('name', 'varchar') LOOP
            made := format('redshift_local.%I', 'compared ' || sign);
            EXECUTE format('CREATE OR REPLACE FUNCTION %s(%s, %s) RETURNS boolean LANGUAGE sql '
                           'IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE AS ''SELECT $1::text %s $2::text''',
                           made, early, late, sign);
            EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = %s, LEFTARG = %s, '
                           'RIGHTARG = %s)', sign, made, early, late);
        END LOOP;
    END LOOP;
END $$;
