-- Clients look for Redshift's name in it, and for the version whose protocol it keeps.
CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE
    AS $$ SELECT 'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 '
        '(Red Hat 3.4.2-6.fc3), Redshift 1.0.77467' $$;

CREATE OR REPLACE FUNCTION pg_catalog.getdate() RETURNS timestamp LANGUAGE sql STABLE
    AS 'SELECT date_trunc(''second'', localtimestamp)';

CREATE OR REPLACE FUNCTION pg_catalog.sysdate() RETURNS timestamp LANGUAGE sql STABLE
    AS 'SELECT localtimestamp';

-- TRUNC of a timestamp is its date.
CREATE OR REPLACE FUNCTION pg_catalog.trunc(timestamp) RETURNS date LANGUAGE sql IMMUTABLE
    AS 'SELECT $1::date';

CREATE OR REPLACE FUNCTION pg_catalog.strtol(digits text, base integer) RETURNS bigint
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    result bigint := 0; digit integer; body text := lower(ltrim(digits, '+-'));
BEGIN
    IF base = 16 THEN body := regexp_replace(body, '^0x', ''); END IF;
    FOR i IN 1..length(body) LOOP
        digit := position(substr(body, i, 1) IN '0123456789abcdefghijklmnopqrstuvwxyz') - 1;
        IF digit < 0 OR digit >= base THEN
            RAISE EXCEPTION 'The input % is not valid to be converted to base %', digits, base
                USING ERRCODE = 'XX000';
        END IF;
        result := result * base + digit;
    END LOOP;
    RETURN CASE WHEN digits LIKE '-%' THEN -result ELSE result END;
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.months_between(late timestamp, early timestamp)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT (extract(year FROM late) - extract(year FROM early)) * 12
         + extract(month FROM late) - extract(month FROM early)
         + CASE WHEN extract(day FROM late) = extract(day FROM early)
                  OR (late::date = (date_trunc('month', late) + interval '1 month - 1 day')::date
                 AND early::date = (date_trunc('month', early) + interval '1 month - 1 day')::date)
                THEN 0 ELSE (extract(day FROM late) - extract(day FROM early)) / 31.0 END
$$;

CREATE OR REPLACE FUNCTION redshift_local.last_day(moment timestamp) RETURNS date
    LANGUAGE sql IMMUTABLE AS $$
    SELECT (date_trunc('month', moment) + interval '1 month - 1 day')::date
$$;

-- DATE_TRUNC of a date has no time zone.
CREATE OR REPLACE FUNCTION pg_catalog.date_trunc(part text, day date) RETURNS timestamp
    LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.date_trunc(part, day::timestamp)';

CREATE OR REPLACE FUNCTION redshift_local.concat(early text, late text) RETURNS text
    LANGUAGE sql IMMUTABLE AS 'SELECT early || late';

-- AVG: an average in its argument's own type; `sample` is a value of the argument, and `digits` the
-- most decimal places that one of its values has: an expression has no declared scale.
CREATE OR REPLACE FUNCTION redshift_local.scale(value smallint) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample smallint, digits integer)
    RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average)::bigint';
CREATE OR REPLACE FUNCTION redshift_local.scale(value integer) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample integer, digits integer)
    RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average)::bigint';
CREATE OR REPLACE FUNCTION redshift_local.scale(value bigint) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample bigint, digits integer)
    RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average)::bigint';
CREATE OR REPLACE FUNCTION redshift_local.scale(value numeric) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.scale(value)';
CREATE OR REPLACE FUNCTION redshift_local.avg(average numeric, sample numeric, digits integer)
    RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT trunc(average, digits)';
CREATE OR REPLACE FUNCTION redshift_local.scale(value real) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OR REPLACE FUNCTION redshift_local.avg(average double precision, sample real, digits integer)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT average';
CREATE OR REPLACE FUNCTION redshift_local.scale(value double precision) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OR REPLACE FUNCTION redshift_local.avg(average double precision, sample double precision, digits integer)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT average';
CREATE OR REPLACE FUNCTION redshift_local.scale(value interval) RETURNS integer
    LANGUAGE sql IMMUTABLE AS 'SELECT 0';
CREATE OR REPLACE FUNCTION redshift_local.avg(average interval, sample interval, digits integer)
    RETURNS interval LANGUAGE sql IMMUTABLE AS 'SELECT average';

-- DATEDIFF counts the boundaries of the part between two moments.
CREATE OR REPLACE FUNCTION redshift_local.datediff(part text, early timestamp, late timestamp)
    RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE part
        WHEN 'year' THEN extract(year FROM late) - extract(year FROM early)
        WHEN 'quarter' THEN (extract(year FROM late) - extract(year FROM early)) * 4
            + extract(quarter FROM late) - extract(quarter FROM early)
        WHEN 'month' THEN (extract(year FROM late) - extract(year FROM early)) * 12
            + extract(month FROM late) - extract(month FROM early)
        WHEN 'week' THEN (date_trunc('week', late)::date - date_trunc('week', early)::date) / 7
        WHEN 'day' THEN late::date - early::date
        WHEN 'decade' THEN extract(decade FROM late) - extract(decade FROM early)
        WHEN 'century' THEN extract(century FROM late) - extract(century FROM early)
        WHEN 'millennium' THEN extract(millennium FROM late) - extract(millennium FROM early)
        WHEN 'milliseconds' THEN floor(extract(epoch FROM late) * 1000)
            - floor(extract(epoch FROM early) * 1000)
        WHEN 'microseconds' THEN floor(extract(epoch FROM late) * 1000000)
            - floor(extract(epoch FROM early) * 1000000)
        ELSE (extract(epoch FROM date_trunc(part, late)) - extract(epoch FROM date_trunc(part, early)))
            / CASE part WHEN 'hour' THEN 3600 WHEN 'minute' THEN 60 ELSE 1 END
    END::bigint
$$;

CREATE OR REPLACE FUNCTION redshift_local.json_text(value text, VARIADIC keys text[])
    RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT coalesce(value::json #>> keys, '') $$;

-- No SQL function: in one the text of a constant is read before the condition is.
CREATE OR REPLACE FUNCTION redshift_local.json_text_or_null(value text, VARIADIC keys text[])
    RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN value IS JSON THEN redshift_local.json_text(value, VARIADIC keys) END;
END $$;

-- Where the day is the last of its month, the result is too.
CREATE OR REPLACE FUNCTION redshift_local.add_months(moment timestamp, months integer)
    RETURNS timestamp LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN extract(day FROM moment + interval '1 day') = 1
                THEN date_trunc('month', moment) + make_interval(months => months + 1)
                     - interval '1 day' + (moment - date_trunc('day', moment))
                ELSE moment + make_interval(months => months) END
$$;

CREATE OR REPLACE FUNCTION redshift_local.regexp_substr(
    value text, pattern text, start integer, occurrence integer, flags text, inner_no integer)
    RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT coalesce(regexp_substr(value, pattern, start, occurrence, flags, inner_no), '')
$$;

-- PostgreSQL rounds a NUMERIC to digits only. (Each type has its own: FLOAT would be preferred.)
CREATE OR REPLACE FUNCTION pg_catalog.round(value double precision, digits integer)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN value::text IN ('NaN', 'Infinity', '-Infinity') THEN value
                ELSE round(value::numeric, digits)::double precision END $$;
CREATE OR REPLACE FUNCTION pg_catalog.round(value bigint, digits integer)
    RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(value::numeric, digits) $$;
CREATE OR REPLACE FUNCTION pg_catalog.round(value integer, digits integer)
    RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(value::numeric, digits) $$;
CREATE OR REPLACE FUNCTION pg_catalog.round(value smallint, digits integer)
    RETURNS numeric LANGUAGE sql IMMUTABLE AS $$ SELECT round(value::numeric, digits) $$;
