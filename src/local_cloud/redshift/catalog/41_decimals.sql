-- The precision of a column's type, as a number in computations; read when a statement is planned.
CREATE OR REPLACE FUNCTION redshift_local.digits(tbl text, name text) RETURNS integer
    LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE atttypid WHEN 'smallint'::regtype THEN 5 WHEN 'integer'::regtype THEN 10
                         WHEN 'bigint'::regtype THEN 19
                         WHEN 'numeric'::regtype THEN CASE WHEN atttypmod >= 4
                                                           THEN (atttypmod - 4) >> 16 END END
      FROM pg_attribute WHERE attrelid = to_regclass(tbl) AND attname = name AND attnum > 0 $$;

-- A quotient is cut to the scale of Redshift's rule; `digits` is the precision of the divisor.
CREATE OR REPLACE FUNCTION redshift_local.cut_quotient(
    dividend numeric, divisor numeric, places integer) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT round(div(dividend * ('1e' || places)::numeric, divisor) * ('1e-' || places)::numeric,
                 places) $$;
CREATE OR REPLACE FUNCTION redshift_local.quotient(
    dividend numeric, divisor numeric, digits integer) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN digits IS NULL THEN dividend / divisor
                ELSE redshift_local.cut_quotient(dividend, divisor, least(38, greatest(4,
                     scale(dividend) + digits - scale(divisor) + 1))) END $$;

-- Of other types it is the server's own division, in place.
DO $$
DECLARE
    division record;
BEGIN
    FOR division IN SELECT oprleft::regtype AS early, oprright::regtype AS late,
                           oprresult::regtype AS result FROM pg_operator
                     WHERE oprname = '/' AND oprnamespace = 'pg_catalog'::regnamespace
                       AND oprleft < 16384 AND oprleft NOT IN ('numeric'::regtype, 4000)
                       AND oprleft::regtype::text !~ 'money|point|box|path|circle' LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.quotient(dividend %s, divisor %s, '
                       'digits integer) RETURNS %s LANGUAGE sql IMMUTABLE PARALLEL SAFE AS '
                       '''SELECT dividend / divisor''', division.early, division.late,
                       division.result);
    END LOOP;
END $$;

-- A number for a value; another than Redshift's own.
CREATE OR REPLACE FUNCTION pg_catalog.checksum(value text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT abs(hashtext(value) / 2)';
