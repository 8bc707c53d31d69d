-- Functions of Redshift's own that PostgreSQL lacks, one by one as AWS's pages describe them.
-- A VARCHAR has at most 65,535 bytes, also one that is not stored.
CREATE OR REPLACE FUNCTION redshift_local.limited(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF octet_length(value) > 65535 THEN PERFORM redshift_local.too_long('', 65535); END IF;
    RETURN value;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.limited_list(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF octet_length(value) <= 65535 THEN RETURN value; END IF;
    RAISE EXCEPTION USING MESSAGE = 'Result size exceeds LISTAGG limit', ERRCODE = 'XX000',
        DETAIL = E'\n  error:  Result size exceeds LISTAGG limit\n  code:      8001\n'
            '  context:   LISTAGG limit: 65535';
END $$;

CREATE OR REPLACE FUNCTION redshift_local.split_part(value text, separator text, part integer)
    RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF part > 0 THEN RETURN pg_catalog.split_part(value, separator, part); END IF;
    RAISE EXCEPTION 'field position must be greater than zero' USING ERRCODE = '22023';
END $$;

-- What DATEDIFF counts between.
CREATE OR REPLACE FUNCTION redshift_local.moment(value timestamp) RETURNS timestamp
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT value';
CREATE OR REPLACE FUNCTION redshift_local.moment(value date) RETURNS timestamp
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT value::timestamp';
CREATE OR REPLACE FUNCTION redshift_local.moment(value timestamptz) RETURNS timestamp
    LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT value::timestamp';
CREATE OR REPLACE FUNCTION redshift_local.moment(value time) RETURNS timestamp
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT '2000-01-01'::timestamp + value $$;
CREATE OR REPLACE FUNCTION redshift_local.moment(value timetz) RETURNS timestamp
    LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT ('2000-01-01'::date + value) AT TIME ZONE 'UTC' $$;
CREATE OR REPLACE FUNCTION redshift_local.moment(value text) RETURNS timestamp
    LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT value::timestamp';

-- What DATEADD adds to: a time of day stays one.
DO $$
DECLARE
    kind text;
BEGIN
    FOREACH kind IN ARRAY ARRAY['timestamp', 'date', 'timestamptz', 'text', 'time', 'timetz'] LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.added_to(value %1$s) RETURNS %2$s
            LANGUAGE sql %3$s PARALLEL SAFE AS ''SELECT value::%2$s''', kind,
            CASE WHEN kind IN ('time', 'timetz') THEN kind ELSE 'timestamp' END,
            CASE WHEN kind IN ('timestamptz', 'text') THEN 'STABLE' ELSE 'IMMUTABLE' END);
    END LOOP;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.invalid_json(kind text, value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION 'invalid json % %', kind, value USING ERRCODE = 'XX000';
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.is_valid_json(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT value IS JSON OBJECT';

CREATE OR REPLACE FUNCTION pg_catalog.is_valid_json_array(value text) RETURNS boolean
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT value IS JSON ARRAY';

CREATE OR REPLACE FUNCTION pg_catalog.json_array_length(
    value text, null_if_invalid boolean DEFAULT false) RETURNS integer
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF value IS JSON ARRAY THEN RETURN json_array_length(value::json); END IF;
    IF null_if_invalid THEN RETURN NULL; END IF;
    RETURN redshift_local.invalid_json('array object', value);
END $$;

-- The position counts from 0; of an element that is not there the text is empty.
CREATE OR REPLACE FUNCTION pg_catalog.json_extract_array_element_text(
    value text, place bigint, null_if_invalid boolean DEFAULT false) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    IF value IS JSON ARRAY THEN
        RETURN coalesce(CASE WHEN place >= 0 THEN value::json ->> place::integer END, '');
    END IF;
    IF null_if_invalid THEN RETURN NULL; END IF;
    RETURN redshift_local.invalid_json('array object', value);
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.next_day(moment timestamp, day text) RETURNS date
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    wanted integer := array_position(
        ARRAY['su', 'mo', 'tu', 'we', 'th', 'fr', 'sa'], lower(left(day, 2))) - 1;
BEGIN
    IF wanted IS NULL THEN
        RAISE EXCEPTION 'Invalid day of the week: %', day USING ERRCODE = 'XX000';
    END IF;
    RETURN moment::date + 1 + (wanted - extract(dow FROM moment)::integer + 6) % 7;
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.date_part_year(day date) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT extract(year FROM day)::integer';

-- A day beyond its month's end counts on into the next one, unless the text is read strictly.
CREATE OR REPLACE FUNCTION redshift_local.to_date(value text, format text, is_strict boolean)
    RETURNS date LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    first timestamp;
BEGIN
    RETURN to_date(value, format);
EXCEPTION WHEN datetime_field_overflow THEN
    IF is_strict OR format !~* 'DD' OR format ~* 'DDD|SS' THEN RAISE; END IF;
    -- Two digits are two digits: the day is read as a second, which may be more than 31.
    first := to_timestamp(value, regexp_replace(format, 'DD', 'SS', 'i'))::timestamp;
    IF extract(second FROM first) NOT BETWEEN 1 AND 31 THEN RAISE; END IF;
    RETURN first::date + extract(second FROM first)::integer - 1;
END $$;

-- Parts beyond their range count on into the next ones, unless the text is read strictly. They are
-- found by their place, so only in a text that is as long as its format.
CREATE OR REPLACE FUNCTION redshift_local.to_timestamp(value text, format text, is_strict boolean)
    RETURNS timestamptz LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
    places text := upper(regexp_replace(format, 'HH24', 'HH', 'i'));
    within text := value;
    beyond integer[] := '{}';
    part text;
BEGIN
    IF value = '' THEN RETURN '0001-01-01'::timestamptz; END IF;
    RETURN to_timestamp(value, format);
EXCEPTION WHEN datetime_field_overflow THEN
    IF is_strict OR length(places) <> length(value) THEN RAISE; END IF;
    FOREACH part IN ARRAY ARRAY['MM', 'DD', 'HH', 'MI', 'SS'] LOOP
        IF position(part IN places) = 0 THEN
            beyond := beyond || 0;
        ELSIF substr(value, position(part IN places), 2) !~ '^[0-9]{2}$' THEN
            RAISE;
        ELSE
            beyond := beyond || substr(value, position(part IN places), 2)::integer
                             - (part IN ('MM', 'DD'))::integer;
            within := overlay(within PLACING CASE WHEN part IN ('MM', 'DD') THEN '01' ELSE '00' END
                              FROM position(part IN places));
        END IF;
    END LOOP;
    RETURN to_timestamp(within, format) + make_interval(0, beyond[1], 0, beyond[2], beyond[3],
                                                        beyond[4], beyond[5]);
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.sha2(value text, bits bigint) RETURNS text
    LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE bits WHEN 224 THEN encode(sha224(convert_to(value, 'UTF8')), 'hex')
                     WHEN 256 THEN encode(sha256(convert_to(value, 'UTF8')), 'hex')
                     WHEN 0 THEN encode(sha256(convert_to(value, 'UTF8')), 'hex')
                     WHEN 384 THEN encode(sha384(convert_to(value, 'UTF8')), 'hex')
                     WHEN 512 THEN encode(sha512(convert_to(value, 'UTF8')), 'hex') END
$$;

-- Its polynomial is CRC-32C's.
CREATE OR REPLACE FUNCTION pg_catalog.crc32(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT lpad(to_hex(crc32c(convert_to(value, 'UTF8'))), 8, '0') $$;

-- FNV-1a of 64 bits over the bytes of the value; those of a number begin with the lowest.
CREATE OR REPLACE FUNCTION redshift_local.fnv(bytes bytea, seed bigint, is_number boolean)
    RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    modulus CONSTANT numeric := 18446744073709551616; low bigint; place integer;
    hash numeric := mod(seed::numeric + modulus, modulus);
    size integer := coalesce(length(bytes), 0);
BEGIN
    FOR i IN 0..size - 1 LOOP
        place := CASE WHEN is_number THEN size - 1 - i ELSE i END;
        low := mod(hash, 256)::bigint;
        hash := mod((hash - low + (low # get_byte(bytes, place))) * 1099511628211, modulus);
    END LOOP;
    RETURN (CASE WHEN hash >= modulus / 2 THEN hash - modulus ELSE hash END)::bigint;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.fnv_hash(
    value text, seed bigint DEFAULT -3750763034362895579) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS $$ SELECT redshift_local.fnv(convert_to(value, 'UTF8'), seed, false) $$;
CREATE OR REPLACE FUNCTION pg_catalog.fnv_hash(
    value smallint, seed bigint DEFAULT -3750763034362895579) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS $$ SELECT redshift_local.fnv(int2send(value), seed, true) $$;
CREATE OR REPLACE FUNCTION pg_catalog.fnv_hash(
    value integer, seed bigint DEFAULT -3750763034362895579) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS $$ SELECT redshift_local.fnv(int4send(value), seed, true) $$;
CREATE OR REPLACE FUNCTION pg_catalog.fnv_hash(
    value bigint, seed bigint DEFAULT -3750763034362895579) RETURNS bigint LANGUAGE sql IMMUTABLE
    AS $$ SELECT redshift_local.fnv(int8send(value), seed, true) $$;

CREATE OR REPLACE FUNCTION pg_catalog.sha1(value text) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    bytes bytea := convert_to(value, 'UTF8'); size bigint := length(bytes); mask bigint := 4294967295;
    h bigint[] := ARRAY[1732584193, 4023233417, 2562383102, 271733878, 3285377520];
    w bigint[]; a bigint; b bigint; c bigint; d bigint; e bigint; f bigint; k bigint; t bigint;
BEGIN
    bytes := bytes || '\x80'::bytea || decode(repeat('00', ((119 - size % 64) % 64)::integer), 'hex')
             || int8send(size * 8);
    FOR block IN 0..length(bytes) / 64 - 1 LOOP
        FOR i IN 0..79 LOOP
            IF i < 16 THEN
                t := ('x' || encode(substr(bytes, block * 64 + i * 4 + 1, 4), 'hex'))::bit(32)::bigint;
            ELSE
                t := w[i - 3 + 1] # w[i - 8 + 1] # w[i - 14 + 1] # w[i - 16 + 1];
                t := ((t << 1) | (t >> 31)) & mask;
            END IF;
            w[i + 1] := t & mask;
        END LOOP;
        a := h[1]; b := h[2]; c := h[3]; d := h[4]; e := h[5];
        FOR i IN 0..79 LOOP
            IF i < 20 THEN f := (b & c) | ((b # mask) & d); k := 1518500249;
            ELSIF i < 40 THEN f := b # c # d; k := 1859775393;
            ELSIF i < 60 THEN f := (b & c) | (b & d) | (c & d); k := 2400959708;
            ELSE f := b # c # d; k := 3395469782;
            END IF;
            t := ((((a << 5) | (a >> 27)) & mask) + f + e + k + w[i + 1]) & mask;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := t;
        END LOOP;
        h := ARRAY[(h[1] + a) & mask, (h[2] + b) & mask, (h[3] + c) & mask, (h[4] + d) & mask,
                   (h[5] + e) & mask];
    END LOOP;
    RETURN (SELECT string_agg(lpad(to_hex(part), 8, '0'), '' ORDER BY n)
              FROM unnest(h) WITH ORDINALITY AS parts(part, n));
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.sha(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.sha1(value)';
CREATE OR REPLACE FUNCTION pg_catalog.func_sha1(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT pg_catalog.sha1(value)';

CREATE OR REPLACE FUNCTION pg_catalog.octetindex(part text, value text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT CASE strpos(value, part) WHEN 0 THEN 0
                ELSE octet_length(left(value, strpos(value, part) - 1)) + 1 END $$;
CREATE OR REPLACE FUNCTION pg_catalog.charlen(value text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT length(value)';
CREATE OR REPLACE FUNCTION pg_catalog.replicate(value text, times bigint) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT AS 'SELECT repeat(value, times::integer)';

-- What is left of the windows of ordered aggregates: `given` is sorted, its NULLs stand last.
CREATE OR REPLACE FUNCTION redshift_local.percentile_disc(fraction double precision, given anyarray)
    RETURNS anyelement LANGUAGE sql IMMUTABLE AS $$
    SELECT given[greatest(1, ceil(fraction * cardinality(array_remove(given, NULL))))] $$;
CREATE OR REPLACE FUNCTION redshift_local.percentile_cont(
    fraction double precision, given double precision[]) RETURNS double precision
    LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    place double precision := 1 + fraction * (cardinality(array_remove(given, NULL)) - 1);
BEGIN
    RETURN given[floor(place)] + (given[ceil(place)] - given[floor(place)]) * (place - floor(place));
END $$;

-- The same of the windows that pass over NULLs.
CREATE OR REPLACE FUNCTION redshift_local.nth(given anyarray, place integer) RETURNS anyelement
    LANGUAGE sql IMMUTABLE AS $$ SELECT (array_remove(given, NULL))[place] $$;
CREATE OR REPLACE FUNCTION redshift_local.nth_last(given anyarray, place integer) RETURNS anyelement
    LANGUAGE sql IMMUTABLE AS $$
    SELECT (array_remove(given, NULL))[cardinality(array_remove(given, NULL)) + 1 - place] $$;

-- TRY_CAST: `sample` is a NULL of the type.
CREATE OR REPLACE FUNCTION redshift_local.try_cast(value text, sample anyelement)
    RETURNS anyelement LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF pg_input_is_valid(value, pg_typeof(sample)::text) THEN RETURN value; END IF;
    RETURN NULL;
END $$;

-- LN of a user's columns: the compute nodes have none of a decimal.
CREATE OR REPLACE FUNCTION redshift_local.ln_of_column(value double precision)
    RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT pg_catalog.ln(value)';
CREATE OR REPLACE FUNCTION redshift_local.ln_of_column(value numeric) RETURNS numeric
    LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = '0A000', DETAIL = 'Function "ln(numeric)" not supported.',
        MESSAGE = 'Specified types or functions (one per INFO message) not supported on Redshift '
            'tables.';
END $$;

CREATE OR REPLACE FUNCTION pg_catalog.soundex(value text) RETURNS varchar
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE
    letters text := upper(regexp_replace(value, '[^A-Za-z]', '', 'g'));
    codes CONSTANT text := translate(letters, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '01230120022455012623010202');
    found text := left(letters, 1); last text := left(codes, 1); code text;
BEGIN
    FOR i IN 2..length(letters) LOOP
        code := substr(codes, i, 1);
        IF code <> '0' AND code <> last THEN found := found || code; END IF;
        IF substr(letters, i, 1) NOT IN ('H', 'W') THEN last := code; END IF;
    END LOOP;
    RETURN CASE WHEN found = '' THEN '' ELSE rpad(left(found, 4), 4, '0') END;
END $$;
CREATE OR REPLACE FUNCTION pg_catalog.difference(one text, other text) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT AS $$
    SELECT count(*)::int FROM generate_series(1, 4) AS n
     WHERE substr(soundex(one), n, 1) = substr(soundex(other), n, 1) $$;

-- A session may be ended by its own user, and by the administrator.
CREATE OR REPLACE FUNCTION redshift_local.end_session(process int, is_ended boolean) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = process
                      AND backend_type = 'client backend' AND datname = current_database()
                      AND (usename = session_user OR redshift_local.is_administrator())
                      AND usename NOT IN (SELECT rolname FROM pg_roles WHERE rolsuper)) THEN
        RAISE insufficient_privilege USING
            MESSAGE = format('process %s is no session that you may end', process);
    END IF;
    RETURN CASE WHEN is_ended THEN pg_terminate_backend(process)
                ELSE pg_cancel_backend(process) END::int;
END $$;
