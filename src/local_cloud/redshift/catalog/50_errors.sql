CREATE OR REPLACE FUNCTION redshift_local.fail(message text, code text, detail text)
    RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = message, ERRCODE = code, DETAIL = detail;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.info(message text)
    RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE INFO '%', message; END $$;

CREATE OR REPLACE FUNCTION redshift_local.note(level text, message text)
    RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    CASE level WHEN 'INFO' THEN RAISE INFO '%', message;
               WHEN 'WARNING' THEN RAISE WARNING '%', message;
               ELSE RAISE NOTICE '%', message; END CASE;
END $$;

-- Called by the byte-length constraints; only a value that is too long gets here.
CREATE OR REPLACE FUNCTION redshift_local.too_long(value text, max_bytes integer)
    RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'Value too long for character type', ERRCODE = 'XX000',
        DETAIL = format(E'\n  error:  Value too long for character type\n  code:      8001\n'
            '  context:   Value too long for type character varying(%s)', max_bytes);
END $$;

-- Called by the constraints of CHAR columns; only a value with characters of several bytes gets here.
CREATE OR REPLACE FUNCTION redshift_local.multibyte(value text)
    RETURNS boolean LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = 'CHAR string contains invalid ASCII character',
        ERRCODE = 'XX000',
        DETAIL = E'\n  error:  CHAR string contains invalid ASCII character\n  code:      8001\n'
            '  context:   CHAR columns hold characters of a single byte; use VARCHAR';
END $$;

-- TRUNCATECOLUMNS: at most max_bytes bytes, cut on a character boundary.
CREATE OR REPLACE FUNCTION redshift_local.truncate_bytes(value text, max_bytes integer)
    RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN octet_length(value) <= max_bytes THEN value ELSE (
        SELECT left(value, n) FROM generate_series(max_bytes, 0, -1) AS n
         WHERE octet_length(left(value, n)) <= max_bytes LIMIT 1) END
$$;
