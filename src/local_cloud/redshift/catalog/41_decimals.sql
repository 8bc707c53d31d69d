-- A quotient of two decimals has the scale of Redshift's rule; `digits` is the divisor's precision.
CREATE OR REPLACE FUNCTION redshift_local.quotient(
    dividend numeric, divisor numeric, digits integer) RETURNS numeric
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT trunc(dividend / divisor, greatest(4, scale(dividend) + digits - scale(divisor) + 1)) $$;
