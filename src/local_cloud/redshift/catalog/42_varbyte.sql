-- VARBYTE: a type of its own with Redshift's number, kept and shown as hexadecimal digits; a literal
-- without a type is the bytes of its text. (How it is made: 43_super.sql.)
DO $$
DECLARE
    made record;
BEGIN
    IF EXISTS (SELECT 1 FROM pg_type WHERE oid = 6551) THEN
        RETURN;
    END IF;
    SET LOCAL client_min_messages = warning;
    CREATE TYPE pg_catalog.varbyte;
    UPDATE pg_type SET oid = 6551 WHERE typname = 'varbyte';
    CREATE FUNCTION redshift_local.varbyte_in(cstring) RETURNS varbyte
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textin';
    CREATE FUNCTION redshift_local.varbyte_out(varbyte) RETURNS cstring
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textout';
    CREATE FUNCTION redshift_local.varbyte_recv(internal) RETURNS varbyte
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textrecv';
    CREATE FUNCTION redshift_local.varbyte_send(varbyte) RETURNS bytea
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'textsend';
    CREATE TYPE pg_catalog.varbyte (
        INPUT = redshift_local.varbyte_in, OUTPUT = redshift_local.varbyte_out,
        RECEIVE = redshift_local.varbyte_recv, SEND = redshift_local.varbyte_send,
        INTERNALLENGTH = VARIABLE, STORAGE = extended);
    CREATE CAST (varbyte AS bytea) WITHOUT FUNCTION; -- the digits, as ASCII
    CREATE CAST (bytea AS varbyte) WITHOUT FUNCTION;
    UPDATE pg_proc SET prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql'), prosrc =
        'SELECT redshift_local.varbyte(pg_catalog.convert_to($1::pg_catalog.text, ''UTF8''))'
     WHERE oid = 'redshift_local.varbyte_in'::regproc;
    FOR made IN SELECT * FROM (VALUES
        ('=', 'eq', '=', '<>', 'eq'), ('<>', 'ne', '<>', '=', 'neq'),
        ('<', 'lt', '>', '>=', 'scalarlt'), ('<=', 'le', '>=', '>', 'scalarle'),
        ('>', 'gt', '<', '<=', 'scalargt'), ('>=', 'ge', '<=', '<', 'scalarge')
    ) AS o (sign, name, commutator, negator, estimate) LOOP
        EXECUTE format('CREATE FUNCTION redshift_local.varbyte_%s(varbyte, varbyte) RETURNS boolean '
                       'LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS %L', made.name,
                       'bytea' || made.name);
        EXECUTE format('CREATE OPERATOR pg_catalog.%s (FUNCTION = redshift_local.varbyte_%s, '
                       'LEFTARG = varbyte, RIGHTARG = varbyte, COMMUTATOR = OPERATOR(pg_catalog.%s), '
                       'NEGATOR = OPERATOR(pg_catalog.%s), RESTRICT = %ssel, JOIN = %sjoinsel%s)',
                       made.sign, made.name, made.commutator, made.negator, made.estimate,
                       made.estimate, CASE WHEN made.sign = '=' THEN ', HASHES, MERGES' ELSE '' END);
    END LOOP;
    CREATE FUNCTION redshift_local.varbyte_order(varbyte, varbyte) RETURNS integer
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'byteacmp';
    CREATE FUNCTION redshift_local.varbyte_hash(varbyte) RETURNS integer
        LANGUAGE internal IMMUTABLE STRICT PARALLEL SAFE AS 'hashvarlena';
    CREATE OPERATOR CLASS pg_catalog.varbyte_ops DEFAULT FOR TYPE varbyte USING btree AS
        OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,
        FUNCTION 1 redshift_local.varbyte_order(varbyte, varbyte);
    CREATE OPERATOR CLASS pg_catalog.varbyte_ops DEFAULT FOR TYPE varbyte USING hash AS
        OPERATOR 1 =, FUNCTION 1 redshift_local.varbyte_hash(varbyte);
END $$;

CREATE OR REPLACE FUNCTION redshift_local.varbyte(bytes bytea) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT convert_to(encode(bytes, 'hex'), 'SQL_ASCII')::varbyte $$;
CREATE OR REPLACE FUNCTION redshift_local.bytes(value varbyte) RETURNS bytea
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT decode(convert_from(value::bytea, 'SQL_ASCII'), 'hex') $$;

DO $$
DECLARE
    type text; read text; written text;
BEGIN
    FOR type, read, written IN VALUES
        ('text', 'convert_to(value, ''UTF8'')', 'convert_from(b, ''UTF8'')'),
        ('varchar', 'convert_to(value, ''UTF8'')', 'convert_from(b, ''UTF8'')'),
        ('bpchar', 'convert_to(value::text, ''UTF8'')', 'convert_from(b, ''UTF8'')::bpchar'),
        ('smallint', 'int2send(value)', '(''x'' || encode(b, ''hex''))::bit(16)::integer::smallint'),
        ('integer', 'int4send(value)', '(''x'' || encode(b, ''hex''))::bit(32)::integer'),
        ('bigint', 'int8send(value)', '(''x'' || encode(b, ''hex''))::bit(64)::bigint')
    LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.varbyte(value %s) RETURNS varbyte '
                       'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L', type,
                       format('SELECT redshift_local.varbyte(%s)', read));
        EXECUTE format('CREATE OR REPLACE FUNCTION redshift_local.%I(value varbyte) RETURNS %s '
                       'LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS %L', 'to_' || type, type,
                       format('SELECT %s FROM (SELECT redshift_local.bytes(value)) AS v(b)', written));
        IF NOT EXISTS (SELECT 1 FROM pg_cast WHERE castsource = type::regtype
                       AND casttarget = 6551) THEN
            EXECUTE format('CREATE CAST (%s AS varbyte) WITH FUNCTION redshift_local.varbyte(%s)%s',
                           type, type, CASE WHEN type ~ 'int' THEN '' ELSE ' AS ASSIGNMENT' END);
            EXECUTE format('CREATE CAST (varbyte AS %s) WITH FUNCTION redshift_local.%I(varbyte)%s',
                           type, 'to_' || type,
                           CASE WHEN type ~ 'int' THEN '' ELSE ' AS ASSIGNMENT' END);
        END IF;
    END LOOP;
    IF NOT EXISTS (SELECT 1 FROM pg_operator WHERE oprleft = 6551 AND oprname = '||') THEN
        CREATE FUNCTION redshift_local.concat(early varbyte, late varbyte) RETURNS varbyte
            LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
            'SELECT (early::bytea || late::bytea)::varbyte';
        CREATE OPERATOR pg_catalog.|| (FUNCTION = redshift_local.concat,
                                       LEFTARG = varbyte, RIGHTARG = varbyte);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION redshift_local.bytes_of(value text, format text) RETURNS bytea
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    RETURN CASE lower(format)
        WHEN 'hex' THEN decode(regexp_replace(value, '^0x', ''), 'hex')
        WHEN 'binary' THEN varbit_send(value::varbit)
        WHEN 'utf8' THEN convert_to(value, 'UTF8') WHEN 'utf-8' THEN convert_to(value, 'UTF8')
        WHEN 'base64' THEN decode(value, 'base64') END;
END $$;
CREATE OR REPLACE FUNCTION redshift_local.to_varbyte(value text, format text) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT redshift_local.varbyte(CASE WHEN lower(format) = 'binary'
        THEN substr(redshift_local.bytes_of(value, format), 5)
        ELSE redshift_local.bytes_of(value, format) END) $$;
CREATE OR REPLACE FUNCTION redshift_local.from_varbyte(value varbyte, format text) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE lower(format)
        WHEN 'hex' THEN convert_from(value::bytea, 'SQL_ASCII')
        WHEN 'binary' THEN (SELECT string_agg(get_byte(b, n)::bit(8)::text, '' ORDER BY n)
            FROM redshift_local.bytes(value) AS b, generate_series(0, length(b) - 1) AS n)
        WHEN 'utf8' THEN value::varchar WHEN 'utf-8' THEN value::varchar
        WHEN 'base64' THEN encode(redshift_local.bytes(value), 'base64') END $$;
CREATE OR REPLACE FUNCTION redshift_local.from_hex(value text) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT redshift_local.varbyte(redshift_local.bytes_of(value, 'hex')) $$;
CREATE OR REPLACE FUNCTION pg_catalog.to_hex(value varbyte) RETURNS varchar
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    $$ SELECT convert_from(value::bytea, 'SQL_ASCII') $$;
CREATE OR REPLACE FUNCTION pg_catalog.length(value varbyte) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT length(value::bytea) / 2';
CREATE OR REPLACE FUNCTION pg_catalog.octet_length(value varbyte) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT length(value::bytea) / 2';
CREATE OR REPLACE FUNCTION pg_catalog.substring(value varbyte, first integer, size integer)
    RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    'SELECT redshift_local.varbyte(substring(redshift_local.bytes(value), first, size))';
CREATE OR REPLACE FUNCTION pg_catalog.substring(value varbyte, first integer)
    RETURNS varbyte LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS
    'SELECT redshift_local.varbyte(substring(redshift_local.bytes(value), first))';
CREATE OR REPLACE FUNCTION redshift_local.getbit(value varbyte, place integer) RETURNS integer
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT get_bit(redshift_local.bytes(value),
                   octet_length(value) * 8 - 8 - place / 8 * 8 + place % 8) $$;
-- A VARBYTE of a length is cut to it.
CREATE OR REPLACE FUNCTION redshift_local.cut(value varbyte, size integer) RETURNS varbyte
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT substring(value, 1, size)';
CREATE OR REPLACE FUNCTION redshift_local.is_utf8(value varbyte) RETURNS boolean
    LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN value::text IS NOT NULL;
EXCEPTION WHEN character_not_in_repertoire THEN
    RETURN false;
END $$;
